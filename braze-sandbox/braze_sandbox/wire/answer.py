"""JSON and responses as sent over the wire."""

from __future__ import annotations

import json
import time
from dataclasses import dataclass
from email.utils import formatdate
from functools import lru_cache
from typing import TYPE_CHECKING, Any, TypeAlias

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from starlette.types import Send


BODY_BYTES = 4_000_000
"""Braze documents 4 MB; decimal or binary is not documented, so use the stricter one."""

READ_BYTES = 4 * BODY_BYTES
"""How much of a body to read before responding and closing the connection."""

Json: TypeAlias = Any
"""Any JSON value."""


def encode(value: object) -> bytes:
    """Encode a value as compact JSON."""
    return json.dumps(value, ensure_ascii=False, separators=(",", ":")).encode()


@dataclass(frozen=True, slots=True)
class Answer:
    """A response: a status, a JSON body, and headers beyond those of every response."""

    body: bytes
    status: int = 200
    headers: tuple[tuple[bytes, bytes], ...] = ()


def success(payload: Mapping[str, Any], status: int = 200) -> Answer:
    """Return a success envelope: the payload and `message` (docs: errors)."""
    return Answer(encode({**payload, "message": "success"}), status)


class Refusal(Exception):  # noqa: N818 - the word for what Braze does with a request
    """A request that Braze does not process at all: a status and the `message` text (docs: errors)."""

    def __init__(
        self, status: int, message: str, errors: Iterable[object] = (), headers: tuple[tuple[bytes, bytes], ...] = ()
    ) -> None:
        super().__init__(message)
        self.status = status
        self.message = message
        self.errors = list(errors)
        self.headers = headers

    def answer(self) -> Answer:
        """Return the response that carries the refusal."""
        body: dict[str, Any] = {"message": self.message}
        if self.errors:
            body["errors"] = self.errors
        return Answer(encode(body), self.status, self.headers)


class NotInSandbox(Refusal):
    """A request that Braze would process and the sandbox cannot."""

    def __init__(self, what: str) -> None:
        super().__init__(501, "Not Implemented", [f"braze-sandbox does not have {what}; Braze does"])


async def send_answer(
    send: Send, answer: Answer, headers: tuple[tuple[bytes, bytes], ...] = (), sent: int | None = None
) -> None:
    """Send a response, or only the first `sent` bytes of its body."""
    merged = {
        b"content-type": b"application/json",
        b"content-length": b"%d" % len(answer.body),
        b"date": date_header(),
        **dict(headers),
        **dict(answer.headers),
    }
    await send({"type": "http.response.start", "status": answer.status, "headers": list(merged.items())})
    await send({"type": "http.response.body", "body": answer.body[:sent], "more_body": sent is not None})


def date_header() -> bytes:
    """Return the value of the Date header, using the clock of the rate-limit resets."""
    return _date(int(time.time()))


@lru_cache(maxsize=1)
def _date(second: int) -> bytes:
    return formatdate(second, usegmt=True).encode()
