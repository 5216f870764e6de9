"""Data Objects, such as accounts: types, objects, and their relationships to users and to each other.

Few workspaces have them, so they are not selected by default. https://www.braze.com/docs/api/endpoints/data_objects/
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from singer_sdk import typing as th
from typing_extensions import override

from tap_braze.settings.opt_in import INCLUDE_COSTLY_STREAMS, INCLUDE_PROFILES
from tap_braze.streams.base import columns
from tap_braze.streams.base.lists import ListStream
from tap_braze.streams.base.paginators import Offset
from tap_braze.streams.base.stream import DATA_OBJECTS

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from datetime import datetime

    from singer_sdk.helpers.types import Record

    from tap_braze.fetching.fetch import Document, Request
    from tap_braze.streams.base.stream import BrazeStream

_TYPE = columns.key("type_name", "Name of the type.")
_OBJECT = columns.key("object_id", "ID of the object, unique within its type.")
_KIND = columns.key("rel_kind", "Name of the relationship.")
_LABEL = th.Property("display_name", th.StringType, description="Label of the relationship.")
_METADATA = columns.open_object("metadata", "Metadata of the type, such as the field that objects are displayed by.")
_LINK_ATTRIBUTES = columns.open_object("attributes", "Attributes of the relationship itself, by name.")


class _DataObjectStream(ListStream):
    permission = "data_objects.read"
    pool = DATA_OBJECTS
    payload = "items"
    paginator = Offset(250)
    selected_by_default = False


class DataObjectTypes(_DataObjectStream):
    """Types of Data Objects."""

    name = "data_object_types"
    path = "/data_objects/types"
    primary_keys = ("type_name",)
    unversioned = frozenset()
    schema = columns.schema(_TYPE, _METADATA)


class _OfType(_DataObjectStream):
    parent = DataObjectTypes
    parent_key = "type_name"


class DataObjectTypesDetails(_OfType):
    """Fields of each type of Data Objects."""

    name = "data_object_types_details"
    path = "/data_objects/types/{type_name}"
    payload = "data_object_type"
    primary_keys = ("type_name",)
    unversioned = frozenset()
    schema = columns.schema(
        _TYPE, _METADATA, columns.open_object("schema_def", "JSON Schema of the attributes of its objects.")
    )

    @override
    def rows(self, request: Request, document: Document) -> list[Record]:
        return [{**request.tags, **document[self.payload]}]


class DataObjectUserRelationshipTypes(_OfType):
    """Relationships that users may have to the objects of each type."""

    name = "data_object_user_relationship_types"
    path = "/data_objects/types/{type_name}/user_relationship_types"
    primary_keys = ("type_name", "rel_kind")
    unversioned = frozenset()
    schema = columns.schema(_TYPE, _KIND, _LABEL)


class DataObjectRelationshipTypes(_OfType):
    """Relationships that the objects of each type may have to other objects."""

    name = "data_object_relationship_types"
    path = "/data_objects/types/{type_name}/object_relationship_types"
    primary_keys = ("type_name", "rel_kind", "to_type_name")
    unversioned = frozenset()
    schema = columns.schema(
        columns.key("type_name", "Name of the type at which the relationship begins."),
        _KIND,
        columns.key("to_type_name", "Name of the type at which it ends."),
        _LABEL,
        th.Property("from_type_name", th.StringType, description="The same as `type_name`."),
        th.Property("related_type_name", th.StringType, description="The same as `to_type_name`."),
    )


class DataObjects(_OfType):
    """Objects of all types."""

    name = "data_objects"
    path = "/data_objects/objects/{type_name}"
    primary_keys = ("type_name", "object_id")
    schema = columns.schema(_TYPE, _OBJECT, columns.open_object("attributes", "Its attributes, by name."))

    @override
    def rows(self, request: Request, document: Document) -> list[Record]:
        return [_with_object_id(row) for row in super().rows(request, document)]


class _OfObject(_DataObjectStream):
    """One request or more for each object."""

    parent = DataObjects

    @classmethod
    @override
    def listed_by(cls) -> tuple[type[BrazeStream], ...]:
        return (DataObjectTypes, DataObjects)

    @override
    def plan(self, since: datetime | None) -> Iterator[Request]:
        for row in self.run.stream(DataObjects).everything(self.name):
            yield self.request(tags={"type_name": row["type_name"], "object_id": row["object_id"]})


class DataObjectUserRelationships(_OfObject):
    """Users of each object: 50 objects per minute."""

    name = "data_object_user_relationships"
    path = "/data_objects/objects/{type_name}/{object_id}/user_relationships"
    permission = "data_objects.user_relationships.read"
    opt_in = INCLUDE_PROFILES
    personal = True
    primary_keys = ("type_name", "object_id", "rel_kind", "braze_id")
    schema = columns.schema(
        _TYPE, _OBJECT, _KIND, columns.key("braze_id", "Braze's identifier of the user."), _LINK_ATTRIBUTES
    )

    @override
    def rows(self, request: Request, document: Document) -> list[Record]:
        rows = super().rows(request, document)
        return [{**(row.pop("user", None) or {}), **_with_object_id(row)} for row in rows]


class DataObjectRelationships(_OfObject):
    """Relationships that begin at each object: 50 objects per minute."""

    name = "data_object_relationships"
    path = "/data_objects/objects/{type_name}/{object_id}/object_relationships"
    opt_in = INCLUDE_COSTLY_STREAMS
    primary_keys = ("type_name", "object_id", "rel_kind", "to_type_name", "to_object_id")
    schema = columns.schema(
        columns.key("type_name", "Name of the type of the object at which it begins."),
        columns.key("object_id", "ID of that object."),
        _KIND,
        columns.key("to_type_name", "Name of the type of the object at which it ends."),
        columns.key("to_object_id", "ID of that object."),
        columns.open_object("to_data_object", "The object at which it ends, as sent by Braze."),
        _LINK_ATTRIBUTES,
    )

    @override
    def rows(self, request: Request, document: Document) -> list[Record]:
        rows = super().rows(request, document)
        return [{**row, **_end(row.get("to_data_object") or {})} for row in rows]


def _end(related: Mapping[str, Any]) -> Record:
    return {"to_type_name": related.get("type_name"), "to_object_id": _with_object_id({**related}).get("object_id")}


def _with_object_id(row: Record) -> Record:
    """Return the row with its ID as `object_id`; until the fall of 2026, the docs called it `external_id`."""
    if "external_id" in row:
        row["object_id"] = row.pop("external_id")
    return row
