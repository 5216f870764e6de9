"""How a stream's rows become records: versions, and comparisons with the rows of earlier runs."""

from __future__ import annotations

from functools import cached_property
from typing import TYPE_CHECKING, Any, ClassVar

from singer_sdk.exceptions import ConfigValidationError
from typing_extensions import override

from tap_braze.comparison.history import HISTORY, MOST, VALID_FROM, History
from tap_braze.comparison.tombstones import KEYS, Tombstones
from tap_braze.sdk import SdkStream
from tap_braze.settings.objects import has_history
from tap_braze.untrusted import MalformedError

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    from singer_sdk.helpers.types import Record
    from singer_sdk.singerlib import Catalog

    from tap_braze.comparison.comparison import Comparison
    from tap_braze.streams.base.context import RunContext


class ComparedStream(SdkStream):
    """A stream that writes its rows as they are, or what a comparison makes of them."""

    primary_keys: Sequence[str] = ()
    schema: dict[str, Any]
    is_snapshot: ClassVar[bool] = False  # whether each run reads all of Braze's rows
    # Columns that change without an edit, so they make no new version of an object; None if the stream has no history.
    unversioned: ClassVar[frozenset[str] | None] = None

    def __init__(self, run: RunContext, schema: dict[str, Any] | None = None) -> None:
        super().__init__(run.tap, schema)
        self.run = run
        self.lacks_rows = False  # whether this run could not read all rows
        self.comparison_kind = self.compares()
        if (kind := self.comparison_kind) is not None:
            self.schema = {**self.schema, "properties": {**self.schema["properties"], **kind.columns}}
            self.primary_keys = (*self.primary_keys, *kind.key)

    def compares(self) -> type[Comparison] | None:
        """Return how to compare its rows with those of earlier runs; None to write all rows as they are."""
        if self.unversioned is not None and has_history(self.config, self.name):
            return History
        if self.is_snapshot and self.config.get("deletions") == "soft":
            return Tombstones
        return None

    @cached_property
    def comparison(self) -> Comparison | None:
        """Return the comparison of this run.

        Raises:
            ConfigValidationError: Its part of STATE is damaged.
        """
        if self.comparison_kind is None:
            return None
        try:
            return self.start_comparison()
        except ValueError as error:
            raise bad_state(self.name, f"{error} in the state; remove it") from None

    def start_comparison(self) -> Comparison:
        """Return a comparison of the stream's kind, continued from STATE.

        Raises:
            ValueError: Its part of STATE is damaged.
        """
        if self.comparison_kind is Tombstones:
            return Tombstones(self.stream_state, self.primary_keys, self.warn)
        names = type(self).primary_keys
        return History(
            self.stream_state,
            names,
            self.selected_columns.difference(names, self.unversioned or ()),
            closes=self.run.settings.deletions != "keep",
            checkpoint=self.write_state,
            overflow=self._report_overflow,
        )

    @property
    def selected_columns(self) -> frozenset[str]:
        """Return the columns that are selected."""
        return frozenset(name for name in self.schema["properties"] if self.mask["properties", name])

    @override
    def apply_catalog(self, catalog: Catalog) -> None:
        super().apply_catalog(catalog)
        entry = catalog.get_stream(self.name)
        if entry is None:
            return
        described, kind = (entry.schema.properties or {}).keys(), self.comparison_kind
        has_other_key = (VALID_FROM in described) != (kind is History)
        if has_other_key or (kind and not kind.columns.keys() <= described):
            setting = "history" if has_other_key or not kind else kind.setting
            text = (
                f"stream '{self.name}': the catalog was made with another setting '{setting}'; discover it again "
                "(--discover)"
            )
            raise ConfigValidationError("Wrong catalog", errors=[text], schema={})

    def state_errors(self) -> Iterator[str]:
        """Yield an error for each setting that does not fit the rows of earlier runs."""
        state = self.tap_state.get("bookmarks", {}).get(self.name, {})
        has_history = self.comparison_kind is History
        if HISTORY in state and not has_history:
            yield table_change(
                self.name, f"'history' leaves {VALID_FROM} out of its key, and earlier runs had it there"
            )
        if has_history and HISTORY not in state and state.keys() & {"replication_key_value", KEYS}:
            yield table_change(
                self.name, f"'history' adds {VALID_FROM} to its key, and earlier runs did not have it there"
            )

    @property
    def version(self) -> int:
        """Return the version of the rows in this sync; later versions are greater."""
        return self.run.version

    @property
    @override
    def row_version(self) -> int | None:
        return self.version if self.is_replaced else None

    @property
    def is_replaced(self) -> bool:
        """Return whether the rows of this run replace all earlier ones."""
        return self.is_snapshot and self.comparison is None and self.run.settings.deletions == "hard"

    @property
    def is_complete(self) -> bool:
        """Return whether this run read all rows."""
        return not self.lacks_rows

    @override
    def to_write(self, row: Record) -> Iterable[Record]:
        return (row,) if self.comparison is None else self.comparison.changes(row)

    def write_waiting(self) -> None:
        """Write the records that the comparison holds back, so that a bookmark can pass their rows."""
        if self.comparison is not None:
            self._append(self.comparison.flush())

    def remove_the_gone(self) -> None:
        """Let the loader delete or mark the rows that this sync did not return; keep all rows if it is incomplete."""
        if self.ABORT_AT_RECORD_COUNT is not None:  # a trial has no end
            return
        removes = self.run.settings.deletions != "keep" and (self.is_snapshot or self.comparison is not None)
        if removes and not self.is_complete:
            self.warn("deletes nothing, because this run could not read all rows")
        if self.comparison is not None:
            self._append(self.comparison.settle(complete=self.is_complete))
        if self.is_replaced and self.is_complete:
            self.activate_version()
        if self.comparison is not None:
            self.write_state()

    def close(self) -> None:
        """Close the files of the comparison, if it has begun."""
        if (comparison := self.__dict__.get("comparison")) is not None:
            comparison.close()

    def warn(self, text: str) -> None:
        """Log a warning with the stream's name."""
        self.logger.warning("stream '%s': %s", self.name, text)

    def _append(self, records: Iterator[Record]) -> None:
        for record in records:
            self.append(record)

    def _report_overflow(self, count: int) -> None:
        text = f"'history' follows {MOST:,} objects of a stream; leave this stream out of the setting"
        self.run.refusals.record_missing(self.name, f"{count:,} objects more", MalformedError(text))


def bad_state(stream: str, what: str) -> ConfigValidationError:
    """Return the error for a state that this tap did not write."""
    return ConfigValidationError("Wrong state", errors=[f"stream '{stream}': {what}"], schema={})


def table_change(stream: str, change: str) -> str:
    """Return the error for a setting that changes what a table holds, with the two ways out."""
    return (
        f"stream '{stream}': {change}, and its table cannot hold both. Remove the stream from 'bookmarks' in the "
        "state, so that it is read from the beginning, and either drop the table or name a new one "
        f'(stream_maps: {{"{stream}": {{"__alias__": "..."}}}})'
    )
