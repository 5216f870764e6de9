"""Catalogs in Braze: made or given fields before the first item comes, and asked for what items they have."""

from __future__ import annotations

import logging
import time
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Any, Final

from target_braze.braze import answers, limits
from target_braze.braze.client import BrazeError, ForbiddenError
from target_braze.braze.cursors import next_cursor
from target_braze.encode import encode
from target_braze.records import MappingError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

    from target_braze.braze.client import Answer, Client

_log = logging.getLogger("target-braze")

# https://www.braze.com/docs/api/endpoints/catalogs/: 50 requests a minute may ask whether new fields are there.
_ASK_EVERY: Final = 1.5


@dataclass(frozen=True)
class Catalog:
    """What a catalog has to be like for a stream: the types of its fields by their names, `id` first.

    `partial` says that fields which the stream does not have are left as they are.
    """

    name: str
    stream: str
    fields: Mapping[str, str]
    partial: bool = False


def prepare(client: Client, catalog: Catalog, notice: Callable[[str], None]) -> None:
    """Make the catalog if it is missing, or the fields that it lacks, and wait until they are there.

    Raises:
        MappingError: a field has another type, which Braze does not change; or the catalog has to be there.
        BrazeError: Braze does not do it.
    """
    there = _fields(client, catalog.name)
    if there is None and catalog.partial:
        raise MappingError(
            f"stream '{catalog.stream}': there is no catalog '{catalog.name}', and 'catalog.partial' changes only "
            "items that are there"
        )
    if there is None:
        description = f"Made by target-braze of the stream {catalog.stream}"[: limits.CATALOG_NAME_LENGTH]
        body = {"name": catalog.name, "description": description, "fields": _listed(catalog.fields)}
        _post(client, "/catalogs", "catalogs.create", "catalogs", {"catalogs": [body]})
        _log.info("catalog '%s' was made, with %d fields", catalog.name, len(catalog.fields))
        return
    for name, kind in catalog.fields.items():
        if there.get(name, kind) != kind:
            raise MappingError(
                f"stream '{catalog.stream}': in the catalog '{catalog.name}' the field '{name}' is of the type "
                f"{there[name]}, which cannot be changed, but the stream has {kind}; 'types' can override that"
            )
    if not catalog.partial and (cleared := sorted(there.keys() - catalog.fields.keys())):
        notice(
            f"the catalog '{catalog.name}' has fields that the stream does not have; they are cleared in each item "
            f"that is replaced: {', '.join(cleared)}"
        )
    lacking = {name: kind for name, kind in catalog.fields.items() if name not in there}
    if lacking:
        _add_fields(client, catalog.name, lacking)


def item_ids(client: Client, name: str) -> Iterator[str]:
    """The ids of all items, read page by page."""
    path = f"/catalogs/{name}/items"
    cursor: str | None = None
    while True:
        params = {"cursor": cursor} if cursor else None
        answer, items = _get(client, path, "items", "catalogs.get_items", "catalog_item", params)
        yield from (item["id"] for item in items)
        cursor = next_cursor(answer)
        if not items or not cursor:
            return


def _add_fields(client: Client, name: str, fields: Mapping[str, str]) -> None:
    listed, most = _listed(fields), limits.NEW_CATALOG_FIELDS
    for start in range(0, len(listed), most):
        body = {"fields": listed[start : start + most]}
        _post(client, f"/catalogs/{name}/fields", "catalogs.create_fields", "catalog_fields", body)
    _log.info("catalog '%s' gets new fields: %s", name, ", ".join(fields))
    until = time.monotonic() + limits.DEPENDENCY_DELAY
    # An item that uses a field which is not there yet would be refused.
    while not fields.keys() <= (_fields(client, name) or {}).keys():
        if time.monotonic() > until:
            raise BrazeError(f"catalog '{name}' did not get its new fields in {limits.DEPENDENCY_DELAY} seconds")
        time.sleep(_ASK_EVERY)


def _fields(client: Client, name: str) -> dict[str, str] | None:
    """The types of a catalog's fields by their names, None if there is no such catalog."""
    _, catalogs = _get(client, "/catalogs", "catalogs", "catalogs.get", "catalogs")
    for catalog in catalogs:
        if catalog["name"] == name:
            return {field["name"]: field["type"] for field in catalog["fields"]}
    return None


def _listed(fields: Mapping[str, str]) -> list[dict[str, str]]:
    return [{"name": name, "type": kind} for name, kind in fields.items()]


def _get(  # noqa: PLR0917
    client: Client, path: str, key: str, permission: str, pool: str, params: Mapping[str, Any] | None = None
) -> tuple[Answer, list[dict[str, Any]]]:
    """The answer and what it lists under the key."""
    check = partial(answers.listed, f"GET {path}", key)
    try:
        answer = client.request("GET", path, pool=pool, params=params, check=check)
    except ForbiddenError as error:
        raise _lacking(error, permission) from None
    return answer, check(answer)


def _post(client: Client, path: str, permission: str, pool: str, body: dict[str, Any]) -> None:
    try:
        # A catalog that was made is shown in the answer.
        client.request(
            "POST",
            path,
            pool=pool,
            body=encode(body),
            check=lambda answer: answers.success(f"POST {path}", answer, "catalogs"),
        )
    except ForbiddenError as error:
        raise _lacking(error, permission) from None


def _lacking(error: BrazeError, permission: str) -> BrazeError:
    return BrazeError(f"{error}. Catalogs need an API key with the permission '{permission}'", status=error.status)
