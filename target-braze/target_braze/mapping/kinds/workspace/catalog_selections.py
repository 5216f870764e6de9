"""Create selections of catalogs that Braze does not have."""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import cache
from typing import TYPE_CHECKING, Any, ClassVar, Final
from urllib.parse import quote

from typing_extensions import override

from target_braze.braze import limits
from target_braze.braze.changes import Change, Endpoint, Semantics, always, free, latest, never
from target_braze.braze.endpoints import NoBody
from target_braze.braze.objects.catalog_contents import CatalogContents
from target_braze.braze.objects.catalogs import LIST
from target_braze.mapping.base.named_objects import FieldMapping, ObjectField, to_text
from target_braze.mapping.kinds.workspace.catalog_items import to_catalog_name
from target_braze.mapping.values.json_text import from_json_text
from target_braze.mapping.values.scalars import to_integer
from target_braze.mapping.values.times import show
from target_braze.records import RecordError

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

_SELECTIONS: Final = ("selection",)
_KEYS: Final = {"field", "operator", "value"}


@dataclass(frozen=True, eq=False)
class Selection(Endpoint):
    """Accepts one selection as an object instead of an array."""

    @override
    def body(self, changes: Sequence[Change], encoded: Sequence[bytes]) -> bytes:
        return b'{"%s":%s}' % (self.arrays[0].encode(), encoded[0])


# https://www.braze.com/docs/api/endpoints/catalogs/catalog_selections/asynchronous/
CREATE: Final = Selection(
    "/catalogs/{catalog_name}/selections",
    "catalogs.create_selection",
    "catalog_fields",
    _SELECTIONS,
    1,
    limits.SAME_THING_WAIT,
    at_end_of_input=True,
    holds=True,
    refusals=frozenset({400, 404}),
)
DELETE: Final = NoBody(
    "/catalogs/{catalog_name}/selections/{selection_name}",
    "catalogs.delete_selection",
    "catalog_fields",
    _SELECTIONS,
    1,
    limits.SAME_THING_WAIT,
    method="DELETE",
    at_end_of_input=True,
    done=frozenset({404}),
)


def _semantics(*, repeatable: bool) -> Semantics:
    return Semantics(
        # Braze refuses a second selection of the same name.
        repeatable=always if repeatable else never,
        counted=False,
        sends_messages=False,
        sets_attributes=False,
        moves_attributes=False,
        coalesce=latest,
        data_points=free,
        consent=None,
    )


CREATION, DELETION = _semantics(repeatable=False), _semantics(repeatable=True)


@cache
def _endpoint(of: Endpoint, catalog: str, selection: str = "") -> Endpoint:
    return replace(of, path=of.path.format(catalog_name=catalog, selection_name=quote(selection, safe="")))


def _filters(value: object) -> list[dict[str, Any]] | None:
    value = from_json_text(value, "an array of filters")
    if value is None:
        return None
    if not isinstance(value, list) or not all(isinstance(one, dict) and one.keys() == _KEYS for one in value):
        raise ValueError(f"expected an array of objects with {', '.join(sorted(_KEYS))}, got {show(value)}")
    if len(value) > limits.SELECTION_FILTERS:
        raise ValueError(f"{len(value)} filters, Braze takes at most {limits.SELECTION_FILTERS}")
    return value


def _results(value: object) -> int | None:
    number = to_integer(value)
    if number is not None and not 1 <= number <= limits.SELECTION_RESULTS:
        raise ValueError(f"expected a number from 1 to {limits.SELECTION_RESULTS}, got {show(value)}")
    return number


def _order(value: object) -> str | None:
    text = to_text(value).strip().lower()
    if text not in {"asc", "desc", ""}:
        raise ValueError(f"expected asc or desc, got {show(value)}")
    return text or None


class CatalogSelections(FieldMapping, to="catalog_selections"):
    """A selection per record, found by its catalog and name. Braze cannot change one, so it must not differ."""

    settings: ClassVar[Mapping[str, Any]] = {}
    unsupported_keys = frozenset({"user"})
    identifier_types = frozenset()
    semantics = (CREATION, DELETION)
    endpoints = (LIST, CREATE, DELETE)
    # Messages whose Liquid names the selection would break.
    on_delete_actions = ("nothing", "remove")
    object_type = CatalogContents()
    title = "selection"
    fields: ClassVar[Mapping[str, ObjectField]] = {
        "catalog_name": ObjectField(to_catalog_name, required=True),
        "name": ObjectField(to_text, required=True),
        "external_id": ObjectField(to_text),
        "description": ObjectField(to_text),
        "source": ObjectField(to_text),
        "filters": ObjectField(_filters),
        "results_limit": ObjectField(_results),
        "sort_field": ObjectField(to_text),
        "sort_order": ObjectField(_order),
    }

    @classmethod
    @override
    def endpoints_for(cls, entry: Mapping[str, Any]) -> tuple[Endpoint, ...]:
        return cls.endpoints if entry.get("on_delete") == "remove" else (LIST, CREATE)

    @property
    @override
    def sources(self) -> Mapping[str, tuple[str, ...]]:
        found = {**super().sources}
        return found | {"catalog_selection": found.pop("catalog_name")}

    @property
    @override
    def named_by(self) -> str:
        return " and ".join(f"column '{self._fields[name].column}'" for name in ("catalog_name", "name"))

    @override
    def _changes(self, record: Mapping[str, Any]) -> list[Change]:
        fields = self._values(record)
        if ("sort_field" in fields) is not ("sort_order" in fields):
            raise RecordError("a selection has sort_field and sort_order together, or neither")
        catalog = fields.pop("catalog_name")
        # Braze requires both. Its pages name the source of a custom catalog differently; this is the endpoint's.
        fields = {"external_id": fields["name"], "source": "custom", **fields}
        user = ("catalog_selection", catalog, fields["name"])
        return [Change(_SELECTIONS[0], user, fields, CREATION, _endpoint(CREATE, catalog))]

    @override
    def _changes_on_delete(self, record: Mapping[str, Any]) -> list[Change]:
        catalog, name = (self._fields[part].required(record) for part in ("catalog_name", "name"))
        user = ("catalog_selection", catalog, name)
        return [Change(_SELECTIONS[0], user, {"name": name}, DELETION, _endpoint(DELETE, catalog, name))]
