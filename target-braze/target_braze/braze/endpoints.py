"""The endpoints that changes go to: what one request may hold, its body, and what its answer says of each change."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any, Final

import msgspec
from typing_extensions import override

from target_braze.braze import limits
from target_braze.braze.client import UnclearError
from target_braze.braze.error_texts import error_text
from target_braze.delivery import outcomes
from target_braze.encode import encode

if TYPE_CHECKING:
    from collections.abc import Callable, Hashable, Iterable, Iterator, Mapping, Sequence

    from target_braze.braze.client import Answer, RefusedError
    from target_braze.records import Change

# The docs show `id`, and say of no error which others there are.
_ID_PARAMETERS: Final = frozenset({"id", "ids", "item_id"})


def _no_miscounts(_taken: Sequence[Change], _document: Mapping[str, Any]) -> Iterator[str]:
    return iter(())


@dataclass(frozen=True, eq=False)
class Endpoint:
    """Where a request goes and what it may hold; by default a body with one array of changes for each of `arrays`.

    `arrays` are the keys of the body: a change goes into the one that its `kind` names. `most` is the number of changes
    in a request, None where the setting `max_objects_per_request` says it. `rest` is how many seconds after an answer
    nothing else of the same users is sent, because other endpoints may not see the change before; `after` how many
    seconds the answers to other endpoints' changes of these users must be old before a change is sent. The setting
    `dependency_delay` shortens both. `single` says that a request may not hold two changes of one user or of users who
    are joined; `last` that changes wait for the end of the input.

    `ceilings` are the smaller numbers of changes that older contracts allow, `most_of_user` is how many of one user may
    be in a request, `most_bytes` how large its body may be. `hint` says what else a refusal of the endpoint may mean.

    `one_array` says that a request is sent with one of the arrays only, because errors do not say which they mean.
    `miscounts` yields what an answer counts other than the changes taken; `alone` is the count that says success
    without a message.
    """

    path: str
    permission: str
    pool: str
    arrays: tuple[str, ...]
    most: int | None = None
    rest: float = 0.0
    method: str = "POST"
    after: float = 0.0
    single: bool = False
    last: bool = False
    ceilings: tuple[int, ...] = ()
    most_of_user: int | None = None
    most_bytes: int = limits.REQUEST_BYTES
    hint: str = ""
    one_array: bool = False
    miscounts: Callable[[Sequence[Change], Mapping[str, Any]], Iterator[str]] = _no_miscounts
    alone: str = ""

    def body(self, changes: Sequence[Change], encoded: Sequence[bytes]) -> bytes:
        """The request's JSON: the changes, each already `encoded`, with no array that would be empty."""
        arrays: dict[str, list[bytes]] = {key: [] for key in self.arrays}
        for change, one in zip(changes, encoded, strict=True):
            arrays[change.kind].append(one)
        return b"{%s}" % b",".join(
            b'"%s":[%s]' % (key.encode(), b",".join(ones)) for key, ones in arrays.items() if ones
        )

    def rejected(self, changes: Sequence[Change], answer: Answer) -> list[tuple[Change, str]]:
        """Return the changes that Braze did not accept, each with Braze's reason.

        An entry of `errors` that names no change of this request speaks for all of them: none can then be said to have
        been accepted.

        Raises:
            UnclearError: the answer does not say success, or counts other than was sent less what it refuses.
        """
        document = outcomes.success(f"{self.method} {self.path}", answer, self.alone)
        refusals = list(self._refusals(changes, document))
        found = _reasons((named or changes, reason) for named, reason in refusals)
        # Where an entry speaks for all, nobody knows how many it means.
        if all(named for named, _ in refusals):
            guilty = {id(change) for change, _ in found}
            taken = [change for change in changes if id(change) not in guilty] if guilty else changes
            for miscount in self.miscounts(taken, document):
                raise UnclearError(
                    f"{self.method} {self.path}: HTTP {answer.status}, but {miscount}, the number sent less those "
                    "that Braze refused; so it is unknown what Braze did",
                    status=answer.status,
                )
        return found

    def culprits(self, changes: Sequence[Change], body: bytes) -> list[tuple[Change, str]]:
        """Return the changes for which Braze refused the whole request, as far as the body of its error names them."""
        try:
            document = msgspec.json.decode(body)
        except (msgspec.DecodeError, UnicodeError, RecursionError):
            return []
        return _reasons(self._refusals(changes, document))

    def divided(self, request: Request, _error: RefusedError) -> list[Request]:
        """Divide a request that Braze refused without naming a culprit, or leave it whole if all of it is to blame."""
        return request.parts(max(1, len(request) - len(request) // 2))

    def _refusals(self, changes: Sequence[Change], document: object) -> Iterator[tuple[Sequence[Change], str]]:
        """What `errors` names, nothing where it names none of the changes, and the reason."""
        for error in outcomes.entries(document):
            yield self._named(changes, error), error_text(error)

    def _named(self, changes: Sequence[Change], error: object) -> Sequence[Change]:
        """Return the change that an entry of `errors` names, if it names one."""
        if isinstance(error, dict):
            name, index = error.get("input_array"), error.get("index")
            array = [change for change in changes if change.kind == name]
            if name not in self.arrays and len({change.kind for change in changes}) == 1:
                # /users/identify has been recorded to say `user_identifiers`, which is in no request.
                array = [*changes]
            if type(index) is int and 0 <= index < len(array):
                return array[index : index + 1]
        return ()


@dataclass(frozen=True, eq=False)
class Items(Endpoint):
    """Takes items of a catalog, and names those that it refuses by their ids.

    https://www.braze.com/docs/api/endpoints/catalogs/catalog_items/asynchronous/put_update_catalog_items/.
    """

    @override
    def _refusals(self, changes: Sequence[Change], document: object) -> Iterator[tuple[Sequence[Change], str]]:
        for error in outcomes.entries(document):
            named = [change for change in changes if change.user[-1] in _ids(error)]
            yield named or self._named(changes, error), error_text(error)


def _ids(error: object) -> Iterator[object]:
    """The ids of items in an error's `parameter_values`, each the value of the parameter at its place."""
    if not isinstance(error, dict):
        return
    names, values = error.get("parameters"), error.get("parameter_values")
    for name, value in zip(names, values, strict=False) if isinstance(names, list) and isinstance(values, list) else ():
        if name in _ID_PARAMETERS:
            yield from value if isinstance(value, list) else [value]


def _reasons(refusals: Iterable[tuple[Sequence[Change], str]]) -> list[tuple[Change, str]]:
    """Each change once, with all reasons."""
    found: dict[int, tuple[Change, dict[str, None]]] = {}
    for named, reason in refusals:
        for change in named:
            found.setdefault(id(change), (change, {}))[1][reason] = None
    return [(change, "; ".join(reasons)) for change, reasons in found.values()]


@dataclass
class Request:
    """Changes that go to one endpoint together."""

    endpoint: Endpoint
    changes: list[Change] = field(default_factory=list)
    _encoded: list[bytes] = field(default_factory=list)
    _size: int = 100  # the names of the arrays and what is around them

    def __len__(self) -> int:
        """How many changes it holds."""
        return len(self.changes)

    def __iter__(self) -> Iterator[Change]:
        """The changes in the order of their addition."""
        return iter(self.changes)

    def add(self, change: Change) -> bool:
        """Take the change in, or answer False where the body would become too large for it.

        The first change always goes in: what is too large alone, Braze has to refuse.
        """
        encoded = change.encoded or encode(change.fields)
        size = self._size + len(encoded) + 1
        if size > self.endpoint.most_bytes and self.changes:
            return False
        self._size = size
        self.changes.append(change)
        self._encoded.append(encoded)
        return True

    def body(self) -> bytes:
        """The request's JSON."""
        return self.endpoint.body(self.changes, self._encoded)

    def parts(self, most: int) -> list[Request]:
        """The same changes in requests of at most so many."""
        return [Request.of(self.endpoint, self.changes[start : start + most]) for start in range(0, len(self), most)]

    def divided(self, key: Callable[[Change], Hashable]) -> list[Request]:
        """Return the same changes in a request for each key."""
        parts: dict[Hashable, list[Change]] = {}
        for change in self:
            parts.setdefault(key(change), []).append(change)
        return [Request.of(self.endpoint, part) for part in parts.values()]

    @classmethod
    def of(cls, endpoint: Endpoint, changes: Iterable[Change]) -> Request:
        """Return a request of changes that have been in one before, so that they fit."""
        request = cls(endpoint)
        for change in changes:
            request.add(change)
        return request


# https://www.braze.com/docs/api/endpoints/user_data/post_user_track/
TRACK: Final = Endpoint(
    "/users/track",
    "users.track",
    "/users/track",
    ("attributes", "events", "purchases"),
    ceilings=limits.TRACK_CEILINGS,
    miscounts=outcomes.track_miscounts,
)
# https://www.braze.com/docs/api/endpoints/user_data/post_user_track_bulk/, a limited beta.
TRACK_BULK: Final = Endpoint(
    "/users/track/bulk",
    "users.track.bulk",
    "/users/track/bulk",
    TRACK.arrays,
    most_of_user=limits.BULK_OBJECTS_OF_USER,
    most_bytes=limits.BULK_REQUEST_BYTES,
    miscounts=outcomes.track_miscounts,
    hint="; it is in a limited beta, and for accounts outside of that setting 'track_endpoint' has to be track",
)

# These share one limit. Each depends on what was sent of its users before, and what follows depends on it.
DEPENDENT: Final[Any] = {
    "most": limits.ITEMS_PER_REQUEST,
    "rest": limits.DEPENDENCY_DELAY,
    "after": limits.DEPENDENCY_DELAY,
}
# https://www.braze.com/docs/api/endpoints/user_data/post_user_alias/
ALIAS_NEW: Final = Endpoint(
    "/users/alias/new",
    "users.alias.new",
    "identity",
    ("user_aliases",),
    miscounts=outcomes.alias_miscounts,
    **DEPENDENT,
)
# An alias of nobody yet, which depends on nothing that was sent before: where Braze knows it, nothing changes.
ALIAS_INTRODUCE: Final = replace(ALIAS_NEW, after=0.0)
# https://www.braze.com/docs/api/endpoints/user_data/post_user_identify/
IDENTIFY: Final = Endpoint(
    "/users/identify",
    "users.identify",
    "identity",
    ("aliases_to_identify", "emails_to_identify", "phone_numbers_to_identify"),
    one_array=True,
    miscounts=outcomes.alias_miscounts,
    **DEPENDENT,
)
# https://www.braze.com/docs/api/endpoints/user_data/post_users_merge/ promises no order inside of a request.
MERGE: Final = Endpoint("/users/merge", "users.merge", "identity", ("merge_updates",), single=True, **DEPENDENT)
