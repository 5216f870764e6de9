"""Records as a source sent them, the users they are about, and the reasons why one cannot be loaded.

`Record` is a msgspec struct because one is created for each record: that takes a third of a dataclass's time.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Final, NamedTuple

import msgspec
from typing_extensions import override

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
