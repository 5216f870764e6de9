"""Data Objects: check that their types and relationships exist, and write many of them with one request.

https://www.braze.com/docs/api/endpoints/data_objects. Braze answers a bulk request before it looks up types,
attributes, objects and users, and reports none of those failures to the API. So the types are checked before the first
record.
"""

from __future__ import annotations

from contextlib import suppress
from dataclasses import dataclass, field
from functools import partial
from http import HTTPStatus
from typing import TYPE_CHECKING, Any, Final
from urllib.parse import quote

from typing_extensions import override

from target_braze.braze import answers, limits
from target_braze.braze.changes import Endpoint
from target_braze.braze.client import BrazeError, ForbiddenError, RefusedError
from target_braze.records import MappingError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence

    from target_braze.braze.changes import Change
    from target_braze.braze.client import Answer, Client

_TYPE: Final = "/data_objects/types/{type_name}"
_POOL: Final = "data_objects_read"
# The maximum of lists.
_PAGE: Final = 250

TYPE: Final = Endpoint(_TYPE, "data_objects.read", _POOL, (), method="GET")
USER_RELATIONSHIPS: Final = Endpoint(f"{_TYPE}/user_relationship_types", "data_objects.read", _POOL, (), method="GET")
RELATIONSHIPS: Final = Endpoint(f"{_TYPE}/object_relationship_types", "data_objects.read", _POOL, (), method="GET")


@dataclass(frozen=True, eq=False)
class BulkEndpoint(Endpoint):
    """Accepts up to 50 records of any types. If one of them is invalid, Braze refuses them all."""

    @override
    def rejected(self, changes: Sequence[Change], answer: Answer) -> list[tuple[Change, str]]:
        # The pages say that 202 means success, and nothing about its body.
        with suppress(ValueError, RecursionError):
            document = answer.json()
            if answer.status == HTTPStatus.ACCEPTED and isinstance(document, dict) and not answers.entries(document):
                return []
        return super().rejected(changes, answer)


def bulk_endpoint(
    path: str, permission: str, *, deletes: bool = False, seconds_after_others: float = 0.0
) -> BulkEndpoint:
    """Return the endpoint that creates or replaces records, or the one that deletes them."""
    return BulkEndpoint(
        path,
        f"{permission}.bulk_{'delete' if deletes else 'upsert'}",
        "data_objects_bulk",
        ("records",),
        limits.ITEMS_PER_REQUEST,
        # Braze orders records by the time at which it received them, of unknown precision.
        limits.SAME_THING_WAIT,
        "DELETE" if deletes else "PUT",
        seconds_after_others=seconds_after_others,
    )


@dataclass(frozen=True)
class DataObjectType:
    """A type that a stream writes: the JSON types of the attributes it sends, `date-time` for times, None if unknown.

    `at` is the path of the stream's entry in the setting `streams`.
    """

    name: str
    stream: str
    at: str
    attributes: Mapping[str, str | None] = field(default_factory=dict)

    def prepare(self, client: Client, notice: Callable[[str], None]) -> None:
        """Check that the type exists and has the attributes.

        Raises:
            MappingError: It does not exist, lacks an attribute, has one of another type, or requires another one.
            BrazeError: A request failed.
        """
        read = partial(answers.success, f"GET {_TYPE}", success_key="data_object_type")
        answer = _get(client, TYPE, self, {}, read)
        schema = (read(answer)["data_object_type"] or {}).get("schema_def") or {}
        there: Mapping[str, Any] = schema.get("properties") or {}
        what = f"stream '{self.stream}': type '{self.name}' of Data Objects"
        if unknown := sorted(self.attributes.keys() - there.keys()):
            raise MappingError(
                f"{what} has no attribute '{unknown[0]}', so Braze would drop each object; add it in the dashboard, "
                f"rename the column, or leave it out - at {self.at}.fields. Attributes: {', '.join(sorted(there))}"
            )
        for name, sent in self.attributes.items():
            wanted = (there[name].get("format") == "date-time" and "date-time") or there[name].get("type")
            if not _fits(sent, wanted):
                raise MappingError(
                    f"{what} has the attribute '{name}' of type {wanted}, but the stream has {sent}, so Braze would "
                    f"drop each object; set the type of its column - at {self.at}.types"
                )
        if lacking := sorted({*(schema.get("required") or ())} - self.attributes.keys()):
            raise MappingError(
                f"{what} requires the attribute '{lacking[0]}', which the stream lacks; rename a column to it - at "
                f"{self.at}.rename"
            )
        if cleared := sorted(there.keys() - self.attributes.keys()):
            notice(
                f"type '{self.name}' of Data Objects has attributes that the stream lacks; replaced objects lose their "
                f"values: {', '.join(cleared)}"
            )


@dataclass(frozen=True)
class RelationshipType:
    """A relationship that a stream writes, from objects of the type `name` to users or objects of the type `related`.

    `at` is the path of the stream's entry in the setting `streams`.
    """

    name: str
    stream: str
    at: str
    relationship: str
    related: str | None = None

    def prepare(self, client: Client, _notice: Callable[[str], None]) -> None:
        """Check that the relationship exists.

        Raises:
            MappingError: It does not.
            BrazeError: A request failed.
        """
        found = [
            (row.get("rel_kind"), None if self.related is None else row.get("related_type_name"))
            for row in self._rows(client)
        ]
        if (self.relationship, self.related) not in found:
            to = "users" if self.related is None else f"the type '{self.related}'"
            known = ", ".join(sorted({f"{kind}" if of is None else f"{kind} ({of})" for kind, of in found})) or "none"
            raise MappingError(
                f"stream '{self.stream}': type '{self.name}' of Data Objects has no relationship "
                f"'{self.relationship}' to {to}, only: {known} - at {self.at}.data_object.relationship"
            )

    def _rows(self, client: Client) -> Iterator[dict[str, Any]]:
        endpoint = USER_RELATIONSHIPS if self.related is None else RELATIONSHIPS
        read = partial(answers.listed, f"GET {endpoint.path}", "items")
        offset = 0
        while True:
            page = read(_get(client, endpoint, self, {"limit": str(_PAGE), "offset": str(offset)}, read))
            yield from page
            if len(page) < _PAGE:
                return
            offset += len(page)


def _get(
    client: Client,
    endpoint: Endpoint,
    of: DataObjectType | RelationshipType,
    params: Mapping[str, str],
    check: Callable[[Answer], object],
) -> Answer:
    path = endpoint.path.format(type_name=quote(of.name, safe=""))
    try:
        return client.request("GET", path, pool=endpoint.pool, params=params, check=check)
    except RefusedError as error:
        if error.status != HTTPStatus.NOT_FOUND:
            raise
        raise MappingError(
            f"stream '{of.stream}': there is no type '{of.name}' of Data Objects, and only the dashboard can create "
            f"one - at {of.at}.data_object.type"
        ) from None
    except ForbiddenError as error:
        raise BrazeError(
            f"{error}. The target checks types of Data Objects before it writes any: give the API key the permission "
            f"'{endpoint.permission}'",
            status=error.status,
        ) from None


def _fits(sent: str | None, wanted: object) -> bool:
    """Return whether values of a JSON type may fit an attribute. Times are text."""
    if sent is None or wanted not in {"string", "number", "integer", "boolean", "array", "object", "date-time"}:
        return True
    return sent == wanted or (sent, wanted) in {("date-time", "string"), ("number", "integer")}
