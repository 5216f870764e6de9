"""Endpoints, and the call that each handles."""

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
    """One request as a handler sees it."""

    instance: Instance
    query: Mapping[str, str]
    """Query parameters, the last of each name."""
    body: Json = None
    """The decoded JSON object of a POST."""
    params: Mapping[str, str] = field(default_factory=dict)
    """Values of the placeholders in the path."""
    pairs: Sequence[tuple[str, str]] = ()
    """All query parameters, for those that may come several times."""
    rejects: Mapping[tuple[str, int], str] = field(default_factory=dict)
    """Objects that a fault rule has refused: (input array, index) to reason."""
    users: set[Hashable] = field(default_factory=set)
    """Users that the request affects, as far as its endpoint knows."""
    fault: str | None = None
    """The action of a fault rule, for what the request starts."""
    raw_headers: Sequence[tuple[bytes, bytes]] = ()

    def header(self, name: bytes) -> str:
        """Return a header of the request by its name in lower case; empty if it is not there."""
        return next((value for given, value in self.raw_headers if given == name), b"").decode("latin-1")

    @property
    def recorded(self) -> bool:
        """Whether to answer as recorded where that differs from the documentation."""
        return self.instance.options.behavior == "recorded"

    def apply(self, work: Callable[[], object]) -> None:
        """Apply a write of an asynchronous endpoint: now, or after the write lag."""
        self.instance.write_lag.do(work, self.users)

    def report(self, reason: str, path: str, obj: object) -> None:
        """Report data that Braze would accept and then drop or change."""
        self.instance.recorder.violation(reason, path, obj)


@dataclass(frozen=True, slots=True, kw_only=True)
class Endpoint:
    """A method and a path of the API with the permission it needs and the rate-limit pool it draws from."""

    method: str
    path: str
    """May hold placeholders: `/catalogs/{name}`."""
    permission: str | None
    """None: no key needed."""
    pool: str | Callable[[Call], str] | None
    """None: no limit."""
    handler: Callable[[Call], Answer]
    touches: Callable[[Call], set[Hashable]] | None = None
    """Return the affected users, to detect overlapping requests about one user."""
    has_body: bool = True
    """Whether a method other than GET comes with a JSON body."""
    uploads: bool = False
    """Whether Braze takes files as multipart/form-data here, which the sandbox cannot."""
    body_bytes: int = BODY_BYTES
    too_large: int = 413
    """The status of a body beyond that."""
