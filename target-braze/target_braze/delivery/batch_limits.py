"""Batch limits: how many changes a request may hold, from the settings and from requests that Braze refused."""

from __future__ import annotations

import logging
import threading
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from target_braze.braze.changes import Endpoint
    from target_braze.braze.client import RefusedError

_log = logging.getLogger("target-braze")

# https://www.braze.com/docs/api/errors/: "Max Input Length Exceeded", with 400.
_TOO_MANY: Final = "input length exceeded"
_TOO_MANY_STATUS: Final = 400


def says_too_many(error: RefusedError) -> bool:
    """Return whether Braze refused a request because it held too many objects."""
    return error.status == _TOO_MANY_STATUS and any(_TOO_MANY in text.casefold() for text in error.errors)


class BatchLimits:
    """The maximum number of changes in a request, by endpoint. Safe for use from any thread.

    `default` applies to endpoints without a limit of their own. After a refusal, the limit drops to the next smaller
    documented one, or else to half of what was refused.
    """

    def __init__(self, default: int) -> None:
        self._default = default
        self._learned: dict[Endpoint, int] = {}
        self._logged: set[Endpoint] = set()
        self._lock = threading.Lock()

    def of(self, endpoint: Endpoint) -> int:
        """Return how many changes a request to the endpoint may hold."""
        return self._learned.get(endpoint) or endpoint.max_changes or self._default

    def lower(self, endpoint: Endpoint, refused: int) -> int:
        """Lower the limit after Braze refused a request with `refused` changes, and return it."""
        smaller = next((known for known in endpoint.older_max_changes if known < refused), refused // 2)
        with self._lock:
            self._learned[endpoint] = limit = min(self.of(endpoint), smaller)
        return limit

    def log_once(self, endpoint: Endpoint, refused: int) -> None:
        """Log the learned limit once, after Braze accepted requests of that size."""
        with self._lock:
            if endpoint in self._logged:
                return
            self._logged.add(endpoint)
        _log.warning(
            "%s %s: this account accepts %s objects per request, not %s%s",
            endpoint.method,
            endpoint.path,
            f"{self.of(endpoint):,}",
            f"{refused:,}",
            "" if endpoint.max_changes else f"; set max_objects_per_request to {self.of(endpoint)} to avoid refusals",
        )
