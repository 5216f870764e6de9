"""Ceilings: how many changes one request may hold, by the settings and by what Braze has refused as too many."""

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
    """Whether Braze refused a request for the number of objects in it."""
    return error.status == _TOO_MANY_STATUS and any(_TOO_MANY in text.casefold() for text in error.errors)


class Ceilings:
    """The ceiling of each endpoint, from any thread; `most` holds where the endpoint does not say.

    Where one is refused, the next lower that is documented is tried, or else half of what was refused.
    """

    def __init__(self, most: int) -> None:
        self._most = most
        self._learned: dict[Endpoint, int] = {}
        self._told: set[Endpoint] = set()
        self._lock = threading.Lock()

    def of(self, endpoint: Endpoint) -> int:
        """How many changes a request to the endpoint may hold."""
        return self._learned.get(endpoint) or endpoint.most or self._most

    def lower(self, endpoint: Endpoint, refused: int) -> int:
        """So many were too many: answer how many a request may hold now."""
        lower = next((known for known in endpoint.ceilings if known < refused), refused // 2)
        with self._lock:
            self._learned[endpoint] = ceiling = min(self.of(endpoint), lower)
        return ceiling

    def tell(self, endpoint: Endpoint, refused: int) -> None:
        """Say once what was learned, after requests of that size were not too large."""
        with self._lock:
            if endpoint in self._told:
                return
            self._told.add(endpoint)
        _log.warning(
            "%s %s: this account takes %s objects in a request, not %s%s",
            endpoint.method,
            endpoint.path,
            f"{self.of(endpoint):,}",
            f"{refused:,}",
            "" if endpoint.most else f"; set max_objects_per_request to {self.of(endpoint)}, which saves the refusal",
        )
