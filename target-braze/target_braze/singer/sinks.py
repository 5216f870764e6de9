"""The sink: hands each record of a stream to its mapping, and what comes out to delivery."""

from __future__ import annotations

import logging
from datetime import datetime, timezone
from typing import TYPE_CHECKING, Any

from singer_sdk.sinks import RecordSink
from typing_extensions import override

from target_braze.braze import catalogs
from target_braze.braze.endpoints import TRACK, TRACK_BULK
from target_braze.damaged_json import TOO_DEEP, levels
from target_braze.ledger.store import fingerprint
from target_braze.mapping import compile_mapping
from target_braze.mapping.property_sources import is_blank
from target_braze.mapping.stream_kinds import taken_for
from target_braze.records import DELETED, RecordError, Rejection

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    import msgspec

    from target_braze.braze.changes import Change, Endpoint
    from target_braze.ledger.store import Ledger
    from target_braze.records import Record
    from target_braze.singer.target import TargetBraze

_log = logging.getLogger("target-braze")


class BrazeSink(RecordSink):
    """Records of one stream; batches are made by delivery, across streams."""

    def __init__(
        self, target: TargetBraze, stream_name: str, schema: dict[str, Any], key_properties: Sequence[str] | None
    ) -> None:
        super().__init__(target, stream_name, schema, key_properties)
        self._target = target
        self._entry_key, self._entry = target.entries.of(stream_name)
        self._mapping = compile_mapping(
            stream_name, self.schema, self._entry, target.defaults, self._notice, key=self._entry_key
        )
        _log.info("stream '%s': %s", stream_name, taken_for(self._mapping, stream_name, self._entry_key, self._entry))
        self._counts = target.summary.streams[stream_name]
        target.summary.candidates[stream_name] += self._mapping.candidates
        if target.preflight is not None:
            for doubt in target.preflight.doubts(self._mapping.types):
                self._notice(doubt)
        self._keys = tuple(self.key_properties)
        self._bulk = self.config["track_endpoint"] == "bulk"
        self._deleted = False
        self._removes = self._mapping.removes
        # Attributes that go from a user when a record no longer has them, and those that the present one lacks.
        self._vanishing: frozenset[str] = frozenset()
        self._absent: list[str] = []
        if target.ledger is not None:
            alone = target.ledger.made(stream_name, self._mapping.attributes)
            self._vanishing = alone if self._entry.get("missing_columns") == "unset" else self._vanishing
        elif (
            self._entry.get("missing_columns") == "unset"
        ):  # a dry run, which leaves the ledger alone: at most all of them
            self._vanishing = frozenset(self._mapping.attributes)
        if self._mapping.catalog is not None and target.sends:
            catalogs.prepare(target.client, self._mapping.catalog, self._notice)

    @override
    def get_validator(self) -> None:
        """No second check: each column's converter holds the value against the column's schema."""

    @override
    def _parse_timestamps_in_record(self, record: Any, schema: Any, treatment: Any) -> None:
        """Leave times as the text they came as: Braze takes text, and parsing twice costs a third of the time."""

    @override
    def _singer_validate_message(self, record: Mapping[str, Any]) -> None:
        """Braze has no use for a stream's keys; whom a record is about is the mapping's to say."""

    @override
    def process_record(self, record: dict[str, Any], context: Mapping[str, Any]) -> None:
        source = self._target.record(self.stream_name, self._keys)
        self._target.delivery.wait_for_room(source.position)
        try:
            changes = self._changes(record, source)
        except RecordError as error:
            self._target.reject(source, Rejection(str(error)))
            return
        if not changes:
            self._counts.left_out += 1
            if self._target.ledger is not None:
                self._target.ledger.members.dropped(source.position)
            return
        for change in changes:
            change.records.append(source)
            if self._bulk:
                change.endpoint = self._endpoint(change)
            if self._target.defaults.guard.counts_users:
                self._target.defaults.guard.see(change.users)
        if self._target.ledger is not None:
            changes = self._news(self._target.ledger, record, source, changes)
            if not changes:
                return
        if len(changes) > 1:
            self._target.summary.divide(source, len(changes))
        self._target.delivery.add(*changes)

    @property
    def quick_record(self) -> type[msgspec.Struct] | None:
        """The struct that `process_quick` takes; None where each record has to be looked at."""
        looks = not self._target.sends or self._target.ledger is not None or self._target.defaults.guard.counts_users
        return None if looks else self._mapping.quick_record

    def process_quick(self, record: msgspec.Struct) -> bool:
        """Take in a record that has nothing out of the ordinary; False if it has, for `process_record` to see."""
        try:
            change = self._mapping.quick_change(record)
        except RecursionError:
            return False
        if change is None:
            return False
        line = self._target.message_reader.line
        change.records.append(self._target.record(self.stream_name, self._keys, line))
        if self._bulk:
            change.endpoint = self._endpoint(change)
        self._target.delivery.add(change)
        self.record_counter_metric.value += 1
        return True

    @override
    def _remove_sdc_metadata_from_record(self, record: dict[str, Any]) -> None:
        # The source says so, or a stream map, and the SDK takes it away.
        source = self._target.message["record"]
        self._deleted = not is_blank(record.get(DELETED, source.get(DELETED)))
        super()._remove_sdc_metadata_from_record(record)

    @override
    def activate_version(self, new_version: int) -> None:
        deleted_at = datetime.now(timezone.utc).isoformat()
        for count, record in enumerate(self._left(new_version), 1):
            record[DELETED] = deleted_at
            self._target.message = {"type": "RECORD", "stream": self._target.message["stream"], "record": record}
            self.process_record(record, {})
            if count == 1:
                self._notice("what earlier versions have loaded and this one does not list is removed")

    def _endpoint(self, change: Change) -> Endpoint:
        """Where the change goes, by setting `track_endpoint`."""
        return TRACK_BULK if self._bulk and change.endpoint is TRACK else change.endpoint

    def _changes(self, record: Mapping[str, Any], source: Record) -> list[Change]:
        # A CSV writes blank text where nothing is deleted.
        deleted = record.get(DELETED)
        is_deleted = self._deleted or (deleted is not None and not is_blank(deleted))
        if self._removes:
            self._keep(record, source, is_deleted=is_deleted)
        if self._vanishing:
            self._absent = [] if is_deleted else self._mapping.absent(record, self._vanishing)
        try:
            changes = self._mapping.removed(record) if is_deleted else self._mapping.changes(record)
        except RecursionError:
            column = max(record, key=lambda name: levels(record[name]))
            raise RecordError(f"column '{column}' has {TOO_DEEP}") from None
        if not self._target.sends:
            self._target.estimate.read(self.stream_name, changes, len(self._absent))
        return changes

    def _keep(self, record: Mapping[str, Any], source: Record, *, is_deleted: bool) -> None:
        """Remember what the stream lists, to know with its next version what it lists no more."""
        version = self._target.message.get("version")
        if self._mapping.catalog is not None:
            if not is_deleted and (key := self._mapping.item_id(record)) is not None:
                self._target.listed[self.stream_name, version].add(key)
        elif self._target.ledger is not None:
            members = self._target.ledger.members
            listed = self._mapping.members(record)
            if is_deleted:
                for member in listed[:1]:
                    members.leave(self.stream_name, member, source.position)
            elif version is not None:
                members.note(self.stream_name, listed, version)

    def _left(self, version: int) -> Iterator[dict[str, Any]]:
        """Records that name what earlier versions have loaded and this one has not; none before its first record."""
        if not self._removes:
            self._notice("ACTIVATE_VERSION is ignored, for 'on_delete' says nothing of what is gone from the source")
        elif self._mapping.catalog is not None:
            if self._target.sends and (listed := self._target.listed[self.stream_name, version]):
                column = self._mapping.id_column
                ids = list(catalogs.item_ids(self._target.client, self._mapping.catalog.name))
                yield from ({column: key} for key in ids if key not in listed)
        elif self._target.ledger is None:
            self._notice(
                "ACTIVATE_VERSION is ignored, for what earlier runs loaded is not known; 'ledger_path' lets the target "
                "remember it" + ("" if self._target.sends else ", but a dry run does not look there")
            )
        else:
            for member in self._target.ledger.members.left(self.stream_name, version):
                if (record := self._mapping.record_of(member)) is not None:
                    yield record
                else:
                    self._notice(
                        "users are gone with a version of whom the mapping can no longer say who they are; they stay "
                        "as they are in Braze"
                    )

    def _news(self, ledger: Ledger, record: Mapping[str, Any], source: Record, changes: list[Change]) -> list[Change]:
        """The changes that Braze does not have; none where it is in doubt whether it has one of them."""
        key = [record.get(column) for column in self._keys]
        for place, change in enumerate(changes):
            change.fingerprint = fingerprint(change, key, place)
        if self.config["on_unknown_outcome"] == "hold" and any(map(ledger.in_doubt, changes)):
            why = "an earlier run sent it and saw no answer: it is in doubt whether Braze has it"
            self._target.reject(source, Rejection(why, in_doubt=True))
            return []
        news = []
        for change in changes:
            before, fields = change.data_points, len(change.fields)
            if not ledger.news(change, self._absent):
                self._counts.saved_by_ledger += before
                continue
            news.append(change)
            unset = sum(name in change.fields for name in self._absent)
            if len(change.fields) != fields + unset:
                self._counts.saved_by_ledger += before + unset - change.data_points
        if not news:
            self._counts.unchanged += 1
            ledger.members.dropped(source.position)
        return news

    def _notice(self, text: str) -> None:
        self._target.summary.notice(f"stream '{self.stream_name}': {text}")
