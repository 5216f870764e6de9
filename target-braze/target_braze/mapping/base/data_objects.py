"""Base class of Data Objects and their relationships."""

from __future__ import annotations

from abc import abstractmethod
from typing import TYPE_CHECKING, Any, ClassVar, Final

from typing_extensions import override

from target_braze.braze.changes import Change, Semantics, always, free, latest
from target_braze.encode import encode
from target_braze.mapping.base.actions import Action
from target_braze.mapping.columns import Field
from target_braze.mapping.values.nested import Place, compile_value
from target_braze.mapping.values.scalars import Convert, to_id, to_string
from target_braze.mapping.values.schemas import SCALARS, epoch_of, is_decimal, is_time, json_types
from target_braze.mapping.values.times import from_epoch, to_time
from target_braze.records import Member

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from target_braze.braze.changes import Endpoint
    from target_braze.mapping.base.stream_mapping import Defaults
    from target_braze.mapping.columns import Columns
    from target_braze.mapping.identifiers import IdentifierRule
    from target_braze.records import User

# Braze replaces what is there.
SEMANTICS: Final = Semantics(
    repeatable=always,
    counted=False,
    sends_messages=False,
    consent=None,
    sets_attributes=False,
    moves_attributes=False,
    coalesce=latest,
    data_points=free,
)


class AboutDataObjects(Action):
    """Writes an object or a relationship with its attributes, or deletes it."""

    upsert: ClassVar[Endpoint]
    delete: ClassVar[Endpoint]
    sends_all: ClassVar[bool]
    """Whether all columns become attributes by default."""
    more_keys: ClassVar[frozenset[str]]
    """Keys of `data_object` that the kind requires in addition to the type."""

    @classmethod
    @override
    def endpoints_for(cls, entry: Mapping[str, Any]) -> tuple[Endpoint, ...]:
        removes = entry.get("on_delete") == "remove"
        return tuple(one for one in cls.endpoints if removes or one is not cls.delete)

    def __init__(self, columns: Columns, defaults: Defaults, notice: Callable[[str], None]) -> None:
        self._given: Mapping[str, str] = columns.entry.get("data_object", {})
        at = f"{columns.at}.data_object"
        for key in ("type", *sorted(self.more_keys)):
            if key not in self._given:
                raise columns.error(f"no {key.replace('_', ' ')} is configured for {self.to} - at {at}.{key}")
        if stray := sorted(self._given.keys() - self.more_keys - self._columns_of_ids.keys() - {"type"}):
            raise columns.error(f"'data_object.{stray[0]}' does not apply to {self.to} - at {at}.{stray[0]}")
        super().__init__(columns, defaults, notice)
        self._type = self._given["type"]
        self._ids = [self._id_field(key, name) for key, name in self._columns_of_ids.items()]
        used = {field.column for field in self._ids} | self._identifier_columns()
        others = [name for name in columns.names if name not in used]
        # The API does not show the attributes of a relationship, and Braze drops one with an unknown attribute.
        chosen = columns.select("fields", others, notice) if self.sends_all or "fields" in columns.entry else []
        if not self.sends_all:
            self._report_unused([*used, *chosen])
        # Braze documents no length of text in Data Objects.
        place = Place(defaults.zone, typed_nested_times=False, text=to_string)
        self._fields = columns.fields(chosen, place, {}, {}, _compile_attribute)

    @property
    def _columns_of_ids(self) -> Mapping[str, str]:
        """The keys of `data_object` that name a column with an id, each with its default, the name in the request."""
        return {"id": "object_id"}

    def _id_field(self, key: str, name: str) -> Field:
        column = self._column("data_object", key, name)
        return Field(column, name, self._columns.read_id(column, to_id))

    @property
    def _json_types(self) -> dict[str, str | None]:
        return {field.name: _json_type(self._columns.schema(field.column)) for field in self._fields}

    @property
    @override
    def sources(self) -> Mapping[str, tuple[str, ...]]:
        ids = {field.name: (field.column,) for field in self._ids}
        return ids | {f"attributes.{field.name}": (field.column,) for field in self._fields}

    @property
    @override
    def named_by(self) -> str:
        return " and ".join(f"column '{field.column}'" for field in self._ids)

    def _attributes(self, record: Mapping[str, Any]) -> dict[str, Any]:
        """Return the attributes with a value. Braze clears the others, because it replaces the whole."""
        values = ((field.name, field.value(record)) for field in self._fields)
        return {"attributes": {name: value for name, value in values if value is not None}}

    def _ids_of(self, record: Mapping[str, Any]) -> dict[str, str]:
        return {field.name: field.required(record) for field in self._ids}

    @abstractmethod
    def _named(self, record: Mapping[str, Any]) -> tuple[User, dict[str, Any]]:
        """Return what names the object or relationship: where its changes keep their order, and in the request."""

    @override
    def _changes(self, record: Mapping[str, Any]) -> list[Change]:
        user, named = self._named(record)
        return [self._change(self.upsert, user, named, self._attributes(record))]

    @override
    def _changes_on_delete(self, record: Mapping[str, Any]) -> list[Change]:
        return [self._change(self.delete, *self._named(record), {})]

    @staticmethod
    def _change(endpoint: Endpoint, user: User, named: dict[str, Any], attributes: dict[str, Any]) -> Change:
        # A later change of the same object or relationship replaces this one.
        key = encode([endpoint.path, *named.values()]).decode()
        return Change(endpoint.arrays[0], user, {**named, **attributes}, SEMANTICS, endpoint, key=key)


class BetweenObjects(AboutDataObjects):
    """A kind that names only objects, no users."""

    @override
    def _compile_user(self) -> list[IdentifierRule]:
        return []

    @override
    def members(self, record: Mapping[str, Any]) -> list[Member]:
        return [Member(("data_object", *self._ids_of(record).values()))]

    @override
    def record_of(self, member: Member) -> dict[str, Any] | None:
        kind, *ids = member.user
        if kind != "data_object" or len(ids) != len(self._ids):
            return None
        return {field.column: one for field, one in zip(self._ids, ids, strict=True)}


def data_object(type_name: str, object_id: str) -> User:
    """Return the name under which delivery keeps the changes of an object in order."""
    return ("data_object", type_name, object_id)


def _compile_attribute(schema: Mapping[str, Any], place: Place) -> Convert:
    if not is_time(schema):
        return compile_value(schema, place)
    # Braze drops an object with a date that has no time of day.
    unit, zone = epoch_of(schema), place.zone
    return lambda value: None if value == "" else to_time(from_epoch(value, unit) if unit else value, zone)


def _json_type(schema: Mapping[str, Any]) -> str | None:
    """Return the type of the JSON values that a column becomes, `date-time` for times; None if it depends on them."""
    if is_time(schema):
        return "date-time"
    kinds = json_types(schema)
    if is_decimal(schema) or (kinds and kinds <= {"integer", "number"}):
        return "integer" if kinds == {"integer"} else "number"
    if len(kinds) == 1:
        return next(iter(kinds))
    return "string" if kinds and kinds <= SCALARS else None
