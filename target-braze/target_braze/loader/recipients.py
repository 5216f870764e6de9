"""Decide whether a message may be sent to one more person in this run."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING

from target_braze.braze.messages.endpoints import Sending
from target_braze.loader.errors import NotSentError
from target_braze.records import RecordError

if TYPE_CHECKING:
    from collections.abc import Callable

    from target_braze.braze.changes import Change


class RecipientCounts:
    """Counts the recipients of each campaign or Canvas of a run."""

    def __init__(self) -> None:
        self._counts: Counter[str] = Counter()

    def admit(self, change: Change, most: int, notice: Callable[[str], None], *, dry_run: bool) -> None:
        """Count one more recipient. A dry run goes on, with a notice, where a run would end.

        Args:
            change: A message to one person.
            most: Maximum number of recipients, `max_recipients`.
            notice: Reports what a dry run found.
            dry_run: Nothing is sent.

        Raises:
            RecordError: The scheduled time has passed, or is outside the window.
            NotSentError: There are more recipients than `most`, or it is outside the window.
        """
        if not isinstance(change.endpoint, Sending):
            return
        if missed := change.endpoint.missed:
            raise RecordError(missed)
        id_key, _, key = (change.key or "").partition(":")
        self._counts[change.key or ""] += 1
        why = change.endpoint.not_now
        if not why and self._counts[change.key or ""] > most:
            why = f"{id_key} {key} has more recipients than max_recipients allows in a run, {most:,}"
        if why and dry_run:
            notice(f"a run would end before the first record beyond: {why}")
        elif why:
            raise NotSentError(
                f"{change.records[0]} and all later ones are not sent: {why}. What came before them is delivered. The "
                "next run continues with this record, because no STATE covers it"
            )
