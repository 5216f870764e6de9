"""Rate limits: fixed windows per pool, and their headers (docs: api_limits)."""

from __future__ import annotations

import math
import time
from typing import TYPE_CHECKING, Literal

if TYPE_CHECKING:
    from collections.abc import Mapping

Headers = tuple[tuple[bytes, bytes], ...]
ResetForm = Literal["epoch", "seconds", "retry-after"]

DEFAULTS: Mapping[str, tuple[int, float]] = {
    "a": (250_000, 3600.0),
    "b": (50_000, 60.0),
    "c": (1_000, 3600.0),
    "track": (3_000, 3.0),
    "export_ids": (250, 60.0),
    "export_ids_fields": (40, 1.0),
    "track_bulk": (50, 1.0),
    "track_sync": (500, 60.0),
    "identity": (20_000, 60.0),
    "external_ids_rename": (1_000, 60.0),
    "external_ids_remove": (1_000, 60.0),
    "subscriptions": (5_000, 60.0),
    "catalogs": (50, 60.0),
    "catalog_fields": (50, 60.0),
    "catalog_item": (50, 60.0),
    "catalog_items": (16_000, 60.0),
    "preference_centers": (1_000, 60.0),
    "cdi_list": (50, 60.0),
    "cdi_sync": (20, 60.0),
    "cdi_status": (100, 60.0),
    "broadcasts": (250, 60.0),
    "send_ids": (100, 86_400.0),
    "preference_center_writes": (10, 60.0),
    "duplicates": (100, 60.0),
    "media_library_create": (100, 3600.0),
    "media_library_replace": (100, 3600.0),
    "scim": (5_000, 86_400.0),
    "data_objects_read": (50, 60.0),
    "data_objects_write": (50, 60.0),
    "data_objects_bulk": (1_000, 60.0),
    "translations": (250_000, 60.0),
}
"""Requests and seconds of each pool: `a` the big shared one, `b` campaign series, `c` event and product names.

Aliases, identify, merge, and delete share `identity`; the synchronous item endpoints share `catalog_item`, and the
asynchronous ones `catalog_items`. Whether the preference center endpoints share a pool, and the translation endpoints
another, is not documented: here they do.
"""


def reset_headers(form: ResetForm, limit: int, remaining: int, seconds_left: float) -> Headers:
    """Return the headers of a window that ends in `seconds_left`.

    Ordinary contracts use `epoch`. On MAU contracts, /users/track returns the `seconds` left, and a 429 only the wait
    (`retry-after`).
    """
    if form == "retry-after":
        return ((b"x-ratelimit-retry-after", b"%d" % math.ceil(seconds_left)),)
    # Whole seconds, rounded up: a client that trusts the header must not come back inside the old window.
    reset = math.ceil(seconds_left) if form == "seconds" else math.ceil(time.time() + seconds_left)
    return (
        (b"x-ratelimit-limit", b"%d" % limit),
        (b"x-ratelimit-remaining", b"%d" % remaining),
        (b"x-ratelimit-reset", b"%d" % reset),
    )


class Pool:
    """A number of requests per window; windows are fixed to the clock and do not roll."""

    def __init__(self, limit: int, window: float) -> None:
        self.limit = limit
        self.window = window
        self._used = 0
        self._ends = 0.0

    def take(self) -> bool:
        """Count a request; return False if the window is used up."""
        self._turn()
        if self._used >= self.limit:
            return False
        self._used += 1
        return True

    def headers(self, form: ResetForm) -> Headers:
        """Return the current headers."""
        left = self._turn()
        return reset_headers(form, self.limit, self.limit - self._used, left)

    @property
    def used(self) -> int:
        """Return the number of requests in the current window."""
        self._turn()
        return self._used

    @property
    def ends(self) -> float:
        """Return when the current window ends, in seconds since 1970."""
        self._turn()
        return self._ends

    def _turn(self) -> float:
        now = time.time()
        if now >= self._ends:
            self._used = 0
            self._ends = (now // self.window + 1) * self.window
        return self._ends - now


class Limits:
    """All pools of the workspace."""

    def __init__(self, overrides: Mapping[str, tuple[int, float]]) -> None:
        self._settings = {**DEFAULTS, **overrides}
        self.reset()

    def __getitem__(self, name: str) -> Pool:
        return self._pools[name]

    def items(self) -> list[tuple[str, Pool]]:
        """Return all pools with their names."""
        return list(self._pools.items())

    def reset(self) -> None:
        """Restart all windows."""
        self._pools = {name: Pool(limit, window) for name, (limit, window) in self._settings.items()}
