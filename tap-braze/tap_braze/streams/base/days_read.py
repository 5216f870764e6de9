"""What STATE says of the days that runs have read of a stream."""

from __future__ import annotations

from datetime import date
from typing import TYPE_CHECKING

from tap_braze.fetching.coverage import Coverage
from tap_braze.streams.base.stream import COVERED, bad_bookmark, malformed_state

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from tap_braze.streams.base.stream import BrazeStream


def last_day_read(stream: BrazeStream) -> date | None:
    """Return the day of the bookmark; None before the first run.

    Raises:
        ConfigValidationError: The bookmark is not a date.
    """
    if (text := stream.bookmark) is None:
        return None
    try:
        return date.fromisoformat(text[:10])
    except ValueError:
        raise bad_bookmark(stream.name, text) from None


def days_read(stream: BrazeStream, targets: Sequence[Mapping[str, str]], start: date) -> Coverage:
    """Return the days that earlier runs read of these targets, from the start on.

    If STATE has a bookmark only, as runs of earlier versions wrote it, they read all days of all targets.

    Raises:
        ConfigValidationError: STATE is not what a run wrote.
    """
    if (last := last_day_read(stream)) is None:
        return Coverage(targets, start, {})
    state = stream.stream_state.get(COVERED)
    try:
        before = Coverage.whole(targets, start, last) if state is None else Coverage.parse(state)
    except ValueError as error:
        raise malformed_state(stream.name, COVERED, error) from None
    return Coverage(targets, start, before)
