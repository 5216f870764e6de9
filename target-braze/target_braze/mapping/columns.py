"""Columns of a stream: look them up, select them by name or glob, rename them, and compile them to converters."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from fnmatch import fnmatchcase
from typing import TYPE_CHECKING, Any, Final

from target_braze.braze import limits
from target_braze.mapping.values.names import checked_name
from target_braze.mapping.values.nested import Place, compile_value
from target_braze.mapping.values.scalars import to_numeric_id
from target_braze.mapping.values.schemas import (
    TYPES,
    branches_of,
    braze_type,
    epoch_of,
    exact_type,
    holds_decimals,
    is_decimal,
    is_time,
    json_types,
    resolved,
)
from target_braze.mapping.values.times import from_epoch
from target_braze.records import DELETED, MappingError, RecordError

if TYPE_CHECKING:
    from datetime import tzinfo

    from target_braze.mapping.identifiers import IdentifierRule
    from target_braze.mapping.values.scalars import Convert


# Called with a field that is dropped from a record, and the reason.
Dropped = Callable[[str, ValueError], None]

_MOST: Final = sys.float_info.max
_LEAST: Final = -_MOST


@dataclass(frozen=True)
class Field:
    """A column to send: its name in Braze and the converter of its values."""

    column: str
    name: str
    convert: Convert
    # Values of exactly this type can be sent unchanged; `Fields` handles the exceptions.
    exact_type: type | None = None
    # Whether to check text for values that Braze would store as a time.
    watched: bool = False

    def value(self, record: Mapping[str, Any]) -> Any:  # noqa: ANN401
        """Return the value to send, or None if there is none.

        Raises:
            RecordError: Braze would not accept the value.
        """
        value = record.get(self.column)
        try:
            return None if value is None else self.convert(value)
        except ValueError as wrong:
            raise RecordError(f"column '{self.column}': {wrong}") from None

    def fill(self, sent: dict[str, Any], record: Mapping[str, Any]) -> ValueError | None:
        """Add the value, if any, to the object; return the error if Braze would not accept it."""
        value = record.get(self.column)
        try:
            if value is not None and (value := self.convert(value)) is not None:
                sent[self.name] = value
        except ValueError as wrong:
            return wrong
        return None

    def required(self, record: Mapping[str, Any]) -> Any:  # noqa: ANN401
        """Return the value to send.

        Raises:
            RecordError: There is no value, or Braze would not accept it.
        """
        value = self.value(record)
        if value is None or value == "":
            raise RecordError(f"column '{self.column}' is blank, but Braze requires '{self.name}'")
        return value


class Fields:
    """Columns to send. Most values already have the type of their column and need only a quick check."""

    def __init__(self, fields: Iterable[Field], nullable: Iterable[str] = (), dropped: Dropped | None = None) -> None:
        self._dropped = dropped
        self.all = tuple(fields)
        self._texts = tuple((one.column, one.name, one.convert) for one in self.all if one.exact_type is str)
        self._others = tuple(
            (one.column, one.name, one.convert, one.exact_type) for one in self.all if one.exact_type is not str
        )
        names = frozenset(nullable)
        self.nullable = tuple((one.column, one.name) for one in self.all if one.name in names)

    def fill(self, sent: dict[str, Any], record: Mapping[str, Any]) -> None:
        """Add the record's values to the object, and null for names in `nullable` that have no value.

        Raises:
            RecordError: Braze would not accept a value.
        """
        value: Any
        quick: Any
        column = ""
        get = record.get
        try:
            for column, name, convert in self._texts:
                value = get(column)
                # Braze may read text as a time if it begins with a digit or has a space as its fourth character.
                if (
                    type(value) is str
                    and len(value) <= limits.STRING_LENGTH
                    and not "0" <= value < ":"
                    and value[3:4] != " "
                ) or (value is not None and (value := convert(value)) is not None):
                    sent[name] = value
            for column, name, convert, quick in self._others:
                value = get(column)
                if (type(value) is quick and (quick is not float or _LEAST < value < _MOST)) or (
                    value is not None and (value := convert(value)) is not None
                ):
                    sent[name] = value
        except ValueError as wrong:
            if self._dropped is None:
                raise RecordError(f"column '{column}': {wrong}") from None
            record = self._fill_without(sent, record, self._dropped)
        for column, name in self.nullable:
            if name not in sent and column in record:
                sent[name] = None

    def _fill_without(self, sent: dict[str, Any], record: Mapping[str, Any], dropped: Dropped) -> Mapping[str, Any]:
        """Fill the object column by column; return the record without the columns that Braze would not accept."""
        wrong = {one.column: reason for one in self.all if (reason := one.fill(sent, record)) is not None}
        for column, reason in wrong.items():
            dropped(f"column '{column}'", reason)
        return {column: value for column, value in record.items() if column not in wrong}


class Columns:
    """The columns of a stream as its mapping refers to them."""

    def __init__(
        self, stream: str, schema: Mapping[str, Any], entry: Mapping[str, Any], zone: tzinfo, key: str | None = None
    ) -> None:
        self.stream = stream
        self.at = f"streams.{key or stream}"
        self.entry = entry
        self.zone = zone
        properties = schema.get("properties") or {}
        # Including columns that tools add, which `names` leaves out.
        self.all_names = tuple(dict.fromkeys((*properties, DELETED)))
        self.names = tuple(name for name in properties if not name.startswith("_sdc_"))
        self._schemas: dict[str, Mapping[str, Any]] = {name: {} for name in self.names}
        types: Mapping[str, str] = entry.get("types", {})
        for column, declared in types.items():
            self.known(column, "types", f"types.{column}")
            self._schemas[column] = TYPES[declared]
        for column in self.names:
            if column not in types:
                try:
                    found = resolved(properties[column], schema)
                except ValueError as wrong:
                    raise self.error(f"column '{column}': {wrong}; set the column's type in 'types'") from None
                # In JSON Schema, `true` means "anything".
                self._schemas[column] = found if isinstance(found, Mapping) else {}

    def __contains__(self, column: str) -> bool:
        return column in self._schemas

    def known(self, column: str, setting: str, place: str | None = None) -> str:
        """Return the column if the stream has it; `place` is its path in the setting.

        Raises:
            MappingError: The stream has no such column.
        """
        if column not in self._schemas:
            raise self.error(
                f"'{setting}' names the column '{column}', but the stream has only: "
                f"{', '.join(self.names) or 'none'} - at {self.at}.{place or setting}"
            )
        return column

    def check_types(self, column: str, allowed: Iterable[str], what: str) -> None:
        """Check that the column may hold values of one of the types.

        Raises:
            MappingError: The column can hold none of these types.
        """
        kinds = json_types(self._schemas[column])
        if kinds and not kinds & {*allowed}:
            raise self.error(
                f"column '{column}' cannot be {what}: it holds {' or '.join(sorted(kinds))}, not "
                f"{' or '.join(sorted(allowed))}; 'types' can override that"
            )

    def check_identifiers(self, rules: Iterable[IdentifierRule]) -> None:
        """Check that identifier columns can hold identifiers, and mark those whose text is numeric.

        Raises:
            MappingError: A column cannot hold an identifier.
        """
        for rule in rules:
            for column in rule.columns:
                self.check_types(column, ("string", "integer", "number"), f"a part of {rule.identifier_type}")
            rule.numeric_columns = frozenset(filter(self._is_numeric, rule.columns))

    def read_id(self, column: str, convert: Convert) -> Convert:
        """Return the converter of an id for a column whose text may be numeric."""
        return (lambda value: convert(to_numeric_id(value))) if self._is_numeric(column) else convert

    def read_time(self, column: str) -> Convert:
        """Return the converter to text for a column whose times may be numbers."""
        unit = epoch_of(self._schemas[column])
        return (lambda value: value) if unit is None else lambda value: from_epoch(value, unit)

    def _is_numeric(self, column: str) -> bool:
        kinds = json_types(self._schemas[column])
        return is_decimal(self._schemas[column]) or (bool(kinds) and kinds <= {"integer", "number"})

    def error(self, text: str) -> MappingError:
        """Return an error about the mapping of this stream."""
        return MappingError(f"stream '{self.stream}': {text}")

    def select(self, setting: str, default: Iterable[str], notice: Callable[[str], None]) -> list[str]:
        """Return the columns that the names and globs in `setting` select, or `default` if there is no list.

        A glob selects only from `default`: other columns identify the user or are other parts of the object.
        """
        patterns: Sequence[str] | None = self.entry.get(setting)
        usual = list(default)
        if patterns is None:
            return usual
        chosen: dict[str, None] = {}
        for number, pattern in enumerate(patterns):
            if not is_glob(pattern) or pattern in self._schemas:
                chosen[self.known(pattern, setting, f"{setting}[{number}]")] = None
                continue
            found = [name for name in usual if fnmatchcase(name, pattern)]
            if not found:
                notice(f"'{setting}' has the glob '{pattern}', but no column matches it")
            chosen.update(dict.fromkeys(found))
        return list(chosen)

    def fields(
        self,
        columns: Iterable[str],
        place: Place,
        names: Mapping[str, str],
        reserved: Mapping[str, str],
        compile_column: Callable[[Mapping[str, Any], Place], Convert] = compile_value,
    ) -> tuple[Field, ...]:
        """Compile the columns to send, named by `rename`, else by `names`, else by their own names.

        Raises:
            MappingError: A name is reserved, not accepted by Braze, or used for two columns.
        """
        renames: Mapping[str, str] = self.entry.get("rename", {})
        for column in renames:
            self.known(column, "rename", f"rename.{column}")
        fields: dict[str, Field] = {}
        for column in columns:
            wanted = renames.get(column) or names.get(column, column)
            try:
                name = checked_name(wanted)
                convert = compile_column(self._schemas[column], place.of(f"column '{column}'"))
            except ValueError as wrong:
                raise self.error(f"column '{column}': {wrong}; rename it with 'rename' or leave it out") from None
            if name in reserved:
                raise self.error(
                    f"column '{column}' would be sent as '{name}', which {reserved[name]}; rename it with "
                    "'rename' or leave it out"
                )
            if name in fields:
                raise self.error(f"columns '{fields[name].column}' and '{column}' would both be sent as '{name}'")
            fields[name] = Field(column, name, convert, exact_type(self._schemas[column]))
        return tuple(fields.values())

    def is_time(self, column: str) -> bool:
        """Return whether the column holds only times and dates."""
        return is_time(self._schemas[column])

    def schema(self, column: str) -> Mapping[str, Any]:
        """Return the JSON Schema of a column, or the one that `types` sets instead."""
        return self._schemas[column]

    def is_untyped_text(self, column: str) -> bool:
        """Return whether the column may hold text, and neither `types` nor a format says what the text stands for."""
        branches = branches_of(self._schemas[column])
        texts = [branch for kind, branch in branches if kind == "string"]
        is_open = bool(texts) and not any("format" in branch or holds_decimals(branch) for branch in texts)
        return column not in self.entry.get("types", {}) and (is_open or not branches)

    def braze_type(self, column: str) -> str | None:
        """Return the type that Braze gives an attribute made from the column, or None if it depends on the values."""
        return braze_type(self._schemas[column])

    def object_schema(self, column: str) -> Mapping[str, Any] | None:
        """Return the schema of a column that holds objects, or None for any other column."""
        schema = self._schemas.get(column, {})
        return schema if "object" in json_types(schema) else None


def is_glob(text: str) -> bool:
    """Return whether a name in a mapping is a glob."""
    return any(character in text for character in "*?[")
