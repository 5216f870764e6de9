"""Dead letters of an attempt, which go into the outcome log instead of a file."""

from __future__ import annotations

import logging
import threading
from typing import TYPE_CHECKING, Any

from target_braze.reporting.dead_letters import Letters, letter

if TYPE_CHECKING:
    from collections.abc import Mapping

    from target_braze.outcome_log.attempt import Attempt
    from target_braze.records import Record, Rejection
    from target_braze.reporting.summary import Summary

_log = logging.getLogger("target-braze")


class LoggedLetters(Letters):
    """Writes dead letters to the log of an attempt; without one, in a dry run, only counts them."""

    def __init__(self, attempt: Attempt | None, most: float | None) -> None:
        super().__init__("the outcome log", most)
        self._attempt = attempt
        self._lock = threading.Lock()

    def begin(self) -> None:
        """Do nothing: each attempt has its own letters."""

    def write(self, record: Record, why: Rejection) -> None:
        """Add one record.

        Raises:
            OutcomeLogError: The log cannot be written.
        """
        if self._attempt is not None:
            self._attempt.add_letter(letter(record, why), record.schema, record.stream, record.number)
        with self._lock:
            self.count += 1

    def take_back(self, message: Mapping[str, Any]) -> None:
        """Do nothing: letters that are the input of a run stay where they are."""

    def close(self) -> None:
        """Store all letters.

        Raises:
            OutcomeLogError: The log cannot be written.
        """
        if self._attempt is not None:
            self._attempt.flush()

    def report(self, summary: Summary, *, completed: bool) -> None:  # noqa: ARG002 - as for a file of dead letters
        """Log how many there are."""
        if self.count:
            _log.warning(
                "records rejected: %s. They are in %s, each with the reason. Most frequent: %s",
                f"{self.count:,}",
                self.place,
                summary.most_frequent_reasons(),
            )
