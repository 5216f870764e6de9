"""Base class of kinds whose records are objects with a name, such as Content Blocks, and not users."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar

from typing_extensions import override

from target_braze.braze.changes import Change, Semantics, free
from target_braze.mapping.base.actions import Action
from target_braze.mapping.columns import Field
from target_braze.mapping.values.json_text import from_json_text
from target_braze.mapping.values.times import show

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from target_braze.braze.objects.named_objects import ObjectType
    from target_braze.mapping.base.stream_mapping import Defaults
    from target_braze.mapping.columns import Columns
    from target_braze.mapping.identifiers import IdentifierRule
    from target_braze.mapping.values.scalars import Convert


@dataclass(frozen=True)
class ObjectField:
    """A field of the object: the converter of its values, and whether each record must have it."""

    convert: Convert
    required: bool = False


def semantics_of(of: ObjectType) -> Semantics:
    """Return the semantics of a type: creating an object twice may make two of them, updating it twice does not."""
    return Semantics(
        repeatable=lambda fields: of.id_key in fields,
        counted=False,
        sends_messages=False,
        sets_attributes=False,
        moves_attributes=False,
        coalesce=_later,
        data_points=free,
        consent=None,
    )


def _later(earlier: dict[str, Any], later: dict[str, Any]) -> dict[str, Any]:
    return {**earlier, **later}


class FieldMapping(Action):
    """Makes an object of columns that have the names of its fields, or get them by `rename`."""

    title: ClassVar[str]
    """What people call the object."""
    fields: ClassVar[Mapping[str, ObjectField]]

    def __init__(self, columns: Columns, defaults: Defaults, notice: Callable[[str], None]) -> None:
        super().__init__(columns, defaults, notice)
        renames: Mapping[str, str] = columns.entry.get("rename", {})
        for column, name in renames.items():
            columns.known(column, "rename", f"rename.{column}")
            if name not in self.fields:
                raise columns.error(
                    f"a {self.title} has no field '{name}', only {', '.join(self.fields)} - at "
                    f"{columns.at}.rename.{column}"
                )
        found: dict[str, Field] = {}
        for column in columns.names:
            name = renames.get(column, column)
            if name not in self.fields:
                continue
            if name in found:
                raise columns.error(f"columns '{found[name].column}' and '{column}' would both be sent as '{name}'")
            found[name] = Field(column, name, self.fields[name].convert)
        for name, one in self.fields.items():
            if one.required and name not in found:
                raise columns.error(
                    f"no column for '{name}', which Braze requires: name it in 'rename' - at {columns.at}.rename"
                )
        self._fields = found
        self._report_unused(field.column for field in found.values())

    @override
    def _compile_user(self) -> list[IdentifierRule]:
        return []

    @property
    @override
    def sources(self) -> Mapping[str, tuple[str, ...]]:
        return {name: (field.column,) for name, field in self._fields.items()}

    def _values(self, record: Mapping[str, Any]) -> dict[str, Any]:
        """Return the fields that the record has.

        Raises:
            RecordError: A required one is blank, or Braze would not accept one.
        """
        return {
            name: value
            for name, field in self._fields.items()
            if (value := (field.required if self.fields[name].required else field.value)(record)) is not None
        }


class NamedObject(FieldMapping):
    """Creates the object that a record names, or updates it."""

    object_type: ClassVar[ObjectType]

    @property
    @override
    def named_by(self) -> str:
        return f"column '{self._fields[self.object_type.name_key].column}'"

    @override
    def _changes(self, record: Mapping[str, Any]) -> list[Change]:
        of, fields = self.object_type, self._values(record)
        return [Change(of.create.arrays[0], (self.to, fields[of.name_key]), fields, self.semantics[0], of.create)]


def shorter_than(most: int, what: str) -> Convert:
    """Return a converter to text of fewer than `most` characters."""

    def convert(value: object) -> str:
        text = to_text(value)
        if len(text) >= most:
            raise ValueError(f"the {what} must be shorter than {most:,} characters, got {len(text):,}")
        return text

    return convert


def smaller_than(most: int, what: str) -> Convert:
    """Return a converter to text of fewer than `most` bytes."""

    def convert(value: object) -> str:
        text = to_text(value)
        if (size := len(text.encode("utf-8", "surrogatepass"))) >= most:
            raise ValueError(f"the {what} must be smaller than {most:,} bytes, got {size:,}")
        return text

    return convert


def to_text(value: object) -> str:
    """Return text unchanged.

    Raises:
        ValueError: The value is something else, which no field of content can mean.
    """
    if not isinstance(value, str):
        raise ValueError(f"expected text, got {show(value)}")
    return value


def to_state(value: object) -> str | None:
    """Return `active` or `draft`, or None for blank text.

    Raises:
        ValueError: The value is something else.
    """
    text = to_text(value).strip().lower()
    if text not in {"active", "draft", ""}:
        raise ValueError(f"expected active or draft, got {show(value)}")
    return text or None


def to_tags(value: object) -> list[str] | None:
    """Return an array of text, also from JSON text.

    Raises:
        ValueError: The value is something else.
    """
    value = from_json_text(value, "an array of tags")
    if value is None:
        return None
    if not isinstance(value, list) or not all(isinstance(tag, str) for tag in value):
        raise ValueError(f"expected an array of tags, got {show(value)}")
    return value
