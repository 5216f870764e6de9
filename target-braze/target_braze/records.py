"""What passes between reading and delivering: the record as it came, what it changes in Braze, why it cannot."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from typing_extensions import override

from target_braze.endpoints import TRACK, Endpoint

# Kind of identifier and its value or values: ("external_id", "c-1"), ("user_alias", "web", "a-17").
User = tuple[str, ...]


class MappingError(Exception):
    """The mapping and the stream do not fit; says which stream, setting and columns."""


class RecordError(Exception):
    """One record cannot become what the mapping wants; says which column and why."""


@dataclass(slots=True)
class Record:
    """A record as the source sent it: the message and its SCHEMA, its keys, its number in the stream and among all."""

    stream: str
    number: int
    position: int
    keys: tuple[str, ...]
    message: dict[str, Any]
    schema: dict[str, Any]

    @property
    def lacks_key(self) -> bool:
        """Whether the stream has a key and the record no value for it."""
        values = self.message["record"]
        return any(key not in values for key in self.keys)

    @override
    def __str__(self) -> str:
        """Name it for a person: `stream 'orders', record 18,204 (order_id=A-77)`."""
        values = self.message.get("record") or {}
        keys = ", ".join(f"{key}={values.get(key)}" for key in self.keys)
        return f"stream '{self.stream}', record {self.number:,}" + (f" ({keys})" if keys else "")


@dataclass(slots=True)
class Change:
    """One object for Braze: which array of which endpoint, whom it is about, and the records it was made of.

    `others` are users whom it concerns too, as a merge does; what waits for any of them keeps its order.
    """

    kind: str
    user: User
    fields: dict[str, Any]
    records: list[Record] = field(default_factory=list)
    endpoint: Endpoint = TRACK
    others: tuple[User, ...] = ()

    @property
    def users(self) -> tuple[User, ...]:
        """All whom it concerns."""
        return (self.user, *self.others)

    @property
    def foldable(self) -> bool:
        """Whether a later change of the same user may become a part of it."""
        return self.kind == "attributes"

    def fold(self, later: Change) -> None:
        """Take in a later change of the same user's attributes: its values win."""
        self.fields.update(later.fields)
        self.records += later.records
