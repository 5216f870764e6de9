"""Map records to items of a catalog, with fields derived from the stream's SCHEMA."""

from __future__ import annotations

import re
from dataclasses import dataclass, replace
from functools import cache
from operator import or_
from typing import TYPE_CHECKING, Any, ClassVar, Final, TypeVar

from typing_extensions import override

from target_braze.braze import answers, limits
from target_braze.braze.changes import Change, Endpoint, Semantics, always, free, latest
from target_braze.braze.error_texts import error_text
from target_braze.braze.objects.catalogs import ADD_FIELDS, CREATE, ITEMS, LIST, Catalog
from target_braze.encode import encode
from target_braze.mapping.base.actions import Action
from target_braze.mapping.base.settings import FIELDS, NAME, NAMES, described, strict_object
from target_braze.mapping.columns import Columns, Field
from target_braze.mapping.values.json_text import from_json_text
from target_braze.mapping.values.nested import Place
from target_braze.mapping.values.scalars import to_boolean, to_id, to_number, to_string
from target_braze.mapping.values.schemas import SCALARS, epoch_of, is_decimal, is_time, json_types
from target_braze.mapping.values.times import from_epoch, show, to_time
from target_braze.records import RecordError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence

    from target_braze.mapping.base.stream_mapping import Defaults
    from target_braze.mapping.identifiers import IdentifierRule
    from target_braze.mapping.values.scalars import Convert

# For catalogs, fields and items: https://www.braze.com/docs/api/endpoints/catalogs/
_NAME: Final = re.compile(r"[A-Za-z0-9_-]+\Z", re.ASCII)
# The maximum absolute longitude and latitude.
_DEGREES: Final = (180, 90)
_Value = TypeVar("_Value")


# The documentation shows only `id`.
_ID_PARAMETERS: Final = frozenset({"id", "ids", "item_id"})
_PERMISSIONS: Final = {
    "PUT": "catalogs.replace_items",
    "PATCH": "catalogs.update_items",
    "DELETE": "catalogs.delete_items",
}


@dataclass(frozen=True, eq=False)
class Items(Endpoint):
    """An endpoint that accepts catalog items and reports refused ones by their ids.

    https://www.braze.com/docs/api/endpoints/catalogs/catalog_items/asynchronous/put_update_catalog_items/.
    """

    @override
    def _refusals(self, changes: Sequence[Change], document: object) -> Iterator[tuple[Sequence[Change], str]]:
        for error in answers.entries(document):
            named = [change for change in changes if change.user[-1] in _ids(error)]
            yield named or self._named(changes, error), error_text(error)


@cache
def _endpoint(name: str, method: str) -> Endpoint:
    return Items(
        f"/catalogs/{name}/items",
        _PERMISSIONS[method],
        "catalog_items",
        ("items",),
        limits.ITEMS_PER_REQUEST,
        limits.SAME_THING_WAIT,
        method,
    )


def _ids(error: object) -> Iterator[object]:
    """Yield item ids from an error's `parameter_values`, whose order matches the error's parameters."""
    if not isinstance(error, dict):
        return
    names, values = error.get("parameters"), error.get("parameter_values")
    for name, value in zip(names, values, strict=False) if isinstance(names, list) and isinstance(values, list) else ():
        if name in _ID_PARAMETERS:
            yield from value if isinstance(value, list) else [value]


SEMANTICS: Final = Semantics(
    repeatable=always,
    counted=False,
    sends_messages=False,
    sets_attributes=False,
    moves_attributes=False,
    coalesce=latest,
    data_points=free,
    consent=None,
)
PARTIAL_SEMANTICS: Final = Semantics(
    repeatable=always,
    counted=False,
    sends_messages=False,
    sets_attributes=False,
    moves_attributes=False,
    coalesce=or_,
    data_points=free,
    consent=None,
)


class CatalogItems(Action, to="catalog_items"):
    """Replaces items, or with `partial` changes only the fields in the record.

    https://www.braze.com/docs/api/endpoints/catalogs/catalog_items/asynchronous/put_update_catalog_items/ and
    .../patch_catalog_items_bulk/.
    """

    settings: ClassVar[Mapping[str, Any]] = {
        "catalog": {
            **strict_object(
                {
                    "name": described(NAME, "Catalog", "Name of the catalog. Default: the name of the stream."),
                    "id": described(NAME, "Item ID", "Column with the ID of the item. Default: id."),
                    "geo": described(NAMES, "Places", "Columns with a place, [longitude, latitude]. Default: none."),
                    "partial": described(
                        {"type": "boolean"},
                        "Partial updates",
                        "If true, a record updates the fields that it has, of existing items only, instead of "
                        "replacing the item; `on_delete` then defaults to nothing. Default: false.",
                    ),
                },
                minProperties=1,
            ),
            "title": "Catalog",
            "description": "The catalog, and the columns that it treats specially.",
        },
        "fields": FIELDS,
    }
    unsupported_keys = frozenset({"user"})
    identifier_types = frozenset()
    semantics = (SEMANTICS, PARTIAL_SEMANTICS)
    endpoints = (LIST, ITEMS, CREATE, ADD_FIELDS, *(_endpoint("{catalog_name}", method) for method in _PERMISSIONS))
    on_delete_actions = ("remove", "nothing")
    dealing = "together"

    @classmethod
    @override
    def endpoints_for(cls, entry: Mapping[str, Any]) -> tuple[Endpoint, ...]:
        partial = entry.get("catalog", {}).get("partial", False)
        removes = entry.get("on_delete", "nothing" if partial else "remove") == "remove"
        writes = "PATCH" if partial else "PUT"
        creates = () if partial else (CREATE,)
        reads = (LIST, ITEMS) if removes else (LIST,)
        methods = (writes, "DELETE") if removes else (writes,)
        return (*reads, *creates, ADD_FIELDS, *(_endpoint("{catalog_name}", method) for method in methods))

    def __init__(self, columns: Columns, defaults: Defaults, notice: Callable[[str], None]) -> None:
        super().__init__(columns, defaults, notice)
        given: Mapping[str, Any] = columns.entry.get("catalog", {})
        name = given.get("name", columns.stream)
        self._check_name(name, "name of a catalog", f"{columns.at}.catalog.name")
        self.id_column = self._column("catalog", "id", "id")
        self._id = Field(self.id_column, "id", columns.read_id(self.id_column, _item_id))
        self._partial: bool = given.get("partial", False)
        types = {"id": "string"}
        chosen = [column for column in columns.select("fields", columns.names, notice) if column != self.id_column]
        self._fields = columns.fields(
            chosen,
            Place(defaults.zone, typed_nested_times=False),
            {},
            {"id": "is the name of the item's id"},
            lambda schema, place: _typed(schema, place)[1],
        )
        for field in self._fields:
            self._check_name(field.name, "name of a field", f"{columns.at}.rename.{field.column}")
            types[field.name] = _typed(columns.schema(field.column), Place(defaults.zone, typed_nested_times=False))[0]
        places = {columns.known(column, "catalog.geo") for column in given.get("geo", ())}
        self._fields = tuple(replace(one, convert=_geo) if one.column in places else one for one in self._fields)
        types.update((one.name, "geo") for one in self._fields if one.column in places)
        if len(types) > limits.CATALOG_FIELDS:
            raise columns.error(f"a catalog has at most {limits.CATALOG_FIELDS} fields; choose some in 'fields'")
        self._name = name
        self.requires = self.catalog = Catalog(name, columns.stream, types, partial=self._partial)
        self._write = _endpoint(name, "PATCH" if self._partial else "PUT")
        self._delete = _endpoint(name, "DELETE")

    @override
    def _compile_on_delete(self) -> str:
        # A stream with only some of an item's fields does not own the item.
        entry = self._columns.entry
        partial = "on_delete" not in entry and entry.get("catalog", {}).get("partial", False)
        return "nothing" if partial else super()._compile_on_delete()

    @override
    def _compile_user(self) -> list[IdentifierRule]:
        return []

    @property
    @override
    def sources(self) -> Mapping[str, tuple[str, ...]]:
        return {"id": (self.id_column,), **{field.name: (field.column,) for field in self._fields}}

    @property
    @override
    def untyped_texts(self) -> tuple[str, ...]:
        places = self._columns.entry.get("catalog", {}).get("geo", ())
        texts = filter(self._columns.is_untyped_text, (field.column for field in self._fields))
        return tuple(column for column in texts if column not in places)

    @override
    def _changes(self, record: Mapping[str, Any]) -> list[Change]:
        values = {field.name: field.value(record) for field in self._fields if field.column in record}
        if not (self._partial and self._defaults.unset_nulls):
            # Replacing an item clears the fields it leaves out, so nulls need not be sent.
            values = {name: value for name, value in values.items() if value is not None}
        if self._partial and not values:
            self._id.required(record)
            return []
        semantics = PARTIAL_SEMANTICS if self._partial else SEMANTICS
        return [self._change(record, values, self._write, semantics)]

    @override
    def _changes_on_delete(self, record: Mapping[str, Any]) -> list[Change]:
        return [self._change(record, {}, self._delete, SEMANTICS)]

    @override
    def item_id(self, record: Mapping[str, Any]) -> str | None:
        try:
            return self._id.value(record) or None
        except RecordError:
            return None

    def _change(
        self, record: Mapping[str, Any], values: dict[str, Any], endpoint: Endpoint, semantics: Semantics
    ) -> Change:
        key = str(self._id.required(record))
        item = ("catalog_item", self._name, key)
        return Change("items", item, {"id": key, **values}, semantics, endpoint, key="item")

    def _check_name(self, name: str, what: str, at: str) -> None:
        if not _NAME.match(name) or len(name) > limits.CATALOG_NAME_LENGTH:
            raise self._columns.error(
                f"{name!r} cannot be the {what}, which may contain only letters, digits, '-' and '_' and is at most "
                f"{limits.CATALOG_NAME_LENGTH} characters long - at {at}"
            )


def _name_of(what: str) -> Convert:
    """Return the converter to a name, which is safe in a path."""

    def convert(value: object) -> str:
        text = to_id(value)
        if text and (not _NAME.match(text) or len(text) > limits.CATALOG_NAME_LENGTH):
            raise ValueError(
                f"the {what} may contain only letters, digits, '-' and '_' and is at most "
                f"{limits.CATALOG_NAME_LENGTH} characters long, got {show(value)}"
            )
        return text

    return convert


_item_id = _name_of("id of an item")
to_catalog_name = _name_of("name of a catalog")


def _typed(schema: Mapping[str, Any], place: Place) -> tuple[str, Convert]:
    """Return the field type for a column and the converter to it.

    Raises:
        ValueError: Braze has no such type.
    """
    kinds = json_types(schema)
    if kinds == {"boolean"}:
        return "boolean", to_boolean
    if is_decimal(schema) or (kinds and kinds <= {"integer", "number"}):
        return "number", to_number
    if kinds == {"string"} and is_time(schema):
        unit, zone = epoch_of(schema), place.zone
        return "time", lambda value: None if value == "" else to_time(from_epoch(value, unit) if unit else value, zone)
    if kinds <= SCALARS:
        return "string", _text
    if kinds == {"object"}:
        return "object", _object
    items = json_types(schema.get("items")) if kinds == {"array"} else {"array"}
    if items <= SCALARS:
        return "array", _array
    raise ValueError(
        "a catalog field holds text, a number, a boolean, a time, an object or an array of text, but this column holds "
        f"{' or '.join(sorted(kinds))}{' of ' + ' or '.join(sorted(items)) if kinds == {'array'} else ''}"
    )


def _text(value: object) -> str:
    # Without a type in the schema, a column may hold anything.
    text = encode(value).decode() if isinstance(value, dict | list) else to_string(value)
    return _of_size(text, text)


def _array(value: object) -> list[str] | None:
    value = from_json_text(value)
    if value is None:
        return None
    if not isinstance(value, list) or len(value) > limits.CATALOG_ARRAY_ELEMENTS:
        raise ValueError(f"expected an array of at most {limits.CATALOG_ARRAY_ELEMENTS} strings, got {show(value)}")
    texts = [to_string(one) for one in value if one is not None]
    return _of_size(texts, encode(texts).decode())


def _object(value: object) -> dict[str, Any] | None:
    value = from_json_text(value)
    if value is None:
        return None
    if not isinstance(value, dict):
        raise ValueError(f"expected an object, got {show(value)}")
    _check_keys(value, 1)
    return _of_size(value, encode(value).decode())


def _geo(value: object) -> list[float] | None:
    """Return a location in Braze's order, longitude first."""
    value = from_json_text(value)
    if value is None:
        return None
    pair = [value.get("longitude"), value.get("latitude")] if isinstance(value, dict) else value
    if not isinstance(pair, list) or len(pair) != len(_DEGREES):
        raise ValueError(f"expected a place as [longitude, latitude], got {show(value)}")
    found = [to_number(one) for one in pair]
    for degrees, most in zip(found, _DEGREES, strict=True):
        if degrees is None or not -most <= degrees <= most:
            raise ValueError(f"expected a place as [longitude, latitude], within 180 and 90 degrees, got {show(value)}")
    return found  # type: ignore[return-value]  # none of them is None


def _check_keys(value: object, level: int) -> None:
    if level > limits.CATALOG_LEVELS:
        raise ValueError(f"it has more than {limits.CATALOG_LEVELS} levels")
    if isinstance(value, dict):
        for key, member in value.items():
            if "." in key or "$" in key:
                raise ValueError(f"the name of a key may not contain '.' or '$': {key!r}")
            _check_keys(member, level + 1)
    elif isinstance(value, list):
        for member in value:
            _check_keys(member, level + 1)


def _of_size(value: _Value, text: str) -> _Value:
    # Braze does not document how it measures values other than text; measure their JSON.
    if len(text) > limits.CATALOG_VALUE_LENGTH:
        raise ValueError(f"{len(text):,} characters long, a catalog takes at most {limits.CATALOG_VALUE_LENGTH:,}")
    return value
