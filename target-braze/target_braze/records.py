"""Records as a source sent them, their users, and the errors that keep a record from being loaded.

`Record` is a msgspec struct because one is created for each record, which takes a third of the time of a dataclass.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Final, NamedTuple

import msgspec
from typing_extensions import override

from target_braze.encode import decode, encode

# When the source deleted a record: https://sdk.meltano.com/en/latest/implementation/record_metadata.html
DELETED: Final = "_sdc_deleted_at"

# Maximum length of a key's value in a message.
_KEY_LENGTH: Final = 60

# Kind of identifier and its value or values: ("external_id", "c-1"), ("user_alias", "web", "a-17").
User = tuple[str, ...]


class Member(NamedTuple):
    """A user that a stream has loaded. `part` is the cohort or group, if a user can be in several."""

    user: User
    part: str = ""


class MappingError(Exception):
    """The mapping does not fit the stream. The message names the stream, setting and columns."""


class GuardError(Exception):
    """A guard ends the run before it can do harm. The message says what it found, and what to do."""


class RecordError(Exception):
    """A record does not fit the mapping. The message names the column and the reason."""


class Record(msgspec.Struct, eq=False):
    """A record as the source sent it: its message, SCHEMA and keys, its `number` in the stream, its `position` in all.

    `sent` is the message, or its line if it is not decoded yet. `size` is the size of the line in bytes.
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
        """Whether the record lacks a column of the stream's key."""
        values = self.message["record"]
        return any(key not in values for key in self.keys)

    @override
    def __str__(self) -> str:
        """Return a readable name: `stream 'orders', record 18,204 (order_id=A-77)`."""
        values = self.message.get("record") or {}
        keys = ", ".join(f"{key}={_short(values.get(key))}" for key in self.keys)
        return f"stream '{self.stream}', record {self.number:,}" + (f" ({keys})" if keys else "")


def _short(value: object) -> str:
    """Return a key's value on one line, shortened, with spaces in place of control characters."""
    # A value that was not JSON is kept as its bytes.
    text = bytes(value).decode("utf-8", "replace") if isinstance(value, msgspec.Raw) else str(value)
    cut = text if len(text) <= _KEY_LENGTH else f"{text[:_KEY_LENGTH]}..."
    return "".join(letter if letter.isprintable() else " " for letter in cut)


@dataclass(frozen=True, slots=True)
class Rejection:
    """Why a record is not in Braze: a readable reason, and Braze's own text and HTTP status if it answered.

    `in_doubt`: it is unknown whether Braze received the record. `opted_out`: it or a part of it is not sent, because it
    would undo an opt-out. `request` is the number of the last request with it.
    """

    reason: str
    braze: str | None = None
    status: int | None = None
    in_doubt: bool = False
    opted_out: bool = False
    request: int | None = None
