"""Decide whether a message may be sent to one more person in this run."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING

from target_braze.braze.messages.endpoints import MessageEndpoint
from target_braze.loader.errors import NotSentError
from target_braze.records import RecordError

if TYPE_CHECKING:
    from collections.abc import Callable

    from target_braze.braze.changes import Change
    from target_braze.mapping.base.stream_mapping import RecipientLimits


class RecipientCounts:
    """Counts the recipients of a run, by stream, and by campaign or Canvas."""

    def __init__(self) -> None:
        self._of_streams: Counter[str] = Counter()
        self._of_messages: Counter[str] = Counter()
        self._ended: NotSentError | None = None

    def check(self) -> None:
        """Check that no record was left out, which a STATE must not cover.

        Raises:
            NotSentError: One was, and the caller went on after this error.
        """
        if self._ended is not None:
            raise self._ended

    def admit(self, change: Change, most: RecipientLimits, notice: Callable[[str], None], *, dry_run: bool) -> None:
        """Count one more recipient. A dry run goes on, with a notice, where a run would end.

        Args:
            change: A message to one person.
            most: The mapping's limits, `max_recipients`.
            notice: Reports what a dry run found.
            dry_run: Nothing is sent.

        Raises:
            RecordError: The scheduled time has passed, or is outside the window.
            NotSentError: There are more recipients than the limits allow, or it is outside the window.
        """
        self.check()
        if not isinstance(change.endpoint, MessageEndpoint):
            return
        if missed := change.endpoint.missed:
            raise RecordError(missed)
        why = change.endpoint.not_now or self._too_many(change.records[0].stream, change.key or "", most)
        if why and dry_run:
            notice(f"a run would end before its last record: {why}")
        elif why:
            self._ended = NotSentError(
                f"{change.records[0]} and all later ones are not sent: {why}. What came before them is delivered. The "
                "next run continues with this record, because no STATE covers it"
            )
            raise self._ended

    def _too_many(self, stream: str, message: str, most: RecipientLimits) -> str:
        """Count a recipient, and return what there are too many of, or nothing."""
        self._of_streams[stream] += 1
        self._of_messages[message] += 1
        if self._of_streams[stream] > most.run:
            return f"the stream has more recipients than max_recipients allows in a run, {most.run:,}"
        if self._of_messages[message] > most.campaign:
            id_key, _, key = message.partition(":")
            return f"{id_key} {key} has more recipients than max_recipients allows in a run, {most.campaign:,}"
        return ""
