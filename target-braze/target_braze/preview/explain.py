"""Explain: show what the first records of each stream become, and which rule sets each field; sends nothing."""

from __future__ import annotations

import logging
from fnmatch import fnmatchcase
from typing import TYPE_CHECKING, Any

from target_braze.braze.changes import Endpoint
from target_braze.braze.endpoints import TRACK, TRACK_BULK, Identifiers
from target_braze.encode import encode
from target_braze.mapping import compile_mapping
from target_braze.mapping.property_sources import is_blank
from target_braze.mapping.record_changes import changes_of, is_deleted
from target_braze.mapping.stream_kinds import taken_for
from target_braze.preview.likely_types import LikelyTypes
from target_braze.records import DELETED, Record, RecordError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence

    from target_braze.braze.changes import Change
    from target_braze.mapping.base.stream_mapping import Defaults
    from target_braze.settings.stream_config import Entries

_log = logging.getLogger("target-braze")


class ExplainedStream:
    """Receives a stream's Singer messages and shows what its mapping makes of the first records.

    Args:
        most: Number of records to show.
        echo: Prints a line of text.
        notice: Shows a warning about the stream.
        likely_types: What the text of each stream's first records looks like, by stream.
        bulk: Whether setting `track_endpoint` is bulk.
    """

    fast_record = None

    def __init__(
        self,
        name: str,
        schema: Mapping[str, Any],
        keys: Sequence[str],
        *,
        entries: Entries,
        defaults: Defaults,
        most: int,
        echo: Callable[[str], None],
        notice: Callable[[str], None],
        likely_types: dict[str, LikelyTypes],
        bulk: bool = False,
    ) -> None:
        self.records = 0
        self._name, self._keys = name, tuple(keys)
        self._most, self._echo, self._bulk = most, echo, bulk
        key, self._entry = entries.of(name)
        # Path of the stream's entry in the settings.
        self._at = f"streams.{key or name}"

        def notice_stream(text: str) -> None:
            notice(f"stream '{name}': {text}")

        self._mapping = compile_mapping(name, schema, self._entry, defaults, notice_stream, key=key)
        self._likely_types = likely_types.setdefault(
            name, LikelyTypes(self._mapping.untyped_texts, self._at, defaults.zone, notice_stream)
        )
        _log.info("stream '%s': %s", name, taken_for(self._mapping, name, key, self._entry))
        self.types = self._mapping.types

    def receive(self, record: dict[str, Any], message: dict[str, Any], schema: dict[str, Any], size: int) -> None:
        """Show what a record becomes, if it is one of the first."""
        self._likely_types.see(record)
        if not self._shows(message, schema, size):
            return
        try:
            changes = changes_of(self._mapping, record)
        except RecordError as error:
            self._echo(f"  rejected: {error}\n")
            return
        if not changes:
            self._echo("  nothing for Braze")
        explained = {DELETED, *self._mapping.flattened}
        for change in changes:
            endpoint = TRACK_BULK if self._bulk and change.endpoint is TRACK else change.endpoint
            self._echo(f"  {change.payload_key}, to {endpoint.method} {endpoint.path}")
            self._echo(f"    {_shown(change).decode()}")
            rows = [(path, self._rule(path, value, change, record)) for path, value in self._paths(change)]
            explained.update(*(self._mapping.sources.get(path, ()) for path, _ in rows))
            self._echo_table(rows)
        unused = [
            (column, self._why_not(column, value))
            for column, value in record.items()
            if column not in explained and not self._identifies(column, changes)
        ]
        if unused and changes:
            self._echo("  not sent")
            self._echo_table(unused)
        self._echo("")

    def receive_fast(self, columns: object, line: bytes, schema: dict[str, Any]) -> bool:
        """Leave each record to `receive`."""
        del columns, line, schema
        return False

    def reject(self, message: dict[str, Any], schema: dict[str, Any], size: int, reason: str) -> None:
        """Show that a record cannot be read."""
        if self._shows(message, schema, size):
            self._echo(f"  rejected: {reason}\n")

    def activate_version(self, version: int, schema: dict[str, Any] | None = None) -> None:
        """Show nothing: only the ledger knows which users have left, and explain does not read it."""

    def _shows(self, message: dict[str, Any], schema: dict[str, Any], size: int) -> bool:
        self.records += 1
        if self.records > self._most:
            return False
        self._echo(str(Record(self._name, self.records, self.records, self._keys, message, schema, size)))
        return True

    def _echo_table(self, rows: list[tuple[str, str]]) -> None:
        width = max((len(name) for name, _ in rows), default=0)
        for name, text in rows:
            self._echo(f"    {name.ljust(width)}  {text}")

    def _paths(self, change: Change) -> Iterator[tuple[str, object]]:
        """Yield the fields of an object, after the identifier and constants if only the request has them."""
        if change.user[0] not in change.fields and not _is_plain(change.endpoint):
            yield change.user[0], None
        if isinstance(change.endpoint, Identifiers):
            yield from dict.fromkeys(change.endpoint.constants).items()
        for name, value in change.fields.items():
            if isinstance(value, dict) and (
                name == "properties" or any(f"{name}.{member}" in self._mapping.sources for member in value)
            ):
                yield from ((f"{name}.{member}", inner) for member, inner in value.items())
            else:
                yield name, value

    def _rule(self, path: str, value: object, change: Change, record: Mapping[str, Any]) -> str:
        """Return the column or setting that a field of the object comes from."""
        at, entry = self._at, self._entry
        named = [one for one in self._mapping.identifier_rules if one.identifier_type == path == change.user[0]]
        for rule in sorted(named, key=lambda one: is_blank(record.get(one.column))):
            return f"column '{rule.column}', by {f'{at}.{rule.place}' if rule.place else 'its name'}"
        columns = self._mapping.sources.get(path, ())
        column = next((one for one in columns if not is_blank(record.get(one))), None)
        if is_deleted(record) and (column is None or str(record[column]) != str(value)):
            return f"{at}.on_delete: {entry.get('on_delete', 'remove')}"
        if column is not None:
            return f"column '{column}', by {', '.join(_mentions(entry, column, at)) or 'its name'}"
        return self._setting(path, value, change)

    def _setting(self, path: str, value: object, change: Change) -> str:
        """Return the setting that a field comes from if it comes from no column."""
        at, entry = self._at, self._entry
        by_setting = {
            "_update_existing_only": "setting update_existing_only",
            "_merge_objects": f"{at}.merge_objects",
            "app_id": "setting app_id",
        }
        if path in by_setting:
            return by_setting[path]
        if found := [*_mentions(entry, path, at), *(_mentions(entry, value, at) if isinstance(value, str) else ())]:
            return ", ".join(found)
        if self._mapping.flattened and change.payload_key in TRACK.arrays:
            flattened = (
                f"'{name}', by {', '.join(_mentions(entry, name, at)) or 'its name'}"
                for name in self._mapping.flattened
            )
            return f"member of column {' or '.join(flattened)}"
        return f"{at}.to: {entry.get('to', 'attributes')}"

    def _why_not(self, column: str, value: object) -> str:
        at, entry = self._at, self._entry
        if value is None:
            return "null, by setting nulls: skip"
        if not any(column in columns for columns in self._mapping.sources.values()):
            setting = "properties" if "properties" in entry else "fields"
            return f"not chosen by {at}.{setting}" if setting in entry else "no part of the object"
        return "blank" if is_blank(value) else "no part of this object"

    def _identifies(self, column: str, changes: list[Change]) -> bool:
        kinds = {change.user[0] for change in changes}
        return any(column in rule.columns and rule.identifier_type in kinds for rule in self._mapping.identifier_rules)


def _is_plain(endpoint: Endpoint) -> bool:
    return type(endpoint).body is Endpoint.body


def _shown(change: Change) -> bytes:
    """Return the object, or the whole request if it is not an array of objects."""
    encoded = encode(change.fields)
    return encoded if _is_plain(change.endpoint) else change.endpoint.body([change], [encoded])


def _mentions(entry: Any, column: str, at: str) -> Iterator[str]:  # noqa: ANN401
    """Yield the paths in a mapping that mention the column."""
    if isinstance(entry, dict):
        for key, value in entry.items():
            if key == column:
                yield f"{at}.{key}"
            else:
                yield from _mentions(value, column, f"{at}.{key}")
    elif isinstance(entry, list):
        for number, value in enumerate(entry):
            yield from _mentions(value, column, f"{at}[{number}]")
    elif isinstance(entry, str) and (entry == column or fnmatchcase(column, entry)):
        yield at
