"""Property sources: where a stream has traits or properties, and how to convert their values by name."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from fnmatch import fnmatchcase
from typing import TYPE_CHECKING, Any

from target_braze.encode import encode
from target_braze.mapping.columns import is_glob
from target_braze.mapping.values.json_text import from_json_text
from target_braze.mapping.values.scalars import Convert
from target_braze.mapping.values.schemas import properties_of
from target_braze.mapping.values.times import show
from target_braze.records import RecordError

if TYPE_CHECKING:
    from target_braze.mapping.columns import Columns, Dropped

# From a name and its JSON Schema to its name in Braze and its converter; raises ValueError if Braze cannot store it.
Compile = Callable[[str, Mapping[str, Any]], tuple[str, Convert]]
# Whether the mapping selects a name.
Choose = Callable[[str], bool]


class PropertyConverters:
    """Converts properties by name. Compiles each name on first use, because nested layouts do not declare names."""

    def __init__(
        self,
        what: str,
        schemas: Mapping[str, Mapping[str, Any]],
        choose: Choose,
        compile_one: Compile,
        dropped: Dropped | None = None,
    ) -> None:
        self.what = what
        self._schemas = schemas
        self._choose = choose
        self._compile = compile_one
        self._dropped = dropped
        self._known: dict[str, tuple[str, Convert] | None] = {}

    def find(self, name: str) -> tuple[str, Convert] | None:
        """Return the property's name in Braze and its converter, or None if the mapping leaves it out.

        Raises:
            ValueError: The property cannot be sent under this name.
        """
        if name not in self._known:
            self._known[name] = self._compile(name, self._schemas.get(name, {})) if self._choose(name) else None
        return self._known[name]

    def wrong(self, name: str) -> str | None:
        """Return why the property cannot be sent, or None if it can."""
        try:
            self.find(name)
        except ValueError as wrong:
            return str(wrong)
        return None

    def convert(self, values: Mapping[str, Any]) -> dict[str, Any]:
        """Return the values to send by their names in Braze, with None for missing values.

        Raises:
            RecordError: Braze would not accept a value, or two values would have the same name.
        """
        sent: dict[str, Any] = {}
        sources: dict[str, str] = {}
        for name, value in values.items():
            try:
                found = self.find(name)
                if found is None:
                    continue
                converted = None if value is None else found[1](value)
            except ValueError as wrong:
                if value is None:
                    continue  # nothing to send, and nothing to remove under this name
                if self._dropped is None:
                    raise RecordError(f"{self.what} '{name}': {wrong}") from None
                self._dropped(f"{self.what} '{name}'", wrong)
                continue
            before = sent.get(found[0])
            # Two spellings of one name with the same value count as one.
            if before is not None and (converted is None or encode(before) == encode(converted)):
                continue
            if before is not None:
                raise RecordError(
                    f"{self.what} '{sources[found[0]]}' and '{name}' would both be sent as '{found[0]}'; give one of "
                    "them another name in 'rename', or leave it out"
                )
            sent[found[0]], sources[found[0]] = converted, name
        return sent


class PropertySource:
    """The traits or properties of a call: objects at `paths` and columns of a flat layout; later ones win."""

    def __init__(self, columns: Columns, paths: tuple[tuple[str, ...], ...], flat: Mapping[str, str]) -> None:
        self.paths = paths
        self.flat = flat
        self.columns = frozenset((*(path[0] for path in paths), *flat))
        self.schemas: dict[str, Mapping[str, Any]] = {}
        for path in paths:
            schema: Any = columns.object_schema(path[0]) or {}
            for step in path[1:]:
                schema = properties_of(schema).get(step) or {}
            self.schemas.update(properties_of(schema))
        for column, name in flat.items():
            self.schemas[name] = columns.schema(column)

    def read(self, record: Mapping[str, Any]) -> dict[str, Any]:
        """Return all traits or properties of the record, unconverted.

        Raises:
            RecordError: The record has another type where an object is expected.
        """
        found: dict[str, Any] = {}
        for path in self.paths:
            here: Any = record
            for step in path:
                here = to_object(here.get(step), path)
            found.update(here)
        for column, name in self.flat.items():
            value = record.get(column)
            if value is not None or (column in record and name not in found):
                found[name] = value
        return found


def to_object(value: object, path: tuple[str, ...]) -> Mapping[str, Any]:
    """Return an object, given as such or as JSON text; an empty one for a missing value.

    Raises:
        RecordError: The value is neither an object nor its JSON text.
    """
    try:
        value = from_json_text(value, "a JSON object")
    except ValueError as wrong:
        raise RecordError(f"column '{'.'.join(path)}': {wrong}") from None
    if value is None:
        return {}
    if not isinstance(value, dict):
        raise RecordError(f"column '{'.'.join(path)}': expected an object, got {show(value)}")
    return value


def value_at(record: Mapping[str, Any], path: str) -> object:
    """Return the value at a path such as `context.traits.email`.

    Raises:
        RecordError: The record has another type where an object is expected.
    """
    *steps, last = path.split(".")
    here = record
    for number, step in enumerate(steps):
        here = to_object(here.get(step), tuple(steps[: number + 1]))
    return here.get(last)


def is_blank(value: object) -> bool:
    """Return whether a value is missing or blank text."""
    return value is None or (isinstance(value, str) and not value.strip())


def chooser(columns: Columns, setting: str, flat: Mapping[str, str], notice: Callable[[str], None]) -> Choose:
    """Return a function that checks a name against the names and globs in `setting`; without a list, all names pass.

    Raises:
        MappingError: A flat layout lacks a listed column.
    """
    patterns = columns.entry.get(setting)
    if patterns is None:
        return lambda _name: True
    if flat:
        names = set(flat.values())
        for pattern in patterns:
            if not is_glob(pattern) and pattern not in names:
                columns.known(pattern, setting)
            elif is_glob(pattern) and not any(fnmatchcase(name, pattern) for name in names):
                notice(f"'{setting}' has the glob '{pattern}', but no column matches it")
    return lambda name: any(name == pattern or fnmatchcase(name, pattern) for pattern in patterns)
