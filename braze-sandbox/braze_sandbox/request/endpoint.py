"""Endpoints and the call passed to each handler."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from braze_sandbox.wire.answer import BODY_BYTES

if TYPE_CHECKING:
    from collections.abc import Callable, Hashable, Mapping, Sequence

    from braze_sandbox.state.instance import Instance
    from braze_sandbox.wire.answer import Answer, Json


@dataclass(slots=True)
class Call:
    """One request as seen by a handler."""

    instance: Instance
    query: Mapping[str, str]
    """Query parameters; the last one wins if a name repeats."""
    body: Json = None
    """The decoded JSON object of a POST."""
    params: Mapping[str, str] = field(default_factory=dict)
    """Values of the path placeholders."""
    pairs: Sequence[tuple[str, str]] = ()
    """All query parameters, including repeated ones."""
    rejects: Mapping[tuple[str, int], str] = field(default_factory=dict)
    """Objects that a fault rule has refused; maps (input array, index) to the reason."""
    users: set[Hashable] = field(default_factory=set)
    """Users that the request affects, as far as its endpoint can determine."""
    fault: str | None = None
    """The action of a fault rule, for what the request starts."""
    raw_headers: Sequence[tuple[bytes, bytes]] = ()

    def header(self, name: bytes) -> str:
        """Return a request header by its lowercase name, or an empty string if it is missing."""
        return next((value for given, value in self.raw_headers if given == name), b"").decode("latin-1")

    @property
    def recorded(self) -> bool:
        """Whether to follow the recordings where they differ from the documentation."""
        return self.instance.options.behavior == "recorded"

    def apply(self, work: Callable[[], object]) -> None:
        """Apply a write of an asynchronous endpoint: now, or after the write lag."""
        self.instance.write_lag.do(work, self.users)

    def report(self, reason: str, path: str, obj: object) -> None:
        """Report data that Braze would accept and then drop or change."""
        self.instance.recorder.violation(reason, path, obj)


@dataclass(frozen=True, slots=True, kw_only=True)
class Endpoint:
    """A method and path of the API, with the permission it requires and its rate-limit pool."""

    method: str
    path: str
    """May contain placeholders: `/catalogs/{name}`."""
    permission: str | None
    """None: no key needed."""
    pool: str | Callable[[Call], str] | None
    """None: no limit."""
    handler: Callable[[Call], Answer]
    touches: Callable[[Call], set[Hashable]] | None = None
    """Returns the affected users, to detect concurrent requests about one user."""
    has_body: bool = True
    """Whether a method other than GET takes a JSON body."""
    takes_forms: bool = False
    """Whether a form does as well as JSON: Braze's own MCP server sends one."""
    body_bytes: int = BODY_BYTES
    too_large: int = 413
    """The status for a body over that limit."""
