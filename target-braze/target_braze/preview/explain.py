"""Explain: what the first records of each stream become in Braze, and which rule made each field; sends nothing."""

from __future__ import annotations

from fnmatch import fnmatchcase
from functools import cached_property
from typing import IO, TYPE_CHECKING, Any, ClassVar

import click
from singer_sdk import Target
from typing_extensions import override

from target_braze.braze.changes import Endpoint
from target_braze.braze.endpoints import TRACK, Identifiers
from target_braze.encode import encode
from target_braze.mapping.property_sources import is_blank
from target_braze.records import DELETED, RecordError
from target_braze.singer.sinks import BrazeSink
from target_braze.singer.target import TargetBraze

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from target_braze.braze.changes import Change


class ExplainSink(BrazeSink):
    """Prints what it would send."""

    _target: ExplainTarget
    quick_record = None

    @override
    def process_record(self, record: dict[str, Any], context: Mapping[str, Any]) -> None:
        source = self._target.record(self.stream_name, self._keys)
        if source.number > self._target.records:
            return
        click.echo(str(source))
        try:
            changes = self._changes(record, source)
        except RecordError as error:
            click.echo(f"  rejected: {error}\n")
            return
        if not changes:
            click.echo("  nothing for Braze")
        explained = {DELETED, *self._mapping.flattened}
        for change in changes:
            endpoint = self._endpoint(change)
            click.echo(f"  {change.payload_key}, to {endpoint.method} {endpoint.path}")
            click.echo(f"    {_shown(change).decode()}")
            rows = [(path, self._rule(path, value, change, record)) for path, value in self._paths(change)]
            explained.update(*(self._mapping.sources.get(path, ()) for path, _ in rows))
            _echo_table(rows)
        unused = [
            (column, self._why_not(column, value))
            for column, value in record.items()
            if column not in explained and not self._identifies(column, changes)
        ]
        if unused and changes:
            click.echo("  not sent")
            _echo_table(unused)
        click.echo()

    def _paths(self, change: Change) -> Iterator[tuple[str, object]]:
        """What an object consists of, and whom it is about where only the request says so."""
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
        """Where a field of the object comes from."""
        at, entry = self._at, self._entry
        named = [one for one in self._mapping.candidates if one.kind == path == change.user[0]]
        for candidate in sorted(named, key=lambda one: is_blank(record.get(one.column))):
            return f"column '{candidate.column}', by {f'{at}.{candidate.place}' if candidate.place else 'its name'}"
        columns = self._mapping.sources.get(path, ())
        column = next((one for one in columns if not is_blank(record.get(one))), None)
        is_deleted = self._deleted or not is_blank(record.get(DELETED))
        if is_deleted and (column is None or str(record[column]) != str(value)):
            return f"{at}.on_delete: {entry.get('on_delete', 'remove')}"
        if column is not None:
            return f"column '{column}', by {', '.join(_mentions(entry, column, at)) or 'its name'}"
        return self._setting(path, value, change)

    def _setting(self, path: str, value: object, change: Change) -> str:
        """Which setting says so, where no column does."""
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
        return any(column in candidate.columns and candidate.kind in kinds for candidate in self._mapping.candidates)

    @property
    def _at(self) -> str:
        """Where the stream's entry stands in the settings."""
        return f"streams.{self._entry_key or self.stream_name}"


class ExplainTarget(TargetBraze):
    """The target, but it prints instead of sending."""

    default_sink_class = ExplainSink
    records: ClassVar[int] = 3

    @property
    @override
    def sends(self) -> bool:
        return False

    @classmethod
    @override
    def get_singer_command(cls) -> click.Command:
        return Target.get_singer_command.__func__(cls)  # type: ignore[attr-defined,no-any-return]

    @cached_property
    @override
    def ledger(self) -> None:
        """None: what Braze has is no matter here, and the file is another run's."""

    @override
    def run(self, file_input: IO[str] | None = None) -> None:
        self.listen(file_input)

    @override
    def _take_back(self, letter: dict[str, Any]) -> None:
        """Dead letters stay where they are, for none is tried."""

    @override
    def _process_state_message(self, message_dict: dict[str, Any]) -> None:
        """Nothing is delivered, so there is nothing to confirm."""

    @override
    def process_endofpipe(self) -> None:
        self.entries.check()


def command() -> click.Command:
    """The command `explain`, with the options of the target itself."""
    found = ExplainTarget.get_singer_command()
    found.name = "explain"
    found.help = "Print what the first records of each stream become in Braze, and why; send nothing."
    found.params = [option for option in found.params if option.name in {"config", "file_input"}]
    found.params.append(
        click.Option(["--records"], type=click.IntRange(1), default=3, help="How many of each stream; 3 by default.")
    )

    def explain(records: int, **options: Any) -> None:  # noqa: ANN401
        ExplainTarget.records = records
        ExplainTarget.invoke(**options)

    found.callback = explain
    return found


def _is_plain(endpoint: Endpoint) -> bool:
    return type(endpoint).body is Endpoint.body


def _shown(change: Change) -> bytes:
    """The object, or the request where that is of another form than its objects."""
    encoded = encode(change.fields)
    return encoded if _is_plain(change.endpoint) else change.endpoint.body([change], [encoded])


def _mentions(entry: Any, column: str, at: str) -> Iterator[str]:  # noqa: ANN401
    """The places in a mapping that speak of the column."""
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


def _echo_table(rows: list[tuple[str, str]]) -> None:
    width = max((len(name) for name, _ in rows), default=0)
    for name, text in rows:
        click.echo(f"    {name.ljust(width)}  {text}")
