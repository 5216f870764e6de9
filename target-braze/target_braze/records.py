"""What passes between reading and delivering: the record as it came, what it changes in Braze, why it cannot.

What there is one of for each record is a struct of msgspec's, which is made in a third of a dataclass's time.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Final, NamedTuple

import msgspec
from typing_extensions import override

from target_braze.braze.data_points import data_points
from target_braze.braze.endpoints import TRACK, Endpoint
from target_braze.delivery.coalescing import folded
from target_braze.encode import decode, encode

# When the source deleted a record: https://sdk.meltano.com/en/latest/implementation/record_metadata.html
DELETED: Final = "_sdc_deleted_at"

# Letters of a key's value that a message shows.
_KEY_LENGTH: Final = 60

# Kind of identifier and its value or values: ("external_id", "c-1"), ("user_alias", "web", "a-17").
User = tuple[str, ...]


class Member(NamedTuple):
    """What a stream has loaded of a user; `part` is the cohort or group, where a user can be in several."""

    user: User
    part: str = ""


class MappingError(Exception):
    """The mapping and the stream do not fit; says which stream, setting and columns."""


class RecordError(Exception):
    """One record cannot become what the mapping wants; says which column and why."""


class Record(msgspec.Struct, eq=False):
    """A record as the source sent it: the message and its SCHEMA, its keys, its number in the stream and among all.

    `sent` is the message, or its line where nobody has decoded it yet, `size` that of the line in bytes.
    """

    stream: str
    number: int
    position: int
    keys: tuple[str, ...]
    sent: dict[str, Any] | bytes
    schema: dict[str, Any]
    size: int = 0

    @property
    def message(self) -> dict[str, Any]:
        """The message."""
        sent = decode(self.sent) if isinstance(self.sent, bytes) else self.sent
        self.sent = sent
        return sent

    def pack(self) -> None:
        """Keep the message as JSON, which takes a fifth of the memory."""
        if not isinstance(self.sent, bytes):
            self.sent = encode(self.sent)

    @property
    def lacks_key(self) -> bool:
        """Whether the stream has a key and the record no value for it."""
        values = self.message["record"]
        return any(key not in values for key in self.keys)

    @override
    def __str__(self) -> str:
        """Name it for a person: `stream 'orders', record 18,204 (order_id=A-77)`."""
        values = self.message.get("record") or {}
        keys = ", ".join(f"{key}={_short(values.get(key))}" for key in self.keys)
        return f"stream '{self.stream}', record {self.number:,}" + (f" ({keys})" if keys else "")


def _short(value: object) -> str:
    """A key's value in one line of a message, however long it is and whatever control characters it holds."""
    # A value that was not JSON stands as its bytes.
    text = bytes(value).decode("utf-8", "replace") if isinstance(value, msgspec.Raw) else str(value)
    cut = text if len(text) <= _KEY_LENGTH else f"{text[:_KEY_LENGTH]}..."
    return "".join(letter if letter.isprintable() else " " for letter in cut)


@dataclass(frozen=True, slots=True)
class Rejection:
    """Why a record did not get into Braze: the reason for a person, Braze's own text and HTTP status if it answered.

    `in_doubt` says that nobody knows whether it did get there.
    """

    reason: str
    braze: str | None = None
    status: int | None = None
    in_doubt: bool = False


class Change(msgspec.Struct, eq=False):
    """One object for Braze: which array of which endpoint, whom it is about, and the records it was made of.

    `others` are users whom it concerns too, as a merge does; what waits for any of them keeps its order. `key` names
    the one thing that it sets, such as a subscription group: a later change of the same thing takes its place.
    `apart` says that it may not share a request with what comes before it for the same user. `apart_points` is what
    the changes would have cost in data points, one by one, that were folded into it. `encoded` are its fields in JSON
    and `points` what it costs, where these are known before it is sent. It may come without `given`, its fields, if it
    is `encoded` and all of them are data, none a command.
    """

    kind: str
    user: User
    given: dict[str, Any] | None
    records: list[Record] = msgspec.field(default_factory=list)
    endpoint: Endpoint = TRACK
    others: tuple[User, ...] = ()
    fingerprint: bytes | None = None
    key: str | None = None
    apart: bool = False
    apart_points: int = 0
    encoded: bytes | None = None
    points: int | None = None

    @property
    def fields(self) -> dict[str, Any]:
        """The object."""
        if self.given is None:
            self.given = decode(self.encoded or b"{}")
        return self.given

    @property
    def users(self) -> tuple[User, ...]:
        """All whom it concerns."""
        return (self.user, *self.others)

    @property
    def folds_as(self) -> tuple[object, ...] | None:
        """What a later change has to share with it to become a part of it; None where none may."""
        return (self.user, self.key) if self.key is not None else self.user if self.kind == "attributes" else None

    @property
    def repeatable(self) -> bool:
        """Whether Braze is in the same state when it gets the change a second time."""
        return self.kind not in {"events", "purchases"} and not any(
            accumulates(value) for value in (self.given or {}).values() if isinstance(value, dict)
        )

    def fold(self, later: Change) -> bool:
        """Take in a later change of the same thing; answer False where no one object can do what the two do."""
        if self.endpoint.method == "PATCH":
            fields: dict[str, Any] | None = self.fields | later.fields
        else:
            fields = later.fields if self.key is not None else folded(self.fields, later.fields)
        if fields is None:
            return False
        self.apart_points = (self.apart_points or data_points(self)) + (later.apart_points or data_points(later))
        self.given, self.encoded, self.points = fields, None, None
        self.records += later.records
        return True


def accumulates(value: object) -> bool:
    """Whether an attribute's value adds to what is stored, each time it is sent.

    https://www.braze.com/docs/api/objects_filters/user_attributes_object/
    """
    return isinstance(value, dict) and ("inc" in value or "$add" in value)
