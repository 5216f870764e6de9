"""Catalogs in Braze: create them and their fields before the first item, and list their items."""

from __future__ import annotations

import logging
import time
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Any, Final

from target_braze.braze import answers, limits
from target_braze.braze.changes import Endpoint
from target_braze.braze.client import BrazeError, ForbiddenError
from target_braze.braze.cursors import next_cursor
from target_braze.encode import encode
from target_braze.records import MappingError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

    from target_braze.braze.client import Answer, Client

_log = logging.getLogger("target-braze")

# https://www.braze.com/docs/api/endpoints/catalogs/: Braze allows 50 requests a minute for listing catalogs.
_ASK_EVERY: Final = 1.5

LIST: Final = Endpoint("/catalogs", "catalogs.get", "catalogs", (), method="GET")
ITEMS: Final = Endpoint("/catalogs/{catalog_name}/items", "catalogs.get_items", "catalog_item", (), method="GET")
CREATE: Final = Endpoint("/catalogs", "catalogs.create", "catalogs", ("catalogs",))
ADD_FIELDS: Final = Endpoint("/catalogs/{catalog_name}/fields", "catalogs.create_fields", "catalog_fields", ("fields",))


@dataclass(frozen=True)
class Catalog:
    """The catalog that a stream needs: the types of its fields by name, `id` first.

    `partial`: fields that are missing from the stream keep their values.
    """

    name: str
    stream: str
    fields: Mapping[str, str]
    partial: bool = False

    def prepare(self, client: Client, notice: Callable[[str], None]) -> None:
        """Create the catalog or its missing fields, and wait until Braze has them.

        Raises:
            MappingError: A field has another type, which Braze cannot change; or the mapping needs an existing catalog.
            BrazeError: A request failed, or Braze was too slow.
        """
        there = _fields(client, self.name)
        if there is None and self.partial:
            raise MappingError(
                f"stream '{self.stream}': there is no catalog '{self.name}', and 'catalog.partial' changes only "
                "existing items; create the catalog, or remove the setting"
            )
        if there is None:
            description = f"Created by target-braze from the stream {self.stream}"[: limits.CATALOG_NAME_LENGTH]
            body = {"name": self.name, "description": description, "fields": _listed(self.fields)}
            _post(client, CREATE, self.name, [body])
            _log.info("created catalog '%s' with %d fields", self.name, len(self.fields))
            return
        for name, kind in self.fields.items():
            if there.get(name, kind) != kind:
                raise MappingError(
                    f"stream '{self.stream}': field '{name}' of catalog '{self.name}' has type {there[name]}, "
                    f"which Braze cannot change, but the stream has {kind}; set the type in 'types'"
                )
        if not self.partial and (cleared := sorted(there.keys() - self.fields.keys())):
            notice(
                f"catalog '{self.name}' has fields that the stream lacks; replaced items lose their values: "
                f"{', '.join(cleared)}"
            )
        lacking = {name: kind for name, kind in self.fields.items() if name not in there}
        if lacking:
            _add_fields(client, self.name, lacking)


def item_ids(client: Client, name: str) -> Iterator[str]:
    """Yield the ids of all items, page by page."""
    cursor: str | None = None
    while True:
        params = {"cursor": cursor} if cursor else None
        answer, items = _get(client, ITEMS, "items", name, params)
        yield from (item["id"] for item in items)
        cursor = next_cursor(answer)
        if not items or not cursor:
            return


def _add_fields(client: Client, name: str, fields: Mapping[str, str]) -> None:
    listed, most = _listed(fields), limits.NEW_CATALOG_FIELDS
    for start in range(0, len(listed), most):
        _post(client, ADD_FIELDS, name, listed[start : start + most])
    _log.info("added fields to catalog '%s': %s", name, ", ".join(fields))
    until = time.monotonic() + limits.DEPENDENCY_DELAY
    # Braze refuses an item with a field that does not exist yet.
    while not fields.keys() <= (_fields(client, name) or {}).keys():
        if time.monotonic() > until:
            raise BrazeError(
                f"catalog '{name}' still lacks its new fields after {limits.DEPENDENCY_DELAY} seconds; run again later"
            )
        time.sleep(_ASK_EVERY)


def _fields(client: Client, name: str) -> dict[str, str] | None:
    """Return the types of a catalog's fields by name, or None if there is no such catalog."""
    for catalog in listed(client):
        if catalog["name"] == name:
            return {field["name"]: field["type"] for field in catalog["fields"]}
    return None


def listed(client: Client) -> list[dict[str, Any]]:
    """Return all catalogs, as the API shows them.

    Raises:
        BrazeError: The request failed.
    """
    _, catalogs = _get(client, LIST, "catalogs")
    return catalogs


def _listed(fields: Mapping[str, str]) -> list[dict[str, str]]:
    return [{"name": name, "type": kind} for name, kind in fields.items()]


def _get(
    client: Client, endpoint: Endpoint, key: str, name: str = "", params: Mapping[str, Any] | None = None
) -> tuple[Answer, list[dict[str, Any]]]:
    """Return the answer and the list under its key."""
    path = endpoint.path.format(catalog_name=name)
    check = partial(answers.listed, f"GET {path}", key)
    try:
        answer = client.request("GET", path, pool=endpoint.pool, params=params, check=check)
    except ForbiddenError as error:
        raise _lacking(error, endpoint.permission) from None
    return answer, check(answer)


def _post(client: Client, endpoint: Endpoint, name: str, described: list[Any]) -> None:
    path = endpoint.path.format(catalog_name=name)
    try:
        # The answer to the creation of a catalog has `catalogs` and no `message`.
        client.request(
            "POST",
            path,
            pool=endpoint.pool,
            body=encode({endpoint.arrays[0]: described}),
            check=lambda answer: answers.success(f"POST {path}", answer, "catalogs"),
        )
    except ForbiddenError as error:
        raise _lacking(error, endpoint.permission) from None


def _lacking(error: BrazeError, permission: str) -> BrazeError:
    return BrazeError(f"{error}. Catalogs need an API key with the permission '{permission}'", status=error.status)
