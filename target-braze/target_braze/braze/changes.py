"""Changes of one user or item, the endpoints that accept them, and the requests that carry several.

`Change` is a msgspec struct because one is created for each record, which takes a third of the time of a dataclass.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from itertools import count
from typing import TYPE_CHECKING, Any, Final, NamedTuple

import msgspec

from target_braze.braze import answers, limits
from target_braze.braze.client import UnclearError
from target_braze.braze.error_texts import error_text
from target_braze.encode import decode, encode

if TYPE_CHECKING:
    from collections.abc import Callable, Hashable, Iterable, Iterator, Mapping, Sequence

    from target_braze.braze.client import Answer, RefusedError
    from target_braze.braze.consent import Consent
    from target_braze.records import Record, Rejection, User


@dataclass(frozen=True, kw_only=True)
class Semantics:
    """What a kind declares about its changes for delivery, ledger, data points and preview.

    Nothing has a default, because a wrong guess sends messages to people twice.
    """

    repeatable: Callable[[Mapping[str, Any]], bool]
    """Return whether sending these fields twice leaves Braze in the same state as sending them once."""
    counted: bool
    """Braze counts each copy, as it does events: the ledger remembers each change to send none twice."""
    sends_messages: bool
    """People receive a message because of it: the ledger knows it by its record's key and names who is in doubt."""
    sets_attributes: bool
    """The fields are attributes of the user: the ledger remembers their values."""
    moves_attributes: bool
    """Attributes move to another user, go with the user, or change on the side: the ledger forgets these users."""
    coalesce: Callable[[dict[str, Any], dict[str, Any]], dict[str, Any] | None] | None
    """Return one object with the effect of an earlier and a later one, or None; with `coalesce=None`, none merge."""
    data_points: Callable[[Mapping[str, Any], str], int]
    """Return the data points that these fields cost, given the type of identifier that names the user."""
    consent: Consent | None
    """How the fields carry choices of a person, such as a subscription; None if they carry none."""


def always(_fields: Mapping[str, Any]) -> bool:
    """`repeatable` of a kind that sets a state, however often it is sent."""
    return True


def never(_fields: Mapping[str, Any]) -> bool:
    """`repeatable` of a kind that adds something each time it is sent."""
    return False


def free(_fields: Mapping[str, Any], _identifier_type: str) -> int:
    """`data_points` of a kind that costs none."""
    return 0


def latest(_earlier: dict[str, Any], later: dict[str, Any]) -> dict[str, Any]:
    """`coalesce` of a kind whose later change replaces the earlier one."""
    return later


class Change(msgspec.Struct, eq=False):
    """One object for Braze.

    Attributes:
        payload_key: The array of the request's body that the object goes into.
        user: The user, or catalog item, that it changes.
        given: Its fields; None if `encoded` holds them.
        semantics: What its kind declares for delivery, ledger, data points and preview.
        endpoint: The endpoint that it goes to.
        records: The records that it was made from.
        others: Other users that it affects, as a merge does: their changes keep their order as well.
        fingerprint: Hash that identifies a counted change in the ledger.
        unlogged: Identities of its records for the outcome log, if it keeps the outcome of such changes.
        logged: Those of `unlogged` that are under way in the log.
        object_hash: Hash of all attributes that its record sets, in the ledger; None if it adds to stored values.
        key: The one thing that it sets, such as a subscription group: a later change with this key replaces this one.
            Of a message, what is sent, such as `campaign_id:7c9...`.
        apart: It must not share a request with an earlier change to this user.
        apart_points: Data points that the changes merged into this one would have cost one by one.
        encoded: Its fields as JSON, if known before it is sent.
        points: Its data points, if known before it is sent.
        repeats: Whether it is repeatable, if known before it is sent.
        chosen_at: When the person made each of its `choices`, in seconds since 1970, where the record says so.
        withheld: Why some of its choices are not sent; None if all are.
    """

    payload_key: str
    user: User
    given: dict[str, Any] | None
    semantics: Semantics
    endpoint: Endpoint
    records: list[Record] = msgspec.field(default_factory=list)
    others: tuple[User, ...] = ()
    fingerprint: bytes | None = None
    unlogged: bytes = b""
    logged: bytes = b""
    object_hash: bytes | None = None
    key: str | None = None
    apart: bool = False
    apart_points: int = 0
    encoded: bytes | None = None
    points: int | None = None
    repeats: bool | None = None
    chosen_at: dict[str, float | None] | None = None
    withheld: Rejection | None = None

    @property
    def fields(self) -> dict[str, Any]:
        """The fields of the object."""
        if self.given is None:
            self.given = decode(self.encoded or b"{}")
        return self.given

    @property
    def users(self) -> tuple[User, ...]:
        """All users that it affects."""
        return (self.user, *self.others)

    @property
    def data_points(self) -> int:
        """The data points that it costs on contracts that count them: never fewer than Braze counts."""
        if self.points is not None:
            return self.points
        return self.semantics.data_points(self.fields, self.user[0])

    @property
    def coalescing_key(self) -> tuple[object, ...] | None:
        """The values that a later change must share with this one to merge into it; None if no change may."""
        if self.semantics.coalesce is None:
            return None
        return self.user if self.key is None else (self.user, self.key)

    @property
    def repeatable(self) -> bool:
        """Whether Braze ends up in the same state if it receives the change twice."""
        return self.semantics.repeatable(self.fields) if self.repeats is None else self.repeats

    @property
    def choices(self) -> dict[str, bool]:
        """The choices of a person that it carries: by what they are about, whether the person opts in."""
        consent = self.semantics.consent
        if consent is None or (
            self.encoded is not None and consent.keys and not any(key in self.encoded for key in consent.keys)
        ):
            return {}
        return consent.choices(self.fields)

    def merge_into(self, earlier: Change) -> bool:
        """Merge into an earlier change with the same coalescing key. Return False if one object cannot do both.

        Opting in does not replace an earlier opt-out, which may be the person's later choice.
        """
        coalesce = self.semantics.coalesce
        choices = self.choices
        before = earlier.choices if choices else {}
        opts_back_in = any(opts_in and before.get(about) is False for about, opts_in in choices.items())
        fields = None if coalesce is None or opts_back_in else coalesce(earlier.fields, self.fields)
        if fields is None:
            return False
        if choices and (earlier.chosen_at or self.chosen_at):
            times = [one.chosen_at or dict.fromkeys(of) for one, of in ((earlier, before), (self, choices))]
            earlier.chosen_at = {**times[0], **times[1]}
        earlier.apart_points = (earlier.apart_points or earlier.data_points) + (self.apart_points or self.data_points)
        earlier.replace(fields)
        earlier.object_hash = self.object_hash
        earlier.records += self.records
        earlier.unlogged += self.unlogged
        earlier.logged += self.logged
        return True

    def replace(self, fields: dict[str, Any]) -> None:
        """Replace the fields of the object."""
        self.given, self.encoded, self.points, self.repeats = fields, None, None, None


class Receipt(NamedTuple):
    """What Braze gives back for scheduled messages: the schedule's ID, and the first second at which it may send."""

    schedule_id: str
    due: int


def _no_mismatches(_accepted: Sequence[Change], _document: Mapping[str, Any]) -> Iterator[str]:
    return iter(())


@dataclass(frozen=True, eq=False)
class Endpoint:
    """An endpoint, and its limits on the changes and users in a request.

    By default, the body has an array of changes for each of `arrays`.

    Attributes:
        path: Path of the endpoint.
        permission: Permission that the API key needs.
        pool: Name of the rate-limit window that it shares with other endpoints.
        arrays: Keys of the body. A change goes into the array that its `payload_key` names.
        max_changes: Changes per request; None means setting `max_objects_per_request`.
        settle_seconds: Seconds after an answer before anything else is sent for the same users, because other endpoints
            may not see the change earlier. Setting `dependency_delay` shortens it.
        method: HTTP method.
        seconds_after_others: Seconds that must have passed since other endpoints' answers about these users. Setting
            `dependency_delay` shortens it.
        one_per_user: A request must not hold two changes of one user or of joined users.
        at_end_of_input: Changes wait for the end of the input.
        older_max_changes: Maximum numbers of changes under older contracts, largest first, to try if Braze refuses
            `max_changes` as too many.
        max_changes_per_user: Changes per user in a request.
        max_bytes: Maximum size of a body.
        hint: Another possible cause of this endpoint's errors, appended to the message.
        one_array_per_request: Fill only one of the arrays in a request, because errors do not name the array they mean.
        count_mismatches: Yields a text for each count in an answer that differs from the number of accepted changes;
            its arguments are these changes and the answer's JSON.
        success_key: The key whose presence means success without a `message`.
        holds: If the outcome of a request is unknown, changes that are not repeatable are in doubt instead of sent
            again, whatever setting `on_unknown_outcome` says, because the next run can see what Braze did.
        refusals: Statuses that a single change in a request can cause. All others end the run.
        repeats_safely: Braze recognizes a repeated request, so one without an answer is sent again for some minutes.
        done: Statuses that mean that there is nothing left to do, such as 404 for a deletion. One change per request.
    """

    path: str
    permission: str
    pool: str
    arrays: tuple[str, ...]
    max_changes: int | None = None
    settle_seconds: float = 0.0
    method: str = "POST"
    seconds_after_others: float = 0.0
    one_per_user: bool = False
    at_end_of_input: bool = False
    older_max_changes: tuple[int, ...] = ()
    max_changes_per_user: int | None = None
    max_bytes: int = limits.REQUEST_BYTES
    hint: str = ""
    one_array_per_request: bool = False
    count_mismatches: Callable[[Sequence[Change], Mapping[str, Any]], Iterator[str]] = _no_mismatches
    success_key: str = ""
    holds: bool = False
    refusals: frozenset[int] = frozenset({400, 413})
    repeats_safely: bool = False
    done: frozenset[int] = frozenset()

    def body(self, changes: Sequence[Change], encoded: Sequence[bytes]) -> bytes:
        """Return the request's JSON: the changes, each already `encoded`, without empty arrays."""
        arrays: dict[str, list[bytes]] = {key: [] for key in self.arrays}
        for change, one in zip(changes, encoded, strict=True):
            arrays[change.payload_key].append(one)
        return b"{%s}" % b",".join(
            b'"%s":[%s]' % (key.encode(), b",".join(ones)) for key, ones in arrays.items() if ones
        )

    @property
    def not_now(self) -> str:
        """Why a request must not leave now, in words, or nothing."""
        return ""

    def says_repeated(self, _error: RefusedError) -> bool:
        """Return whether Braze refused the request because it has received it before."""
        return False

    def receipt(self, _answer: Answer) -> Receipt | None:
        """Return what the ledger keeps of the answer, if it keeps anything."""
        return None

    def rejected(self, changes: Sequence[Change], answer: Answer) -> list[tuple[Change, str]]:
        """Return the changes that Braze did not accept, each with Braze's reason.

        An entry of `errors` that names no change of this request counts against all of them, since none is known to
        be accepted.

        Raises:
            UnclearError: The answer does not report success, or its counts do not match the changes that it accepts.
        """
        document = answers.success(f"{self.method} {self.path}", answer, self.success_key)
        refusals = list(self._refusals(changes, document))
        found = _reasons((named or changes, reason) for named, reason in refusals)
        # An error that names no change may mean any number of them.
        if all(named for named, _ in refusals):
            guilty = {id(change) for change, _ in found}
            accepted = [change for change in changes if id(change) not in guilty] if guilty else changes
            for mismatch in self.count_mismatches(accepted, document):
                raise UnclearError(
                    f"{self.method} {self.path}: HTTP {answer.status}, but {mismatch}: the number "
                    "sent, less those that Braze refused. It is unknown what Braze did",
                    status=answer.status,
                )
        return found

    def culprits(self, changes: Sequence[Change], body: bytes) -> list[tuple[Change, str]]:
        """Return the changes that made Braze refuse the whole request, if the body of its error names them."""
        try:
            document = msgspec.json.decode(body)
        except (msgspec.DecodeError, UnicodeError, RecursionError):
            return []
        return _reasons(self._refusals(changes, document))

    def divided(self, request: Request, _error: RefusedError) -> list[Request]:
        """Split a request that Braze refused without naming a culprit, or keep it whole if all changes are to blame."""
        return request.parts(max(1, len(request) - len(request) // 2))

    def _refusals(self, changes: Sequence[Change], document: object) -> Iterator[tuple[Sequence[Change], str]]:
        """Yield the changes that each entry of `errors` names, or an empty sequence, with the reason."""
        for error in answers.entries(document):
            yield self._named(changes, error), error_text(error)

    def _named(self, changes: Sequence[Change], error: object) -> Sequence[Change]:
        """Return the change that an entry of `errors` names, if it names one."""
        if isinstance(error, dict):
            name, index = error.get("input_array"), error.get("index")
            array = [change for change in changes if change.payload_key == name]
            if name not in self.arrays and len({change.payload_key for change in changes}) == 1:
                # In recordings, /users/identify names `user_identifiers`, which no request contains.
                array = [*changes]
            if type(index) is int and 0 <= index < len(array):
                return array[index : index + 1]
        return ()


def _reasons(refusals: Iterable[tuple[Sequence[Change], str]]) -> list[tuple[Change, str]]:
    """Return each change once, with all of its reasons."""
    found: dict[int, tuple[Change, dict[str, None]]] = {}
    for named, reason in refusals:
        for change in named:
            found.setdefault(id(change), (change, {}))[1][reason] = None
    return [(change, "; ".join(reasons)) for change, reasons in found.values()]


_NUMBERS: Final = count(1)


@dataclass
class Request:
    """Changes that go to one endpoint together; `number` counts the requests of this process."""

    endpoint: Endpoint
    changes: list[Change] = field(default_factory=list)
    _encoded: list[bytes] = field(default_factory=list)
    number: int = field(default_factory=lambda: next(_NUMBERS))
    _size: int = 100  # the names of the arrays and the JSON around them

    def __len__(self) -> int:
        """Return the number of changes."""
        return len(self.changes)

    def __iter__(self) -> Iterator[Change]:
        """Yield the changes in the order they were added."""
        return iter(self.changes)

    def add(self, change: Change) -> bool:
        """Add the change, or return False if the body would become too large.

        The first change is always added: if it is too large alone, Braze refuses it.
        """
        encoded = change.encoded or encode(change.fields)
        size = self._size + len(encoded) + 1
        if size > self.endpoint.max_bytes and self.changes:
            return False
        self._size = size
        self.changes.append(change)
        self._encoded.append(encoded)
        return True

    def body(self) -> bytes:
        """Return the request's JSON."""
        return self.endpoint.body(self.changes, self._encoded)

    def parts(self, most: int) -> list[Request]:
        """Return the same changes in requests of at most `most` changes."""
        return [Request.of(self.endpoint, self.changes[start : start + most]) for start in range(0, len(self), most)]

    def divided(self, key: Callable[[Change], Hashable]) -> list[Request]:
        """Return the same changes in a request for each key."""
        parts: dict[Hashable, list[Change]] = {}
        for change in self:
            parts.setdefault(key(change), []).append(change)
        return [Request.of(self.endpoint, part) for part in parts.values()]

    @classmethod
    def of(cls, endpoint: Endpoint, changes: Iterable[Change]) -> Request:
        """Return a request of changes that were in a request together, so they fit."""
        request = cls(endpoint)
        for change in changes:
            request.add(change)
        return request
