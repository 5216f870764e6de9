"""Which days to ask for in one request, and how to ask for them; pure functions, no requests."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date, datetime, time, timedelta, timezone
from typing import TYPE_CHECKING, Final

from tap_braze.times import moment

if TYPE_CHECKING:
    from collections.abc import Iterator
    from datetime import tzinfo

DAY = timedelta(days=1)
HOUR = timedelta(hours=1)

# Days of hours that fit into an answer of 100 rows: the longest three days have 73, and the rest is for the doubt.
HOURLY_DAYS: Final = 3
# The docs do not say in which zone the hours of a series are. With this much more at both ends, all hours of the
# window are in the answer whichever it is.
_HOUR_DOUBT: Final = 13


@dataclass(frozen=True)
class Window:
    """Days that are asked for together, from the first to the last, both included; by the day or by the hour."""

    first: date
    last: date
    hourly: bool = False

    def params(self, zone: tzinfo) -> dict[str, str]:
        """The query that brings every day of the window, and one day more (or some hours).

        Braze's docs leave open whether the day of `ending_at` is part of the answer. So the window ends at the
        midnight after its last day and is asked for with one day to spare: if that day counts, the answer has the
        day after the window too; if it does not, the day before. `wants` tells either from the days that are wanted.
        https://www.braze.com/docs/api/endpoints/export/campaigns/get_campaign_analytics/#request-parameters
        """
        end = datetime.combine(self.last + DAY, time(), zone)
        if not self.hourly:
            return {"ending_at": end.isoformat(), "length": str((self.last - self.first).days + 2)}
        start = datetime.combine(self.first, time(), zone).astimezone(timezone.utc)
        hours = -(-(end.astimezone(timezone.utc) - start) // HOUR)  # of a day that is half an hour longer, all
        later = (end.astimezone(timezone.utc) + _HOUR_DOUBT * HOUR).astimezone(zone)
        return {"ending_at": later.isoformat(), "length": str(hours + 2 * _HOUR_DOUBT + 1), "unit": "hour"}

    def wants(self, stamp: str, zone: tzinfo = timezone.utc) -> bool:
        """Whether a row of this `time` belongs to the window."""
        if not self.hourly:
            return self.first <= date.fromisoformat(stamp[:10]) <= self.last
        return self.first <= moment(stamp, zone).astimezone(zone).date() <= self.last


def first_day(start: date, bookmark: date | None, lookback: timedelta) -> date:
    """The day to begin with: `lookback` before the bookmark, but never before `start`."""
    return start if bookmark is None else max(start, bookmark - lookback)


def span(longest: int, *, hourly: bool = False) -> timedelta:
    """The days of a window that an answer of `longest` days can hold."""
    # One day of the answer is the spare one of `Window.params`.
    return (HOURLY_DAYS if hourly else longest - 1) * DAY


def windows(first: date, last: date, longest: int, *, hourly: bool = False) -> Iterator[Window]:
    """Cut the days from `first` to `last`, both included, into windows that an answer of `longest` days can hold."""
    step = span(longest, hourly=hourly)
    while first <= last:
        yield Window(first, min(first + step, last + DAY) - DAY, hourly)
        first += step
