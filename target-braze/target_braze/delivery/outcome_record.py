"""What delivery reports before and after each request: to a ledger of all runs, or to the log of a task."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal, Protocol

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from target_braze.braze.changes import Change, Receipt


class OutcomeRecord(Protocol):
    """Keeps the outcomes of changes. Called from several threads."""

    @property
    def stretch(self) -> int:
        """Number of records after the last run's last STATE that it sent changes from and this run may read again."""

    def under_way(self, changes: Sequence[Change]) -> None:
        """Record changes before they are sent, in case of a crash before the answer."""

    def withdraw(self, changes: Sequence[Change]) -> None:
        """Undo `under_way` for changes that did not reach Braze."""

    def doubt(self, changes: Iterable[Change]) -> None:
        """Record that it is unknown whether Braze received these changes."""

    def settle(
        self,
        changes: Sequence[Change],
        outcome: Literal["accepted", "rejected", "in doubt"],
        receipt: Receipt | None = None,
    ) -> None:
        """Record the outcome of changes. `receipt` is for accepted messages that wait in Braze for their time."""

    def covered(self, position: int) -> None:
        """Record that a STATE was emitted that covers the records up to this position."""
