"""The columns of a stream: looked up, chosen by name or glob, renamed, and compiled to converters."""

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
    braze_type,
    epoch_of,
    exact_type,
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


# Called with a field that a record goes without, and what is wrong with it.
Dropped = Callable[[str, ValueError], None]

_MOST: Final = sys.float_info.max
_LEAST: Final = -_MOST


@dataclass(frozen=True)
class Field:
    """A column that is sent: what Braze calls it and how its values are converted."""

    column: str
    name: str
    convert: Convert
    # Values of exactly this type may go as they are: `Fields` sees to what has to be looked at even then.
    exact_type: type | None = None
    # Whether text is looked at for what Braze would make a time.
    watched: bool = False

    def value(self, record: Mapping[str, Any]) -> Any:  # noqa: ANN401
        """The value to send, None where there is none.

        Raises:
            RecordError: Braze would not take it.
        """
        value = record.get(self.column)
        try:
            return None if value is None else self.convert(value)
        except ValueError as wrong:
            raise RecordError(f"column '{self.column}': {wrong}") from None

    def fill(self, sent: dict[str, Any], record: Mapping[str, Any]) -> ValueError | None:
        """Add the value to the object, if there is one; return why Braze would not take it."""
        value = record.get(self.column)
        try:
            if value is not None and (value := self.convert(value)) is not None:
                sent[self.name] = value
        except ValueError as wrong:
            return wrong
        return None

    def required(self, record: Mapping[str, Any]) -> Any:  # noqa: ANN401
        """The value to send.

        Raises:
            RecordError: there is none, or Braze would not take it.
        """
        value = self.value(record)
        if value is None or value == "":
            raise RecordError(f"column '{self.column}' is blank, but Braze requires '{self.name}'")
        return value


class Fields:
    """Columns that are sent, most of whose values have the type of their column and need no more than a look."""

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
        """Add to the object what the record has for it; null for the names in `nullable` that it has nothing for.

        Raises:
            RecordError: a value is none that Braze takes.
        """
        value: Any
        quick: Any
        column = ""
        get = record.get
        try:
            for column, name, convert in self._texts:
                value = get(column)
                # Text that begins with a digit, or has a blank at its fourth place, Braze may take for a time.
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
        """Fill the object column by column, and return the record without those that Braze would not take."""
        wrong = {one.column: reason for one in self.all if (reason := one.fill(sent, record)) is not None}
        for column, reason in wrong.items():
            dropped(f"column '{column}'", reason)
        return {column: value for column, value in record.items() if column not in wrong}


class Columns:
    """The columns of a stream as its mapping speaks of them."""

    def __init__(
        self, stream: str, schema: Mapping[str, Any], entry: Mapping[str, Any], zone: tzinfo, key: str | None = None
    ) -> None:
        self.stream = stream
        self.at = f"streams.{key or stream}"
        self.entry = entry
        self.zone = zone
        properties = schema.get("properties") or {}
        # With those that tools add: `names` are without.
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
                # JSON Schema has `true` for "anything".
                self._schemas[column] = found if isinstance(found, Mapping) else {}

    def __contains__(self, column: str) -> bool:
        return column in self._schemas

    def known(self, column: str, setting: str, place: str | None = None) -> str:
        """The column, if the stream has it; `place` is where in the setting it is named.

        Raises:
            MappingError: it has not.
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
            MappingError: it can hold nothing that would do.
        """
        kinds = json_types(self._schemas[column])
        if kinds and not kinds & {*allowed}:
            raise self.error(
                f"column '{column}' cannot be {what}: it holds {' or '.join(sorted(kinds))}, not "
                f"{' or '.join(sorted(allowed))}; 'types' can override that"
            )

    def check_identifiers(self, rules: Iterable[IdentifierRule]) -> None:
        """Check that the columns of identifiers may hold some, and mark those whose text is numbers.

        Raises:
            MappingError: a column can hold nothing that would do.
        """
        for rule in rules:
            for column in rule.columns:
                self.check_types(column, ("string", "integer", "number"), f"a part of {rule.identifier_type}")
            rule.numeric_columns = frozenset(filter(self._is_numeric, rule.columns))

    def read_id(self, column: str, convert: Convert) -> Convert:
        """The converter of an id, for a column whose text may be numbers."""
        return (lambda value: convert(to_numeric_id(value))) if self._is_numeric(column) else convert

    def read_time(self, column: str) -> Convert:
        """What makes text of a column's times if they are numbers."""
        unit = epoch_of(self._schemas[column])
        return (lambda value: value) if unit is None else lambda value: from_epoch(value, unit)

    def _is_numeric(self, column: str) -> bool:
        kinds = json_types(self._schemas[column])
        return is_decimal(self._schemas[column]) or (bool(kinds) and kinds <= {"integer", "number"})

    def error(self, text: str) -> MappingError:
        """What is wrong with the mapping of this stream."""
        return MappingError(f"stream '{self.stream}': {text}")

    def select(self, setting: str, default: Iterable[str], notice: Callable[[str], None]) -> list[str]:
        """The columns that the list of names and globs in `setting` chooses; `default` where there is no list.

        A glob chooses among those only: what names the user, or is another part of the object, it leaves alone.
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
        """Compile the columns that are sent, under the names of `rename`, of `names`, or their own.

        Raises:
            MappingError: a name is reserved, is none Braze takes, or stands for two columns.
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
        """Whether the column holds nothing but times and dates."""
        return is_time(self._schemas[column])

    def schema(self, column: str) -> Mapping[str, Any]:
        """The JSON Schema of a column, or what `types` says instead."""
        return self._schemas[column]

    def braze_type(self, column: str) -> str | None:
        """The type that Braze gives to an attribute made of the column; None where the values decide."""
        return braze_type(self._schemas[column])

    def object_schema(self, column: str) -> Mapping[str, Any] | None:
        """The schema of a column that holds objects, None of any other."""
        schema = self._schemas.get(column, {})
        return schema if "object" in json_types(schema) else None


def is_glob(text: str) -> bool:
    """Whether a name in a mapping is a pattern."""
    return any(character in text for character in "*?[")
