"""Drop from the changes of a stream's records what earlier attempts of a task sent according to the outcome log."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from target_braze.records import Rejection

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from target_braze.braze.changes import Change
    from target_braze.loader.context import Context
    from target_braze.outcome_log.attempt import Attempt
    from target_braze.outcome_log.entries import Earlier
    from target_braze.records import Record
    from target_braze.reporting.summary import Counts

_DOUBTS: Final[dict[Earlier, str]] = {
    "in doubt": "in doubt: an earlier attempt sent it and got no answer, so Braze may or may not have it",
    "other content": (
        "in doubt: an earlier attempt sent a record with this key and other content, so Braze may or may not have it"
    ),
}


class LoggedChanges:
    """Compares one stream's changes with the outcome log, but those that may be sent twice, which are not logged.

    Args:
        context: Context of the run.
        attempt: The attempt of this task.
        counts: Counts of the stream.
        is_operated: The stream adds to attributes. Then all of its changes are logged: setting an attribute twice is
            harmless, but not after something was added to it.
    """

    def __init__(self, context: Context, attempt: Attempt, counts: Counts, *, is_operated: bool) -> None:
        self._context = context
        self._attempt = attempt
        self._counts = counts
        self._is_operated = is_operated

    def removed_from(
        self,
        changes: Sequence[Change],
        source: Record,
        key: Sequence[Any],
        absent: Iterable[str] = (),  # noqa: ARG002 - as for the ledger
    ) -> list[Change]:
        """Return the changes of a record that Braze does not have, or none if it may already have one of them.

        Args:
            changes: Changes that know their record.
            source: The record.
            key: Values of the stream's key.
            absent: Not used: without a ledger, no attribute is unset.
        """
        earlier: list[Earlier] = [
            self._attempt.earlier(change, key, place) if self._is_logged(change) else "unknown"
            for place, change in enumerate(changes)
        ]
        doubts = (
            why
            for change, one in zip(changes, earlier, strict=True)
            if (why := _DOUBTS.get(one)) and (self._context.holds or change.endpoint.holds)
        )
        if doubt := next(doubts, None):
            self._context.reject(source, Rejection(doubt, in_doubt=True))
            return []
        new = []
        for change, outcome in zip(changes, earlier, strict=True):
            if outcome == "accepted":
                self._counts.saved_by_ledger += change.data_points
                continue
            if outcome == "in doubt":
                self._attempt.send_again(change)
            new.append(change)
        if not new:
            self._context.summary.without_changes(source, "unchanged")
        return new

    def _is_logged(self, change: Change) -> bool:
        if change.semantics.counted or self._is_operated:
            return True
        # An endpoint that holds other changes shows what Braze did, and the stream has compared the change with that.
        return not (change.repeatable or change.endpoint.holds)
