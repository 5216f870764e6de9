"""The endpoints that changes go to: what one request may hold, its body, and what its answer says of each change."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any, Final

import msgspec

from target_braze import limits
from target_braze.braze_api import BrazeError
from target_braze.encode import encode

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from target_braze.braze_api import Answer
    from target_braze.records import Change


@dataclass(frozen=True, eq=False)
class Endpoint:
    """Where a request goes and what it may hold; by default a body with one array of changes for each of `arrays`.

    `arrays` are the keys of the body: a change goes into the one that its `kind` names. `most` is the number of changes
    in a request, None where the setting `max_objects_per_request` says it. `rest` is how many seconds after an answer
    nothing else of the same users is sent, because other endpoints may not see the change before; `after` how many
    seconds the answers to other endpoints' changes of these users must be old before a change is sent. The setting
    `dependent_wait` shortens both. `single` says that a request may not hold two changes of one user or of users who
    are joined; `last` that changes wait for the end of the input.

    `ceilings` are the smaller numbers of changes that older contracts allow, `most_of_user` is how many of one user may
    be in a request, `most_bytes` how large its body may be. `hint` says what else a refusal of the endpoint may mean.
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

    def body(self, changes: Sequence[Change], encoded: Sequence[bytes]) -> bytes:
        """The request's JSON: the changes, each already `encoded`, with no array that would be empty."""
        arrays: dict[str, list[bytes]] = {key: [] for key in self.arrays}
        for change, one in zip(changes, encoded, strict=True):
            arrays[change.kind].append(one)
        return b"{%s}" % b",".join(
            b'"%s":[%s]' % (key.encode(), b",".join(ones)) for key, ones in arrays.items() if ones
        )

    def rejected(self, changes: Sequence[Change], answer: Answer) -> list[tuple[Change, str]]:
        """The changes that Braze did not accept, each with Braze's reason.

        An entry of `errors` that names no change of this request speaks for all of them: none can then be said to have
        been accepted.

        Raises:
            BrazeError: the answer is not Braze's.
        """
        try:
            document = answer.json()
        except ValueError:
            document = None
        if not isinstance(document, dict):
            raise BrazeError(
                f"{self.method} {self.path}: HTTP {answer.status}, but not in JSON as Braze answers; is there a proxy "
                "in between, or is setting 'endpoint' another server's?",
                status=answer.status,
                in_doubt=True,
            )
        errors = document.get("errors")
        found: dict[int, tuple[Change, str]] = {}
        for error in errors if isinstance(errors, list) else [errors] if errors else []:
            named = self._named(changes, error)
            reason = error.get("type") if isinstance(error, dict) else error
            reason = reason if isinstance(reason, str) else msgspec.json.encode(error).decode()
            for guilty in changes if named is None else (named,):
                found.setdefault(id(guilty), (guilty, reason))
        return list(found.values())

    def _named(self, changes: Sequence[Change], error: object) -> Change | None:
        """The change that an entry of `errors` is about."""
        if isinstance(error, dict):
            array = [change for change in changes if change.kind == error.get("input_array")]
            index = error.get("index")
            if isinstance(index, int) and 0 <= index < len(array):
                return array[index]
        return changes[0] if len(changes) == 1 else None


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
        parts = [Request(self.endpoint) for _ in range(0, len(self), most)]
        for index, change in enumerate(self):
            parts[index // most].add(change)
        return parts


# https://www.braze.com/docs/api/endpoints/user_data/post_user_track/
TRACK: Final = Endpoint(
    "/users/track",
    "users.track",
    "/users/track",
    ("attributes", "events", "purchases"),
    ceilings=limits.TRACK_CEILINGS,
)
# https://www.braze.com/docs/api/endpoints/user_data/post_user_track_bulk/, a limited beta.
TRACK_BULK: Final = Endpoint(
    "/users/track/bulk",
    "users.track.bulk",
    "/users/track/bulk",
    TRACK.arrays,
    most_of_user=limits.BULK_OBJECTS_OF_USER,
    most_bytes=limits.BULK_REQUEST_BYTES,
    hint="; it is in a limited beta, and for accounts outside of that setting 'track_endpoint' has to be track",
)

# These share one limit. Each depends on what was sent of its users before, and what follows depends on it.
DEPENDENT: Final[Any] = {
    "most": limits.ITEMS_PER_REQUEST,
    "rest": limits.DEPENDENT_WAIT,
    "after": limits.DEPENDENT_WAIT,
}
# https://www.braze.com/docs/api/endpoints/user_data/post_user_alias/
ALIAS_NEW: Final = Endpoint("/users/alias/new", "users.alias.new", "identity", ("user_aliases",), **DEPENDENT)
# An alias of nobody yet, which depends on nothing that was sent before: where Braze knows it, nothing changes.
ALIAS_INTRODUCE: Final = replace(ALIAS_NEW, after=0.0)
# https://www.braze.com/docs/api/endpoints/user_data/post_user_identify/
IDENTIFY: Final = Endpoint(
    "/users/identify",
    "users.identify",
    "identity",
    ("aliases_to_identify", "emails_to_identify", "phone_numbers_to_identify"),
    **DEPENDENT,
)
# https://www.braze.com/docs/api/endpoints/user_data/post_users_merge/ promises no order inside of a request.
MERGE: Final = Endpoint("/users/merge", "users.merge", "identity", ("merge_updates",), single=True, **DEPENDENT)
