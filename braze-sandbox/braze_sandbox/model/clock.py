"""Days in the company's time zone, and the windows of data series."""

from __future__ import annotations

import re
from datetime import date, datetime, time, timedelta, timezone
from typing import TYPE_CHECKING
from zoneinfo import ZoneInfo

if TYPE_CHECKING:
    from collections.abc import Iterator

_ISO = re.compile(
    r"(\d{4}-\d\d-\d\d)(?:[T ](\d\d:\d\d(?::\d\d)?)(?:[.,:](\d{1,9}))?\s?(Z|[+-]\d\d?:\d\d|[+-]\d\d(?:\d\d)?)?)?",
    re.ASCII,
)


def parse_iso(text: str) -> tuple[datetime, bool] | None:
    """Parse an ISO 8601 date or date-time; return it with whether it named its zone, or None if it is neither.

    Without an offset it is UTC, as documented for /users/track (docs silent for exports). The docs of events also allow
    an odd second form, `:SSS` before the zone. Years up to 3000 are accepted, as in Braze.
    """
    match = _ISO.fullmatch(text)
    if not match:
        return None
    day, clock, fraction, zone = match.groups()
    try:
        moment = datetime.combine(date.fromisoformat(day), time.fromisoformat(clock or "00:00"))
        if fraction:
            moment = moment.replace(microsecond=int(fraction[:6].ljust(6, "0")))
        return moment.replace(tzinfo=_offset(zone)).astimezone(timezone.utc), zone is not None
    except (ValueError, OverflowError):
        return None


def _offset(zone: str | None) -> timezone:
    if zone in (None, "Z"):
        return timezone.utc
    assert zone is not None  # noqa: S101 - for the type checker
    # The docs' own examples omit the leading zero: -5:00.
    hours, _, minutes = zone[1:].partition(":") if ":" in zone else (zone[1:3], "", zone[3:])
    offset = timedelta(hours=int(hours), minutes=int(minutes or 0))
    return timezone(-offset if zone[0] == "-" else offset)


def _day(today: date | str | None) -> date | None:
    if not isinstance(today, str):
        return today
    try:
        return date.fromisoformat(today)
    except ValueError:
        raise ValueError(f"today is {today!r}, not a date in the form YYYY-MM-DD") from None


def iso(moment: datetime) -> str:
    """Format a moment as Braze does: UTC with a Z."""
    text = moment.astimezone(timezone.utc).isoformat()
    return text.replace("+00:00", "Z")


def iso_milliseconds(moment: datetime) -> str:
    """Format a moment as recorded in user exports: UTC with milliseconds and a Z."""
    return moment.astimezone(timezone.utc).isoformat(timespec="milliseconds").replace("+00:00", "Z")


def utc_now() -> datetime:
    """Return the current time in UTC."""
    return datetime.now(timezone.utc)


class Clock:
    """The company's calendar.

    Args:
        time_zone: The company's time zone, as an IANA name.
        today: Freeze time at the last second of this day, a date or a YYYY-MM-DD string. None: real time.
        ending_day_included: Whether a series includes the day of `ending_at`, which is not documented.

    Raises:
        ValueError: `today` is not a date.
    """

    def __init__(self, time_zone: str, today: date | str | None, *, ending_day_included: bool) -> None:
        self.zone = ZoneInfo(time_zone)
        self._today = _day(today)
        self._ending_day_included = ending_day_included

    def now(self) -> datetime:
        """Return the current time in the company's zone; on a frozen day, its last second."""
        if self._today is None:
            return datetime.now(self.zone)
        return datetime.combine(self._today, time(23, 59, 59), self.zone)

    def today(self) -> date:
        """Return the company's current day."""
        return self._today or datetime.now(self.zone).date()

    def utc_now(self) -> datetime:
        """Return the current time in UTC."""
        return self.now().astimezone(timezone.utc)

    def last_day(self, ending_at: datetime) -> date:
        """Return the last day of a series that ends at a moment, possibly in the future."""
        day = ending_at.astimezone(self.zone).date()
        return day if self._ending_day_included else day - timedelta(days=1)

    def days(self, ending_at: datetime, length: int) -> list[date]:
        """Return the days of a series, oldest first and none after today."""
        last = self.last_day(ending_at)
        first = last - timedelta(days=length - 1)
        return list(self.between(first, last))

    def between(self, first: date, last: date) -> Iterator[date]:
        """Yield each day from the first to the last, or to today."""
        last = min(last, self.today())
        for number in range(first.toordinal(), last.toordinal() + 1):
            yield date.fromordinal(number)

    def hours(self, ending_at: datetime, length: int) -> list[datetime]:
        """Return the hours of a series in the company's zone, oldest first and none in the future."""
        last = ending_at.astimezone(timezone.utc).replace(minute=0, second=0, microsecond=0)
        if not self._ending_day_included:
            last -= timedelta(hours=1)
        hours = [last - timedelta(hours=back) for back in range(length - 1, -1, -1)]
        now = self.now()
        return [hour.astimezone(self.zone) for hour in hours if hour <= now]
