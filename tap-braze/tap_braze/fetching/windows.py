"""Choose the days to request together, and the query parameters for them. Pure functions, no requests."""

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

# Days of hourly rows that fit into a response of 100 rows: the longest three days have 73; the rest is a margin.
HOURLY_DAYS: Final = 3
# The docs do not state the time zone of an hourly series. With this margin at both ends, the response includes all
# hours of the window in any time zone.
_HOUR_DOUBT: Final = 13


@dataclass(frozen=True)
class Window:
    """Days to request together, from the first to the last, both included; by day or by hour."""

    first: date
    last: date
    hourly: bool = False

    def params(self, zone: tzinfo) -> dict[str, str]:
        """Return the query for every day of the window, plus one spare day (or some spare hours).

        Braze's docs leave open whether the response includes the day of `ending_at`. So the window ends at the midnight
        after its last day, and the query requests one spare day: if that day counts, the response also has the day
        after the window; if not, the day before it. `wants` filters out either one.
        https://www.braze.com/docs/api/endpoints/export/campaigns/get_campaign_analytics/#request-parameters
        """
        end = datetime.combine(self.last + DAY, time(), zone)
        if not self.hourly:
            return {"ending_at": end.isoformat(), "length": str((self.last - self.first).days + 2)}
        start = datetime.combine(self.first, time(), zone).astimezone(timezone.utc)
        hours = -(-(end.astimezone(timezone.utc) - start) // HOUR)  # round up for a day with an extra half hour
        later = (end.astimezone(timezone.utc) + _HOUR_DOUBT * HOUR).astimezone(zone)
        return {"ending_at": later.isoformat(), "length": str(hours + 2 * _HOUR_DOUBT + 1), "unit": "hour"}

    def wants(self, stamp: str, zone: tzinfo = timezone.utc) -> bool:
        """Return whether a row with this `time` belongs to the window."""
        if not self.hourly:
            return self.first <= date.fromisoformat(stamp[:10]) <= self.last
        return self.first <= moment(stamp, zone).astimezone(zone).date() <= self.last


def first_day(start: date, bookmark: date | None, lookback: timedelta) -> date:
    """Return the first day to read: `lookback` before the bookmark, but never before `start`."""
    return start if bookmark is None else max(start, bookmark - lookback)


def span(longest: int, *, hourly: bool = False) -> timedelta:
    """Return how long a window may be to fit into a response of `longest` days."""
    # One day of the response is the spare day of `Window.params`.
    return (HOURLY_DAYS if hourly else longest - 1) * DAY


def windows(first: date, last: date, longest: int, *, hourly: bool = False) -> Iterator[Window]:
    """Cut the days from `first` to `last`, both included, into windows that fit into a response of `longest` days."""
    step = span(longest, hourly=hourly)
    while first <= last:
        yield Window(first, min(first + step, last + DAY) - DAY, hourly)
        first += step
