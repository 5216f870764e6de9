"""Record what went wrong with single parents, and report it at the end of the run."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING, Final

from tap_braze.braze.client import UnavailableError
from tap_braze.reporting.report_page import Example, Problem
from tap_braze.untrusted import one_line

if TYPE_CHECKING:
    from logging import Logger, LoggerAdapter

    from tap_braze.braze.client import BrazeError

_NAMED: Final = 20
# This many parents in a row without a response mean an outage.
_OUTAGE: Final = 3


class Refusals:
    """Parents that were refused or failed, by stream, and streams that were skipped."""

    def __init__(self, logger: Logger | LoggerAdapter[Logger]) -> None:
        self._logger = logger
        # By stream, the names of parents with the error of each.
        self._refused: dict[str, dict[str, str]] = {}
        self._failed: dict[str, dict[str, str]] = {}
        self.skipped: list[str] = []
        self._in_a_row: dict[str, BrazeError] = {}
        self._closed = False

    @property
    def counts(self) -> Counter[str]:
        """Number of refused and failed parents by stream."""
        return Counter(
            {
                stream: len(self._refused.get(stream, ())) + len(self._failed.get(stream, ()))
                for stream in [*self._refused, *self._failed]
            }
        )

    def problems(self, most: int) -> list[Problem]:
        """Return the refused and failed parents, by stream and error, with the names of up to `most` of each."""
        found: dict[tuple[str, str], list[str]] = {}
        for of_stream in (self._refused, self._failed):
            for stream, errors in of_stream.items():
                for named, text in errors.items():
                    found.setdefault((stream, text), []).append(named)
        return [
            Problem(stream, text, len(names), [Example(named) for named in names[:most]])
            for (stream, text), names in found.items()
        ]

    def record_answer(self) -> None:
        """Record a response from Braze, which ends a series of failures."""
        self._in_a_row.clear()

    def record_refusal(self, stream: str, named: str, error: BrazeError) -> None:
        """Record that Braze refused `named`, and log it the first time."""
        of_stream, named, text = self._refused.setdefault(stream, {}), one_line(named), one_line(str(error))
        if named not in of_stream:
            of_stream[named] = text
            self._logger.warning("stream '%s': %s was refused and is skipped: %s", stream, named, text)

    def record_failure(self, stream: str, named: str, error: BrazeError) -> tuple[str, BrazeError] | None:
        """Record that `named` got no response after all retries.

        Return the first failure of an outage, with its name; None while other parents still get responses.
        """
        self._in_a_row[named] = error
        if len(self._in_a_row) >= _OUTAGE:
            return next(iter(self._in_a_row.items()))
        self.record_missing(stream, named, error)
        return None

    def record_missing(self, stream: str, named: str, error: Exception) -> None:
        """Record that `named` is missing from the stream, even if other parents succeed."""
        of_stream, named, text = self._failed.setdefault(stream, {}), one_line(named), one_line(str(error))
        if named not in of_stream:
            of_stream[named] = text
            self._logger.warning("stream '%s': %s failed, and the stream continues without it: %s", stream, named, text)

    def record_skip(self, stream: str, error: BrazeError) -> None:
        """Record that a stream was skipped because of a missing permission."""
        self.skipped.append(stream)
        self._logger.warning("%s; skipped because of the setting 'on_missing_permission'", error)

    def close(self) -> None:
        """Log everything recorded, once.

        Raises:
            UnavailableError: Some parents failed.
        """
        if self._closed:
            return
        self._closed = True
        for stream, named in self._refused.items():
            self._logger.warning(
                "stream '%s': %d in total were refused and skipped: %s", stream, len(named), _few(named)
            )
        if self.skipped:
            self._logger.warning("%d streams in total were skipped: %s", len(self.skipped), _few(self.skipped))
        if self._failed:
            texts = [
                f"stream '{stream}': {_few(errors)} failed: {next(iter(errors.values()))}"
                for stream, errors in self._failed.items()
            ]
            raise UnavailableError(
                f"{'; '.join(texts)}. Everything else was read. Run again later to read what is missing"
            )


def _few(names: dict[str, str] | list[str]) -> str:
    some = [*names][:_NAMED]
    return "; ".join(some) + (f" and {len(names) - _NAMED} more" if len(names) > _NAMED else "")
