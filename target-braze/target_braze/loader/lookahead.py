"""Changes from the fast path on their way to delivery: the ledger reads what it has about many of them at once."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final, Protocol

from target_braze.ledger.fingerprints import fingerprint

if TYPE_CHECKING:
    from collections.abc import Sequence

    from target_braze.braze.changes import Change
    from target_braze.delivery.dispatcher import Dispatcher
    from target_braze.ledger.store import Ledger
    from target_braze.records import Record

# Number of changes to look up with one query.
_TOGETHER: Final = 100


class Comparison(Protocol):
    """Compares one stream's changes with what Braze has; see `KnownChanges`."""

    def removed_from(self, changes: Sequence[Change], source: Record, key: Sequence[Any]) -> list[Change]: ...  # noqa: D102


class Lookahead:
    """Keeps changes of all streams in the order of the input, until `hand_over` or until there are enough of them."""

    def __init__(self, ledger: Ledger, delivery: Dispatcher) -> None:
        self._ledger = ledger
        self._delivery = delivery
        self._waiting: list[tuple[Comparison, Change, Record, Sequence[Any]]] = []

    def add(self, comparison: Comparison, change: Change, source: Record, key: Sequence[Any]) -> None:
        """Add the only change of a record. Raises like `hand_over`."""
        change.fingerprint = fingerprint(change, key, 0)
        self._waiting.append((comparison, change, source, key))
        if len(self._waiting) >= _TOGETHER:
            self.hand_over()

    def hand_over(self) -> None:
        """Hand to delivery what Braze does not have.

        Raises:
            RejectedError: A record may or may not be in Braze, and that ends the run.
            BrazeError: An earlier request failed for good.
        """
        if not self._waiting:
            return
        waiting, self._waiting = self._waiting, []
        with self._ledger.looked_up([change for _, change, _, _ in waiting]):
            for comparison, change, source, key in waiting:
                self._delivery.wait_for_room(source.position)
                if comparison.removed_from([change], source, key):
                    self._delivery.add(change)
