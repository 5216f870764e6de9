"""What an endpoint is, what it is handed and what it answers."""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, TypeAlias

from braze_sandbox.limits import date_header

if TYPE_CHECKING:
    from collections.abc import Callable, Hashable, Iterable, Mapping, Sequence

    from starlette.types import Send

    from braze_sandbox.instance import Instance

BODY_BYTES = 4_000_000
"""Braze says 4 MB; whether decimal or binary is not documented, so the stricter."""

READ_BYTES = 4 * BODY_BYTES
"""How much of a body is read before the answer goes out and the connection is closed."""

Json: TypeAlias = Any
"""Whatever JSON can hold."""


def encode(value: object) -> bytes:
    """A value as compact JSON."""
    return json.dumps(value, ensure_ascii=False, separators=(",", ":")).encode()


@dataclass(frozen=True, slots=True)
class Answer:
    """A response: a status, a body of JSON, and headers beyond those that every response has."""

    body: bytes
    status: int = 200
    headers: tuple[tuple[bytes, bytes], ...] = ()


def success(payload: Mapping[str, Any], status: int = 200) -> Answer:
    """The envelope of a success: the payload beside `message` (docs: errors)."""
    return Answer(encode({**payload, "message": "success"}), status)


class Refusal(Exception):  # noqa: N818 - the word for what Braze does with a request
    """A request that Braze does not process at all: a status and the text of `message` (docs: errors)."""

    def __init__(
        self, status: int, message: str, errors: Iterable[object] = (), headers: tuple[tuple[bytes, bytes], ...] = ()
    ) -> None:
        super().__init__(message)
        self.status = status
        self.message = message
        self.errors = list(errors)
        self.headers = headers

    def answer(self) -> Answer:
        """The response that carries the refusal."""
        body: dict[str, Any] = {"message": self.message}
        if self.errors:
            body["errors"] = self.errors
        return Answer(encode(body), self.status, self.headers)


async def send_answer(
    send: Send, answer: Answer, headers: tuple[tuple[bytes, bytes], ...] = (), sent: int | None = None
) -> None:
    """Send an answer, or only so many bytes of its body."""
    merged = {
        b"content-type": b"application/json",
        b"content-length": b"%d" % len(answer.body),
        b"date": date_header(),
        **dict(headers),
        **dict(answer.headers),
    }
    await send({"type": "http.response.start", "status": answer.status, "headers": list(merged.items())})
    await send({"type": "http.response.body", "body": answer.body[:sent], "more_body": sent is not None})


@dataclass(slots=True)
class Call:
    """One request as a handler sees it."""

    instance: Instance
    query: Mapping[str, str]
    """Query parameters, the last of each name."""
    body: Json = None
    """The decoded JSON object of a POST."""
    params: Mapping[str, str] = field(default_factory=dict)
    """What the placeholders of the path stand for."""
    pairs: Sequence[tuple[str, str]] = ()
    """All query parameters, for those that may come several times."""
    rejects: Mapping[tuple[str, int], str] = field(default_factory=dict)
    """Objects that a fault rule has refused: (input array, index) to reason."""
    users: set[Hashable] = field(default_factory=set)
    """Whom the request is about, as far as its endpoint tells."""
    fault: str | None = None
    """What a fault rule has in store for what the request starts."""
    raw_headers: Sequence[tuple[bytes, bytes]] = ()

    def header(self, name: bytes) -> str:
        """A header of the request by its name in lower case; empty if it is not there."""
        return next((value for given, value in self.raw_headers if given == name), b"").decode("latin-1")

    @property
    def recorded(self) -> bool:
        """Whether to answer as recorded where that differs from the documentation."""
        return self.instance.options.behavior == "recorded"

    def later(self, work: Callable[[], object]) -> None:
        """Carry out a write of an asynchronous endpoint: now, or after the lag that the sandbox was set up with."""
        self.instance.later.do(work, self.users)

    def note(self, reason: str, path: str, obj: object) -> None:
        """Note something that Braze would accept and then drop or change."""
        self.instance.recorder.violation(reason, path, obj)


@dataclass(frozen=True, slots=True, kw_only=True)
class Endpoint:
    """A method and a path of the API with the permission it needs and the rate-limit pool it draws from."""

    method: str
    path: str
    """May hold placeholders: `/catalogs/{name}`."""
    permission: str | None
    """None: whoever knows the URL needs no key."""
    pool: str | Callable[[Call], str] | None
    """None: no limit."""
    handler: Callable[[Call], Answer]
    touches: Callable[[Call], set[Hashable]] | None = None
    """The users a request is about, so that overlapping requests about one user can be noticed."""
    has_body: bool = True
    """Whether a method other than GET comes with a JSON body."""
    body_bytes: int = BODY_BYTES
    too_large: int = 413
    """The status of a body beyond that."""
