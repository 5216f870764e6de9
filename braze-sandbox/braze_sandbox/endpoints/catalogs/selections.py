"""Create and delete catalog selections (docs: the catalog_selections pages)."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from braze_sandbox.endpoints.catalogs.catalogs import CatalogRefusal, named
from braze_sandbox.request.endpoint import Call, Endpoint
from braze_sandbox.wire.answer import Answer, success

if TYPE_CHECKING:
    from braze_sandbox.model.objects import Catalog

FILTERS = 4
RESULTS = 50
SELECTIONS = 30
"""The maximum per catalog. The API page mentions a limit without a number; this one is a guess."""

_OPERATORS = {
    "string": ("equals", "does not equal"),
    "number": ("equals", "does not equal", "greater than", "less than"),
    "boolean": ("is",),
    "time": ("before", "after"),
    "array": ("includes value", "does not include value"),
    "geo": ("geo within", "geo outside"),
}


def _refusal(slug: str, text: str, parameter: str, value: object) -> CatalogRefusal:
    return CatalogRefusal(400, slug, text, parameter, str(value))


def create(call: Call) -> Answer:
    """POST /catalogs/{catalog_name}/selections: asynchronous. The error texts are ours (docs silent)."""
    catalog, given = named(call), call.body.get("selection")
    if not isinstance(given, dict):
        raise _refusal("invalid-selection", "'selection' must be an object", "selection", given)
    for name in ("name", "external_id", "source"):
        if not isinstance(given.get(name), str) or not given[name]:
            raise _refusal("invalid-selection", f"'{name}' must be a non-empty string", name, given.get(name))
    if given["name"] in catalog.selections:
        text = "The selection name already exists"
        raise _refusal("selection-name-already-exists", text, "name", given["name"])
    if len(catalog.selections) >= SELECTIONS:
        raise _refusal("selection-limit-reached", f"At most {SELECTIONS} selections", "catalog_name", catalog.name)
    types = {column["name"]: column["type"] for column in catalog.fields}
    _check_filters(given.get("filters", []), types)
    limit = given.get("results_limit", RESULTS)
    if isinstance(limit, bool) or not isinstance(limit, int) or not 1 <= limit <= RESULTS:
        text = f"'results_limit' must be from 1 to {RESULTS}"
        raise _refusal("selection-invalid-results-limit", text, "results_limit", limit)
    _check_sorting(given, types)
    call.apply(lambda: _add(call, catalog.name, given))
    return success({}, 202)


def _check_filters(filters: Any, types: dict[str, str]) -> None:  # noqa: ANN401 - whatever JSON can hold
    if not isinstance(filters, list):
        raise _refusal("selection-has-invalid-filter", "'filters' must be an array", "filters", filters)
    if len(filters) > FILTERS:
        raise _refusal("too-many-filters", f"At most {FILTERS} filters", "filters", len(filters))
    for one in filters:
        kind = types.get(str(one.get("field"))) if isinstance(one, dict) else None
        if kind is None or one.get("operator") not in _OPERATORS.get(kind, ()) or "value" not in one:
            raise _refusal("selection-has-invalid-filter", "A filter is not valid", "filters", one)
    if sum(types[one["field"]] == "array" for one in filters) > 1:
        text = "Only one filter may be of an array field"
        raise _refusal("selection-contains-too-many-arrays", text, "filters", len(filters))


def _check_sorting(given: dict[str, Any], types: dict[str, str]) -> None:
    field, order = given.get("sort_field"), given.get("sort_order")
    if (field is None) is not (order is None):
        raise _refusal("invalid-sorting", "'sort_field' and 'sort_order' go together", "sort_field", field)
    if field is not None and field not in types:
        raise _refusal("invalid-sort-field", "The sort field is not valid", "sort_field", field)
    if order not in (None, "asc", "desc"):
        raise _refusal("invalid-sort-order", "The sort order is not valid", "sort_order", order)


def _catalog(call: Call, name: str) -> Catalog | None:
    return call.instance.workspace.catalogs.get(name)


def _add(call: Call, name: str, given: dict[str, Any]) -> None:
    if catalog := _catalog(call, name):
        catalog.selections[given["name"]] = given


def delete(call: Call) -> Answer:
    """DELETE /catalogs/{catalog_name}/selections/{selection_name}: asynchronous. If unknown: 404 (docs silent)."""
    catalog, name = named(call), call.params["selection"]
    if name not in catalog.selections:
        raise CatalogRefusal(404, "invalid-selection", "The selection name is not valid", "selection_name", name)
    call.apply(lambda: _delete(call, catalog.name, name))
    return success({}, 202)


def _delete(call: Call, name: str, selection: str) -> None:
    if catalog := _catalog(call, name):
        catalog.selections.pop(selection, None)


ENDPOINTS = [
    Endpoint(
        method="POST",
        path="/catalogs/{name}/selections",
        permission="catalogs.create_selection",
        pool="catalog_fields",
        handler=create,
    ),
    Endpoint(
        method="DELETE",
        path="/catalogs/{name}/selections/{selection}",
        permission="catalogs.delete_selection",
        pool="catalog_fields",
        handler=delete,
        has_body=False,
    ),
]
