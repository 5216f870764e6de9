"""One request to `/users/track`: its body, its limits and what its answer says of each object.

https://www.braze.com/docs/api/endpoints/user_data/post_user_track/
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final

import msgspec

from target_braze import limits
from target_braze.braze_api import BrazeError

if TYPE_CHECKING:
    from collections.abc import Iterator

    from target_braze.braze_api import Answer
    from target_braze.records import Change, Kind

PATH: Final = "/users/track"
PERMISSION: Final = "users.track"

_KINDS: Final[tuple[Kind, ...]] = ("attributes", "events", "purchases")
_FRAME_BYTES: Final = len('{"attributes":[],"events":[],"purchases":[]}')


@dataclass
class Request:
    """Changes that go to Braze together, in the order of their addition within each kind."""

    changes: dict[Kind, list[Change]] = field(default_factory=lambda: {kind: [] for kind in _KINDS})
    size: int = _FRAME_BYTES
    _encoded: dict[Kind, list[bytes]] = field(default_factory=lambda: {kind: [] for kind in _KINDS})

    def __len__(self) -> int:
        """How many objects it holds, over all three arrays."""
        return sum(map(len, self.changes.values()))

    def __iter__(self) -> Iterator[Change]:
        """All changes, kind by kind."""
        for kind in _KINDS:
            yield from self.changes[kind]

    def add(self, change: Change) -> bool:
        """Take the change in, or answer False where the body would become too large for it.

        The first change always goes in: what is too large alone, Braze has to refuse.
        """
        encoded = msgspec.json.encode(change.fields)
        size = self.size + len(encoded) + 1
        if size > limits.REQUEST_BYTES and len(self):
            return False
        self.size = size
        self.changes[change.kind].append(change)
        self._encoded[change.kind].append(encoded)
        return True

    def body(self) -> bytes:
        """The request's JSON, with no array that would be empty."""
        arrays = (
            b'"%s":[%s]' % (kind.encode(), b",".join(self._encoded[kind])) for kind in _KINDS if self.changes[kind]
        )
        return b"{%s}" % b",".join(arrays)

    def halves(self) -> tuple[Request, Request]:
        """The same changes in two requests."""
        first, second = Request(), Request()
        for index, change in enumerate(self):
            (first if index < len(self) // 2 else second).add(change)
        return first, second

    def rejected(self, answer: Answer) -> list[tuple[Change, str]]:
        """The changes that Braze did not accept, each with Braze's reason.

        An entry of `errors` that names no object of this request speaks for all of them: none can then be said to have
        been accepted.

        Raises:
            BrazeError: the answer is not Braze's.
        """
        try:
            document = answer.json()
        except ValueError:
            document = None
        if not isinstance(document, dict):
            raise BrazeError(
                f"POST {PATH}: HTTP {answer.status}, but not in JSON as Braze answers; is there a proxy in between, or "
                "is setting 'endpoint' another server's?",
                status=answer.status,
            )
        errors = document.get("errors")
        found: dict[int, tuple[Change, str]] = {}
        for error in errors if isinstance(errors, list) else [errors] if errors else []:
            change = self._find(error)
            reason = error.get("type") if isinstance(error, dict) else error
            reason = reason if isinstance(reason, str) else msgspec.json.encode(error).decode()
            for guilty in self if change is None else (change,):
                found.setdefault(id(guilty), (guilty, reason))
        return list(found.values())

    def _find(self, error: object) -> Change | None:
        if isinstance(error, dict):
            kind, index = error.get("input_array"), error.get("index")
            if kind in _KINDS and isinstance(index, int) and 0 <= index < len(self.changes[kind]):
                return self.changes[kind][index]
        return next(iter(self)) if len(self) == 1 else None
