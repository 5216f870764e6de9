"""The run report of the tap: a page of one run, and a line in the history of all runs."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from tap_braze.reporting import history, report_page
from tap_braze.reporting.rates import Rates

if TYPE_CHECKING:
    from collections.abc import Mapping
    from logging import Logger, LoggerAdapter
    from pathlib import Path

    from tap_braze.reporting.progress import Progress
    from tap_braze.reporting.refusals import Refusals

# Fields of a run's line, for the reference in docs/; those of the run itself are in `history.RUN_FIELDS`.
FIELDS: Final = {
    "streams": "the counts below for each stream that the run reached",
    "total": "the counts of all streams together",
    "skipped": "streams skipped for lack of a permission",
    "retries": "how often a request was sent again",
    "seconds_waited": "time in which the run waited for requests or exports: `rate_limits`, `retries`, `exports`",
}
COUNTS: Final = {
    "records": "records written",
    "requests": "requests completed; streams that share responses count them once",
    "refused": "parents, such as campaigns, that Braze refused or that failed",
    "seconds_waited": "time in which at least one request waited while the stream was read",
}
_NAMED: Final = 20


class RunReport:
    """Samples a run, and writes its page and its line in the history when it has ended."""

    def __init__(self, path: Path, progress: Progress) -> None:
        self._path = path
        self._progress = progress
        self._rates = Rates("Records", "Requests")

    def sample(self, *, last: bool = False) -> None:
        """Sample the totals; only one thread at a time may do so."""
        self._rates.sample(self._progress.records_written, self._progress.requests, last=last)

    def write(
        self,
        run: history.Run,
        refusals: Refusals,
        waits: Mapping[str, float],
        retries: int,
        logger: Logger | LoggerAdapter[Logger],
    ) -> None:
        """Write the page and the line; log a warning if they cannot be written, because the run itself is over.

        Args:
            run: The run, which has ended.
            refusals: What was not read.
            waits: Seconds of waiting, by cause.
            retries: How often a request was sent again.
            logger: Receives where the report is.
        """
        self.sample(last=True)
        document = {**run.document(), **self._counts(refusals, waits, retries)}
        try:
            history.append(history.path_beside(self._path), document)
            report_page.write(self._path, self._page(document, refusals))
        except OSError as error:
            logger.warning("setting 'report_path': the report cannot be written: %s", error)
        else:
            logger.info("report of this run: %s", self._path)

    def _counts(self, refusals: Refusals, waits: Mapping[str, float], retries: int) -> dict[str, Any]:
        refused = refusals.counts
        streams = {
            name: {
                "records": counts.records,
                "requests": counts.requests,
                "refused": refused[name],
                "seconds_waited": round(counts.waited, 3),
            }
            for name, counts in self._progress.streams.items()
        }
        return {
            "streams": streams,
            "total": {
                "records": self._progress.records_written,
                "requests": self._progress.requests,
                "refused": sum(refused.values()),
                "seconds_waited": round(sum(waits.values()), 3),
            },
            "skipped": refusals.skipped,
            "retries": retries,
            "seconds_waited": {cause: round(seconds, 3) for cause, seconds in waits.items()},
        }

    def _page(self, document: Mapping[str, Any], refusals: Refusals) -> report_page.Page:
        total = document["total"]
        return report_page.Page(
            run=document,
            totals={name: total[name] for name in ("records", "requests", "refused")},
            columns=("stream", *(name.replace("_", " ") for name in COUNTS)),
            streams=[(name, *(counts[count] for count in COUNTS)) for name, counts in document["streams"].items()],
            plots=self._rates.plots(),
            waits={cause.replace("_", " "): seconds for cause, seconds in document["seconds_waited"].items()},
            problems_title="Refused or failed",
            problems=refusals.problems(_NAMED),
            notes=[f"Skipped for lack of a permission: {', '.join(refusals.skipped)}."] if refusals.skipped else [],
        )
