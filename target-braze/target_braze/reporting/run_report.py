"""The run report of the target: a page of one run, and a line in the history of all runs."""

from __future__ import annotations

import logging
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, Final

from target_braze.reporting import history, report_page
from target_braze.reporting.rates import Rates

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

    from target_braze.reporting.rates import Plot
    from target_braze.reporting.rejections import Rejections
    from target_braze.reporting.summary import Summary

_log = logging.getLogger("target-braze")

_COLUMNS: Final = {
    "read": "read",
    "sent": "sent",
    "coalesced": "coalesced",
    "unchanged": "unchanged",
    "left_out": "left out",
    "rejected": "rejected",
    "in_doubt": "in doubt",
    "open": "open",
    "requests": "requests",
    "data_points": "data points",
}
_TOTALS: Final = ("read", "sent", "unchanged", "rejected", "requests", "data_points")
_PROBLEMS: Final = 50


class RunReport:
    """Samples a run, and writes its page and its line in the history when it has ended."""

    def __init__(self, path: Path, summary: Summary) -> None:
        self._path = path
        self._summary = summary
        self._rates = Rates("Records settled", "Requests")

    def sample(self, *, last: bool = False) -> None:
        """Sample the totals; only one thread at a time may do so."""
        self._rates.sample(self._summary.records_settled, self._summary.requests, last=last)

    def write(self, document: Mapping[str, Any], notes: Sequence[str]) -> None:
        """Write the page and the line; log a warning if they cannot be written, because the run itself is over.

        Args:
            document: Summary of the run.
            notes: Sentences for the reader of the page.
        """
        self.sample(last=True)
        write_report(
            self._path,
            document,
            self._summary.rejections,
            plots=self._rates.plots(),
            warnings=self._summary.notices,
            notes=notes,
        )


def write_report(
    path: Path,
    document: Mapping[str, Any],
    rejections: Rejections,
    *,
    plots: Sequence[Plot] = (),
    warnings: Mapping[str, int] = MappingProxyType({}),
    notes: Sequence[str] = (),
) -> None:
    """Write the page and the line of a run; log a warning if they cannot be written, because the run itself is over.

    Args:
        path: Path of the page.
        document: Summary of the run.
        rejections: Why records were rejected.
        plots: Rates over time.
        warnings: Warnings, with how often each came.
        notes: Sentences for the reader of the page.
    """
    total = document["total"]
    columns = {name: title for name, title in _COLUMNS.items() if name in _TOTALS or total[name]}
    page = report_page.Page(
        run=document,
        totals={_COLUMNS[name]: total[name] for name in _TOTALS},
        columns=("stream", *columns.values()),
        streams=[(name, *(counts[column] for column in columns)) for name, counts in document["streams"].items()],
        plots=plots,
        waits={cause.replace("_", " "): seconds for cause, seconds in document["seconds_waited"].items()},
        problems_title="Would be rejected" if document["dry_run"] else "Rejected",
        problems=rejections.problems(_PROBLEMS),
        warnings=dict(warnings),
        notes=notes,
    )
    try:
        history.append(history.path_beside(path), document)
        report_page.write(path, page)
    except OSError as error:
        _log.warning("setting 'report_path': the report cannot be written: %s", error)
    else:
        _log.info("report of this run: %s", path)
