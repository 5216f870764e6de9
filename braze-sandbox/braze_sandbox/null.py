"""The null mode, for benchmarks of clients: /users/track answered without a look at what it holds."""

from __future__ import annotations

import asyncio
from typing import ClassVar

from braze_sandbox.endpoint import Answer

BODY = b'{"message":"success"}'


class Null:
    """What was answered: requests and bytes of bodies."""

    PATHS: ClassVar = frozenset({"/users/track", "/users/track/bulk"})

    def __init__(self, latency: float) -> None:
        self.latency = latency
        self.requests = 0
        self.bytes = 0

    def count(self, size: int) -> None:
        """Count a request by the size of its body."""
        self.requests += 1
        self.bytes += size

    async def answer(self, size: int) -> Answer:
        """The answer to a request that came by the ordinary way."""
        self.count(size)
        if self.latency:
            await asyncio.sleep(self.latency)
        return Answer(BODY, 201)
