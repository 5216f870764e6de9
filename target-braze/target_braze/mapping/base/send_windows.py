"""The setting `send_window`: hours in which messages may leave."""

from __future__ import annotations

from datetime import time
from typing import TYPE_CHECKING, Final
from zoneinfo import ZoneInfo

from target_braze.braze.messages.times import SendWindow
from target_braze.mapping.base.settings import NAME, described, strict_object

if TYPE_CHECKING:
    from target_braze.mapping.columns import Columns

_CLOCK: Final = {"type": "string", "pattern": "^([01][0-9]|2[0-3]):[0-5][0-9]$"}
SEND_WINDOW: Final = {
    **strict_object(
        {
            "from": described(_CLOCK, "From", "Time of day at which messages may begin to leave, as in 09:00."),
            "to": described(
                _CLOCK, "To", "Time of day at which messages stop leaving; on the next day if earlier than `from`."
            ),
            "time_zone": described(
                NAME, "Time zone", "Time zone of the hours, as in Europe/Berlin. Default: setting `time_zone`."
            ),
        },
        required=["from", "to"],
    ),
    "title": "Send window",
    "description": "Hours in which messages may leave. Outside of them, the run fails before it sends the next "
    "message, and records scheduled for another time are rejected. Default: all hours.",
}


def compile_send_window(columns: Columns) -> SendWindow | None:
    """Return the hours in which messages of a stream may leave; None if they may at any time.

    Raises:
        MappingError: The hours or their time zone make no sense.
    """
    given = columns.entry.get("send_window")
    if given is None:
        return None
    at = f"{columns.at}.send_window"
    start, end = time.fromisoformat(given["from"]), time.fromisoformat(given["to"])
    if start == end:
        raise columns.error(f"its start and end are the same time - at {at}")
    if (name := given.get("time_zone")) is None:
        return SendWindow(start, end, columns.zone)
    try:
        return SendWindow(start, end, ZoneInfo(name))
    except (OSError, ValueError, KeyError):
        raise columns.error(f"{name!r} is not an IANA time zone such as Europe/Berlin - at {at}.time_zone") from None
