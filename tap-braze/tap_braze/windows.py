"""Which days to ask for in one request, and how to ask for them; pure functions, no requests."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date, datetime, time, timedelta
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator
    from datetime import tzinfo

DAY = timedelta(days=1)


@dataclass(frozen=True)
class Window:
    """Days that are asked for together, from the first to the last, both included."""

    first: date
    last: date

    def params(self, zone: tzinfo) -> dict[str, str]:
        """The query that brings every day of the window, and one day more.

        Braze's docs leave open whether the day of `ending_at` is part of the answer. So the window ends at the
        midnight after its last day and is asked for with one day to spare: if that day counts, the answer has the
        day after the window too; if it does not, the day before. `wants` tells either from the days that are wanted.
        https://www.braze.com/docs/api/endpoints/export/campaigns/get_campaign_analytics/#request-parameters
        """
        end = datetime.combine(self.last + DAY, time(), zone)
        return {"ending_at": end.isoformat(), "length": str((self.last - self.first).days + 2)}

    def wants(self, stamp: str) -> bool:
        """Whether a row of this `time` belongs to the window."""
        return self.first.isoformat() <= stamp[:10] <= self.last.isoformat()


def first_day(start: date, bookmark: date | None, lookback: timedelta) -> date:
    """The day to begin with: `lookback` before the bookmark, but never before `start`."""
    return start if bookmark is None else max(start, bookmark - lookback)


def windows(first: date, last: date, longest: int) -> Iterator[Window]:
    """Cut the days from `first` to `last`, both included, into windows that an answer of `longest` days can hold."""
    step = timedelta(days=longest - 1)  # one day of the answer is the spare one of `Window.params`
    while first <= last:
        yield Window(first, min(first + step, last + DAY) - DAY)
        first += step
