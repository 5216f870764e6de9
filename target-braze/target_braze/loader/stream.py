"""One stream of a run: maps each record, drops what the ledger already has, and hands the changes to delivery."""

from __future__ import annotations

import json
import logging
import math
from collections.abc import Sequence
from datetime import datetime, timezone
from decimal import Decimal
from typing import TYPE_CHECKING, Any, Final

import msgspec

from target_braze.braze.endpoints import TRACK, TRACK_BULK
from target_braze.encode import decode, encode
from target_braze.loader.arrow_data import ArrowData, arrow_module
from target_braze.loader.known_changes import KnownChanges
from target_braze.loader.lines import JsonLines
from target_braze.loader.logged_changes import LoggedChanges
from target_braze.loader.table_versions import TableVersions
from target_braze.mapping import compile_mapping
from target_braze.mapping.property_sources import is_blank
from target_braze.mapping.record_changes import changes_of, is_deleted
from target_braze.mapping.stream_kinds import taken_for
from target_braze.preview.likely_types import LikelyTypes
from target_braze.records import DELETED, MappingError, Record, RecordError, Rejection

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from target_braze.braze.changes import Change
    from target_braze.braze.objects.named_objects import Reader
    from target_braze.loader.context import Context

_log = logging.getLogger("target-braze")

# Types that count as JSON here: numbers keep all their digits; times and the like become text (ISO 8601).
_KEPT: Final = (Decimal,)


class LoaderStream:
    """A stream that a `Loader` has opened. Use it only from the thread that opened it.

    Raises:
        MappingError: The stream does not fit its entry in setting `streams`.
        GuardError: This is its first load, and may start live messages.
        BrazeError: The catalog of its items cannot be read or created.
    """

    def __init__(self, context: Context, name: str, schema: Mapping[str, Any], keys: Sequence[str]) -> None:
        self.name = name
        self._context = context
        self._keys = tuple(keys)
        self._schema = {"type": "SCHEMA", "stream": name, "schema": schema, "key_properties": list(keys)}
        at, entry = context.entries.of(name)
        self._mapping = compile_mapping(name, schema, entry, context.defaults, self._notice, key=at)
        _log.info("stream '%s': %s", name, taken_for(self._mapping, name, at, entry))
        # Only its key tells which message a record stands for.
        self._needs_key = self._mapping.max_recipients is not None and not entry.get("allow_duplicate_messages")
        if self._needs_key and not keys:
            raise MappingError(
                f"stream '{name}' sends messages, but its SCHEMA has no key_properties, which tell the target what it "
                "has sent. Set the table's primary key in the tap"
            )
        if self._needs_key and context.ledger is not None and not context.ledger.messages.may_begin:
            raise MappingError(
                f"stream '{name}' sends messages, but the ledger was an older copy that `ledger recover` made usable: "
                "it does not know who received messages from later runs. If nobody did, or people may receive them "
                "twice, run `target-braze ledger recover --allow-messages` on it"
            )
        limits = [setting for setting in entry if setting.startswith("max_")]
        if limits and context.attempt is not None and not context.attempt.is_whole:
            raise MappingError(
                f"stream '{name}': '{limits[0]}' limits a whole run, but each task knows only its own partition; write "
                "the stream in a run of one partition"
            )
        if context.live_messages is not None:
            context.live_messages.check(name, self._mapping)
        self.counts = context.summary.streams[name]
        context.summary.kinds[name] = self._mapping.to
        context.summary.identifier_rules[name] += self._mapping.identifier_rules
        if context.preflight is not None:
            for doubt in context.preflight.doubts(self._mapping.types):
                self._notice(doubt)
        self._lines = JsonLines(name, self._mapping.fast_path.record)
        # Attributes to remove from a user when a record no longer has them.
        self._vanishing = self._compile_vanishing(unsets=entry.get("missing_columns") == "unset")
        self._versions = TableVersions(context, name, self._mapping, self._notice)
        self._is_operated = bool(entry.get("operators"))
        self._known_changes = self._compare()
        # A tap may send a stream's SCHEMA again at any time.
        self._likely_types = context.likely_types.setdefault(
            name,
            LikelyTypes(self._mapping.untyped_texts, f"streams.{at or name}", context.defaults.zone, self._notice),
        )
        if self._mapping.requires is not None and context.estimate is None:
            self._mapping.requires.prepare(context.client, self._notice)
        self._objects: Reader | None = None
        if (of := self._mapping.object_type) is not None:
            if context.estimate is None or context.preflight is not None:
                self._objects = context.named_objects.setdefault(of, of.reader(context.client))
            else:
                self._notice("a dry run compares objects with those in Braze only if 'preflight' is true")

    def write(
        self, records: ArrowData | Iterable[Mapping[str, Any] | bytes | str], *, version: int | None = None
    ) -> None:
        """Map records and hand their changes to delivery, without waiting until they are delivered.

        Records are the rows of Arrow data (`pyarrow.RecordBatch`, `Table`, `RecordBatchReader`, or whatever else has
        `__arrow_c_stream__`), or an iterable. Each record in it is one of these, in any mixture:

        - a mapping of columns to JSON values, or to dates, times, Decimal, UUID and bytes, which become the text that
          Singer taps write. It is copied, so the caller may reuse it.
        - a JSON line as bytes (UTF-8) or text, with the columns of the record, or with its Singer RECORD message. Lines
          take the fast path without becoming a dict. Blank lines are skipped.

        Rejected records go to the dead letters, and so do lines and rows with single values such as NaN.

        Args:
            records: Records with columns of the schema.
            version: Version of the table that they come from; see `activate_version`. A RECORD message may have its
                own.

        Raises:
            RejectedError: Setting `on_error` is fail, or there are too many dead letters.
            BrazeError: An earlier request failed for good.
            TypeError: A record is something else, or has a value of another type.
            ValueError: A line is not a JSON object.
            ImportError: The records are Arrow data, and pyarrow is not installed.
        """
        fast = self.fast_record
        if isinstance(records, ArrowData):
            for row in arrow_module().rows(records, self.name):
                self._write_line(self._lines.message(row, version), fast, None)
            self._context.hand_over()
            return
        # Another iterable may wait for its next record.
        is_complete = isinstance(records, Sequence)
        for record in records:
            if isinstance(record, bytes | str):
                self._write_line(record, fast, version)
            else:
                self._write_columns(record, fast, version)
            if not is_complete:
                self._context.hand_over()
        self._context.hand_over()

    def activate_version(self, version: int, schema: dict[str, Any] | None = None) -> None:
        """Remove records that earlier versions of the table have loaded and this one has not listed.

        The mapping's `on_delete` decides how. Requires `ledger_path`, except for catalog items.

        Args:
            version: As for `write`.
            schema: SCHEMA message of the source, if its stream has another name.
        """
        deleted_at = datetime.now(timezone.utc).isoformat()
        schema = schema or self._schema
        for count, record in enumerate(self._versions.left(version), 1):
            record[DELETED] = deleted_at
            self.receive(record, {"type": "RECORD", "stream": schema["stream"], "record": record}, schema, 0)
            if count == 1:
                self._notice("records that earlier versions loaded and this one does not list are removed")

    # For callers that already have Singer messages.

    @property
    def records(self) -> int:
        """Number of records that the stream has received in this run."""
        return self.counts.read

    @property
    def fast_record(self) -> type[msgspec.Struct] | None:
        """The struct that `receive_fast` takes; None if each record needs a closer look."""
        context = self._context
        looks = context.estimate is not None or context.defaults.guard.counts_users
        if self._known_changes is not None:
            # The ledger needs the record itself to list members and to find missing columns.
            looks |= self._mapping.acts_on_delete or bool(self._vanishing)
            # The log needs the key of all of these changes, not only of those that count.
            looks |= context.attempt is not None and self._is_operated
        return None if looks else self._mapping.fast_path.record

    def receive_fast(self, columns: msgspec.Struct, line: bytes, schema: dict[str, Any]) -> bool:
        """Receive an ordinary record. Return False if it needs `receive` instead.

        Args:
            columns: A `fast_record`.
            line: JSON of its RECORD message.
            schema: SCHEMA message of its source.
        """
        try:
            change = self._mapping.fast_path.change(columns)
        except RecursionError:
            return False
        if change is None:
            return False
        if self._likely_types.wants_more:
            self._likely_types.see(decode(line)["record"])
        source = self._record(line, schema, len(line))
        change.records.append(source)
        if self._context.bulk and change.endpoint is TRACK:
            change.endpoint = TRACK_BULK
        context, known = self._context, self._known_changes
        if known is not None:
            key = self._mapping.fast_path.values(columns, self._keys) if change.semantics.counted else ()
            if context.lookahead is not None:
                context.lookahead.add(known, change, source, key)
                return True
            context.delivery.wait_for_room(source.position)
            if not known.removed_from([change], source, key):
                return True
        context.delivery.add(change)
        return True

    def receive(self, record: dict[str, Any], message: dict[str, Any], schema: dict[str, Any], size: int) -> None:
        """Receive a record.

        Args:
            record: Its columns.
            message: RECORD message as received, for the dead letters.
            schema: SCHEMA message of its source.
            size: Size of the message, in bytes.
        """
        context = self._context
        context.hand_over()
        source = self._record(message, schema, size)
        self._likely_types.see(record)
        context.delivery.wait_for_room(source.position)
        try:
            changes, absent = self._changes(record, source)
            new = changes if self._objects is None else self._differing(self._objects, changes)
        except RecordError as error:
            context.reject(source, Rejection(str(error)))
            return
        if not new:
            context.summary.without_changes(source, "unchanged" if changes else "left_out")
            if context.ledger is not None:
                context.ledger.members.dropped(source.position)
            return
        changes = new
        for change in changes:
            change.records.append(source)
            if context.bulk and change.endpoint is TRACK:
                change.endpoint = TRACK_BULK
            if context.defaults.guard.counts_users:
                context.defaults.guard.see(change.users)
        if self._known_changes is not None:
            key = [record.get(column) for column in self._keys]
            changes = self._known_changes.removed_from(changes, source, key, absent)
        changes = self._admitted(changes, source)
        if len(changes) > 1:
            context.summary.divide(source, len(changes))
        if changes:
            context.delivery.add(*changes)

    def reject(self, message: dict[str, Any], schema: dict[str, Any], size: int, reason: str) -> None:
        """Reject a record that cannot be read, for `reason`; the other arguments are those of `receive`."""
        self._context.reject(self._record(message, schema, size), Rejection(reason))

    def _admitted(self, changes: list[Change], source: Record) -> list[Change]:
        """Return the changes of a record if they may be sent, or reject it and return none.

        Raises:
            NotSentError: They are messages, and no more may be sent in this run.
        """
        context, most = self._context, self._mapping.max_recipients
        if most is None:
            return changes
        try:
            for change in changes:
                context.recipients.admit(change, most, self._notice, dry_run=context.estimate is not None)
        except RecordError as error:
            if context.ledger is not None:
                context.ledger.settle(changes, "rejected")
            context.reject(source, Rejection(str(error)))
            return []
        return changes

    def _write_line(self, record: bytes | str, fast: type[msgspec.Struct] | None, version: int | None) -> None:
        line = record.encode("utf-8", "surrogatepass") if isinstance(record, str) else record
        if (
            fast is not None
            and (found := self._lines.read_fast(line, version))
            and self.receive_fast(*found, self._schema)
        ):
            return
        try:
            read = self._lines.read(line, version)
        except ValueError as error:
            raise ValueError(f"{self._next}: {error}") from None
        if read is None:
            return
        message, wrong = read
        if wrong:
            self.reject(message, self._schema, len(line), wrong)
        else:
            self.receive(message["record"], message, self._schema, len(line))

    def _write_columns(self, record: Mapping[str, Any], fast: type[msgspec.Struct] | None, version: int | None) -> None:
        values = self._copied(record)
        message: dict[str, Any] = {"type": "RECORD", "stream": self.name, "record": values}
        if version is not None:
            message["version"] = version
        line = encode(message)
        if fast is not None:
            try:
                columns = msgspec.convert(values, fast, builtin_types=_KEPT)
            except (msgspec.ValidationError, RecursionError):
                pass
            else:
                if self.receive_fast(columns, line, self._schema):
                    return
        if b"null" in line:
            message["record"] = _with_constants(values)
        self.receive(values, message, self._schema, len(line))

    def _copied(self, record: Mapping[str, Any]) -> dict[str, Any]:
        try:
            copied: dict[str, Any] = msgspec.to_builtins(record, builtin_types=_KEPT, str_keys=True)
        except (TypeError, ValueError, RecursionError) as error:
            raise TypeError(f"{self._next}: {error}") from None
        if not isinstance(copied, dict):
            raise TypeError(f"{self._next}: expected a mapping or a JSON line, got {type(record).__name__}")
        return copied

    @property
    def _next(self) -> str:
        return f"stream '{self.name}', record {self.records + 1:,}"

    def _record(self, sent: dict[str, Any] | bytes, schema: dict[str, Any], size: int) -> Record:
        counts = self.counts
        if self._context.canary is not None:
            self._context.canary.before_record(self.name, counts, size, self._context.drain)
        counts.read += 1
        return Record(self.name, counts.read, next(self._context.positions), self._keys, sent, schema, size)

    def _changes(self, record: dict[str, Any], source: Record) -> tuple[list[Change], list[str]]:
        """Return the changes of a record, and the vanishing attributes that it has no column for.

        Raises:
            RecordError: The record identifies no user, or Braze would not accept a value.
        """
        self._versions.add(record, source)
        unsets = self._vanishing and not is_deleted(record)
        absent = self._mapping.absent(record, self._vanishing) if unsets else []
        if self._needs_key and (blank := [column for column in self._keys if is_blank(record.get(column))]):
            raise RecordError(f"column '{blank[0]}' is blank, but the key tells the target what it has sent")
        changes = changes_of(self._mapping, record)
        if self._context.estimate is not None:
            self._context.estimate.read(self.name, changes, len(absent))
        return changes, absent

    def _differing(self, objects: Reader, changes: Sequence[Change]) -> list[Change]:
        """Return the changes that differ from Braze, as updates of objects that exist. A dry run logs what differs.

        Raises:
            RecordError: Braze cannot make the change.
            BrazeError: A request failed.
        """
        found = []
        for change in changes:
            if (difference := objects.compare(change)) is None:
                continue
            found.append(change)
            if self._context.estimate is not None:
                for line in difference.lines():
                    _log.info("stream '%s': %s", self.name, line)
        return found

    def _compare(self) -> KnownChanges | LoggedChanges | None:
        context = self._context
        if context.ledger is not None:
            return KnownChanges(context, context.ledger, self._mapping, self.counts)
        if context.attempt is not None:
            return LoggedChanges(context, context.attempt, self.counts, is_operated=self._is_operated)
        return None

    def _compile_vanishing(self, *, unsets: bool) -> frozenset[str]:
        if self._context.ledger is not None:
            alone = self._context.ledger.made(self.name, self._mapping.attributes)
            return alone if unsets else frozenset()
        # A dry run does not read the ledger, so assume the most: all attributes.
        return frozenset(self._mapping.attributes) if unsets else frozenset()

    def _notice(self, text: str) -> None:
        self._context.summary.notice(f"stream '{self.name}': {text}")


def _with_constants(value: Any) -> Any:  # noqa: ANN401
    """Return the value with NaN and Infinity as Python writes them in JSON, so that a dead letter keeps them."""
    if isinstance(value, dict):
        return {key: _with_constants(item) for key, item in value.items()}
    if isinstance(value, list):
        return [_with_constants(item) for item in value]
    if isinstance(value, float) and not math.isfinite(value):
        return msgspec.Raw(json.dumps(value).encode())
    return value
