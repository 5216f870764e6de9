"""Records of requests and of data that Braze would have dropped silently."""

from __future__ import annotations

import json
from collections import Counter, deque
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Hashable, Iterator, Mapping

    from braze_sandbox.model.profile import Profile
    from braze_sandbox.wire.answer import Json

KEPT_REQUESTS = 50_000
KEPT_BODY_BYTES = 64_000_000
KEPT_VIOLATIONS = 10_000
KEPT_NOTES = 10_000
KEPT_ARRIVALS = 1_000


@dataclass(slots=True)
class Recorded:
    """A request and its outcome."""

    method: str
    path: str
    query: Mapping[str, str]
    status: int | None
    """None: the connection was closed without a response."""
    started: float
    finished: float
    """Both are on the monotonic clock."""
    body_size: int
    raw: bytes | None
    """None once the body is too old to keep."""
    raw_headers: list[tuple[bytes, bytes]]

    @property
    def body(self) -> Json:
        """Return the decoded body; None if it is missing or not JSON."""
        try:
            return json.loads(self.raw) if self.raw else None
        except (ValueError, RecursionError):
            return None

    @property
    def headers(self) -> dict[str, str]:
        """Return the request headers with lowercase names, without the API key."""
        return {
            name.decode("latin-1").lower(): value.decode("latin-1")
            for name, value in self.raw_headers
            if name.lower() != b"authorization"
        }

    def as_json(self) -> dict[str, Any]:
        """Return the request for /sandbox/requests."""
        return {
            "method": self.method,
            "path": self.path,
            "query": dict(self.query),
            "status": self.status,
            "started": self.started,
            "finished": self.finished,
            "body_size": self.body_size,
            "body": self.body,
        }


class Recorder:
    """Requests (newest last), violations, and notes."""

    def __init__(self) -> None:
        self.reset()

    def reset(self) -> None:
        """Forget everything except requests in progress."""
        self.requests: deque[Recorded] = deque(maxlen=KEPT_REQUESTS)
        self.violations: deque[dict[str, Any]] = deque(maxlen=KEPT_VIOLATIONS)
        self.notes: deque[dict[str, Any]] = deque(maxlen=KEPT_NOTES)
        self.arrivals: deque[tuple[Profile, dict[str, Any]]] = deque(maxlen=KEPT_ARRIVALS)
        """Users with events and purchases received through the API, newest last."""
        self.totals: Counter[str] = Counter()
        self._with_body: deque[Recorded] = deque()
        self._body_bytes = 0
        self._under_way: Counter[Hashable] = Counter()

    def add(self, request: Recorded) -> None:
        """Store a request; the oldest bodies are dropped to make room."""
        self.requests.append(request)
        self.totals[f"{request.method} {request.path}"] += 1
        if request.raw:
            self._with_body.append(request)
            self._body_bytes += len(request.raw)
            while self._body_bytes > KEPT_BODY_BYTES:
                oldest = self._with_body.popleft()
                self._body_bytes -= oldest.body_size
                oldest.raw = None

    def violation(self, reason: str, path: str, obj: object) -> None:
        """Record data that Braze would accept and then drop or change."""
        self.violations.append({"reason": reason, "path": path, "object": obj})

    def note(self, reason: str, path: str, obj: object) -> None:
        """Record data that the documentation rules out but that Braze was recorded to accept without loss."""
        self.notes.append({"reason": reason, "path": path, "object": obj})

    @property
    def is_busy(self) -> bool:
        """Return whether anything that affects a user is in progress."""
        return bool(self._under_way)

    @contextmanager
    def under_way(self, path: str, users: set[Hashable]) -> Iterator[None]:
        """Record a violation if another request in progress affects one of these users.

        Braze does not guarantee an order between requests (docs: post_user_track): either may apply first.
        """
        counts = self._under_way
        if shared := sorted(str(user) for user in users if counts[user]):
            self.violation(
                "two requests about the same users overlap in time: their order is not defined", path, shared
            )
        self.hold(users)
        try:
            yield
        finally:
            self.release(users)

    def hold(self, users: set[Hashable]) -> None:
        """Mark users as affected by something in progress."""
        self._under_way.update(users)

    def release(self, users: set[Hashable]) -> None:
        """Unmark users when it is done."""
        for user in users:
            self._under_way[user] -= 1
            if self._under_way[user] <= 0:
                del self._under_way[user]
