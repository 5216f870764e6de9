"""Errors that end a run, and what a report shows of them."""

from __future__ import annotations

from typing import TYPE_CHECKING

from target_braze.braze.client import BrazeError
from target_braze.delivery.dispatcher import RejectedError
from target_braze.ledger.file import LedgerError
from target_braze.outcome_log.storage import OutcomeLogError
from target_braze.records import GuardError, MappingError

if TYPE_CHECKING:
    from target_braze.records import Record, Rejection


class RejectedRecordError(RejectedError):
    """A record was rejected, and setting `on_error` is fail. `lacks_key`: the record's key has no value."""

    def __init__(self, record: Record, why: Rejection) -> None:
        super().__init__(
            f"{record}: {why.reason}. Fix it at the source or in the mapping; or set on_error to dead_letter to set "
            "such records aside"
        )
        self.lacks_key = record.lacks_key


class NotSentError(MappingError):
    """No more messages may be sent in this run. What came before the record is delivered, and no STATE covers it."""


class ChildError(Exception):
    """A process of the run ended although nothing had ended the run."""


def shown(error: BaseException | None) -> str | None:
    """Return what ended a run as its report shows it, without values of records."""
    if error is None:
        return None
    if isinstance(error, RejectedRecordError):
        return "a record was rejected, and setting 'on_error' is fail"
    fixable = (BrazeError, ChildError, GuardError, LedgerError, MappingError, OSError, OutcomeLogError, RejectedError)
    if isinstance(error, fixable):
        return str(error)
    return str(getattr(error, "signal_name", type(error).__name__))
