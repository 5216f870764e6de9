"""Objects that people find by name and Braze by an id, such as Content Blocks: create or update only what differs."""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass, field, replace
from difflib import unified_diff
from functools import partial
from typing import TYPE_CHECKING, Any, Final, Protocol
from urllib.parse import quote

from typing_extensions import override

from target_braze.braze import answers
from target_braze.braze.changes import Endpoint
from target_braze.braze.client import BrazeError, ForbiddenError
from target_braze.encode import encode
from target_braze.records import RecordError

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from target_braze.braze.changes import Change
    from target_braze.braze.client import Answer, Client

# https://www.braze.com/docs/api/endpoints/templates/: the maximum of both lists.
_PAGE: Final = 1_000


@dataclass(frozen=True, eq=False)
class OneObject(Endpoint):
    """Accepts one object, whose fields are the whole body, but for `path_key`, whose value is in the path."""

    path_key: str = ""

    @override
    def body(self, changes: Sequence[Change], encoded: Sequence[bytes]) -> bytes:
        if not self.path_key:
            return encoded[0]
        return encode({key: value for key, value in changes[0].fields.items() if key != self.path_key})


@dataclass(frozen=True, eq=False)
class ObjectType:
    """A type of object, and the endpoints that list, show, create and update it.

    Attributes:
        title: What people call it.
        list: Lists all objects.
        info: Shows one. The id stands for `{id}` in the path, or else is a parameter.
        create: Creates one. It should hold, because Braze accepts two templates of one name.
        update: Updates the fields in the body. The id stands for `{id}` in the path, or else is in the body.
        list_key: Key of the objects in the list.
        id_key: Key of an object's id, in the list and in requests.
        name_key: Key of its name, in the list and in requests.
        page: Maximum number of objects in a page of the list; None if it has no pages.
        info_keys: Keys of fields whose key in the answer of `info` is another one.
    """

    title: str
    list: Endpoint
    info: Endpoint
    create: Endpoint
    update: Endpoint
    list_key: str
    id_key: str
    name_key: str
    page: int | None = _PAGE
    info_keys: Mapping[str, str] = field(default_factory=dict)

    def reader(self, client: Client) -> Reader:
        """Return what compares changes with the objects in Braze."""
        return NamedObjects(client, self)


class Reader(Protocol):
    """Compares changes with what is in Braze, which it reads once."""

    def compare(self, change: Change) -> Difference | None:
        """Return what the change changes, or None if Braze has it already. May make the change an update.

        Raises:
            RecordError: Braze cannot make the change.
            BrazeError: A request failed.
        """


@dataclass(frozen=True)
class Difference:
    """What a record changes: the fields of `name` that differ, each with its value in Braze and in the record.

    `done` is what would happen to the object: created, updated or deleted.
    """

    title: str
    name: str
    done: str
    fields: Mapping[str, tuple[Any, Any]]

    def lines(self) -> list[str]:
        """Return the difference for people, long texts as a unified diff."""
        found = [f"{self.title} '{self.name}' would be {self.done}"]
        for name, (before, after) in self.fields.items():
            if isinstance(after, str) and isinstance(before or "", str):
                sides = (before or "").splitlines(), after.splitlines()
                found += unified_diff(*sides, f"{name} in Braze", f"{name} to send", n=1, lineterm="")
            else:
                found.append(f"{name}: {encode(before).decode()} to {encode(after).decode()}")
        return found


class NamedObjects:
    """The objects of one type in the workspace: listed once, and each one that a record names is read once."""

    def __init__(self, client: Client, of: ObjectType) -> None:
        self._client = client
        self._of = of
        self._ids: defaultdict[str, list[str]] | None = None
        self._details: dict[str, Mapping[str, Any]] = {}
        # Changes of one object can merge only if they have one endpoint.
        self._updates: dict[str, Endpoint] = {}
        # What Braze will have for these is not known before the end of the run.
        self._changed: set[str] = set()

    def compare(self, change: Change) -> Difference | None:
        """Make the change an update if its object exists. Return what differs, or None if nothing does.

        Args:
            change: A change for `create` with all fields of the object.

        Raises:
            RecordError: Several objects have the name.
            BrazeError: A request failed.
        """
        of, fields = self._of, change.fields
        name: str = fields[of.name_key]
        if self._ids is None:
            self._ids = self._list()
        ids = self._ids[name]
        if not ids:
            return Difference(of.title, name, "created", {key: (None, one) for key, one in fields.items()})
        if len(ids) > 1:
            raise RecordError(f"{len(ids)} objects in Braze have the name '{name}'; rename all but one of them")
        there = self._info(ids[0])
        shown = {key: there[name] for key in fields if (name := of.info_keys.get(key, key)) in there}
        # A field that Braze does not show, such as the state of a Content Block, may differ.
        differing = {
            key: (shown.get(key), one)
            for key, one in fields.items()
            if key != of.name_key and (key not in shown or not equal(shown[key], one))
        }
        if not differing and name not in self._changed:
            return None
        self._changed.add(name)
        change.endpoint = self._updates.setdefault(ids[0], replace(of.update, path=_path(of.update, ids[0])))
        # The name stays the same, and Braze may refuse to take it for an active Content Block.
        change.given = {of.id_key: ids[0], **{key: one for key, one in fields.items() if key != of.name_key}}
        change.encoded = None
        return Difference(of.title, name, "updated", differing)

    def _list(self) -> defaultdict[str, list[str]]:
        found: defaultdict[str, list[str]] = defaultdict(list)
        read = partial(answers.listed, f"GET {self._of.list.path}", self._of.list_key)
        offset = 0
        while True:
            # Content Blocks refuse offset 0.
            paging = {"limit": str(self._of.page), **({"offset": str(offset)} if offset else {})}
            params = paging if self._of.page else {}
            rows = read(self._get(self._of.list, params, read))
            for row in rows:
                if (key := row[self._of.id_key]) not in found[row[self._of.name_key]]:
                    found[row[self._of.name_key]].append(key)
            if self._of.page is None or len(rows) < self._of.page:
                return found
            offset += len(rows)

    def _info(self, key: str) -> Mapping[str, Any]:
        if key not in self._details:
            info = self._of.info
            read = partial(answers.success, f"GET {info.path}", success_key=self._of.id_key)
            params = {} if _path(info, key) != info.path else {self._of.id_key: key}
            self._details[key] = read(self._get(replace(info, path=_path(info, key)), params, read))
        return self._details[key]

    def _get(self, endpoint: Endpoint, params: Mapping[str, str], read: Any) -> Answer:  # noqa: ANN401 - returns JSON
        try:
            return self._client.request("GET", endpoint.path, pool=endpoint.pool, params=params, check=read)
        except ForbiddenError as error:
            raise BrazeError(
                f"{error}. To update only what differs, the API key needs the permission '{endpoint.permission}'",
                status=error.status,
            ) from None


def _path(endpoint: Endpoint, key: str) -> str:
    return endpoint.path.replace("{id}", quote(key, safe=""))


def equal(there: object, given: object) -> bool:
    """Return whether a field has this value already; tags have no order."""
    if isinstance(given, list):
        return isinstance(there, list) and sorted(map(str, there)) == sorted(map(str, given))
    return there == given
