"""Find sends in event files: Braze has no endpoint that lists them, but each message of a send names it.

Only messages that API campaigns send have statistics by send; Braze keeps these for 14 days.
https://www.braze.com/docs/api/endpoints/export/campaigns/get_send_analytics/
"""

from __future__ import annotations

from datetime import datetime, timedelta, timezone
from typing import TYPE_CHECKING, Any, Final

from tap_braze.currents.container import BrokenFileError
from tap_braze.currents.decode import AvroFile
from tap_braze.currents.hours import hour_of
from tap_braze.currents.position import Position
from tap_braze.fetching.ordered_pool import in_order
from tap_braze.storage import StorageError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from tap_braze.currents.files import File, Files

KEPT: Final = timedelta(days=14)
_BYTES_AHEAD: Final = 33_554_432  # of files read before their turn
_NAMES: Final = ("campaign_id", "send_id")


class SendFinder:
    """The sends of the last 14 days, from the files that no earlier run has read."""

    def __init__(self, state: dict[str, Any], files: Files, lookback: timedelta) -> None:
        """Continue from what `find` left in the state, which may be empty.

        Raises:
            ValueError: The state was edited and has another form.
        """
        self._files, self._lookback = files, lookback
        self._since = hour_of(datetime.now(timezone.utc) - KEPT)
        try:
            self._state = state
            # By campaign and send: the newest hour with a message.
            self._hours = {(each["campaign_id"], each["send_id"]): str(each["hour"]) for each in state.get("sends", ())}
            self._positions = {name: Position(kept, lookback) for name, kept in state.get("event_types", {}).items()}
        except (AttributeError, KeyError, TypeError) as error:
            raise ValueError(f"it is no list of sends ({type(error).__name__})") from None

    def find(self, threads: int, tick: Callable[[], None], report: Callable[[str, Exception], None]) -> None:
        """Read the new files of messages sent, and write what was found to the state.

        Each file that cannot be read goes to `report`, with its name, and to the next run.
        """
        try:
            event_types = [name for name in self._files.event_types if name.lower().endswith(".send")]
            plans = {name: list(self._plan(name)) for name in event_types}
        except StorageError as error:
            report("the listing of all files", error)
            return
        for name, plan in plans.items():
            position = self._positions[name]
            for file, found in in_order(
                plan, self._read, threads=threads, capacity=_BYTES_AHEAD, weigh=lambda file: file.size, tick=tick
            ):
                if isinstance(found, Exception):
                    report(file.path, found)
                    if not position.has_room(file):
                        break  # the next run tries this file and all after it
                    position.set_aside(file)
                    continue
                position.done(file)
                for send in found:
                    self._hours[send] = max(file.hour, self._hours.get(send, ""))
        self._hours = {send: hour for send, hour in self._hours.items() if hour >= self._since}
        self._state["sends"] = [
            {"campaign_id": campaign, "send_id": send, "hour": hour} for (campaign, send), hour in self._hours.items()
        ]
        self._state["event_types"] = {name: position.state() for name, position in self._positions.items()}

    def sends(self) -> list[dict[str, str]]:
        """Return the sends with a message in the last 14 days."""
        return [dict(zip(_NAMES, send, strict=True)) for send in self._hours]

    def _plan(self, event_type: str) -> Iterator[File]:
        position = self._positions.setdefault(event_type, Position({}, self._lookback))
        aside = self._files.at(position.pending)
        yield from position.plan(self._files.since(event_type, max(self._since, position.since or "")), aside)

    def _read(self, file: File) -> set[tuple[str, str]] | Exception:
        """Return the sends in a file, or its error."""
        try:
            return sends_in(self._files.read(file))
        except (StorageError, BrokenFileError) as error:
            return error


def sends_in(data: bytes) -> set[tuple[str, str]]:
    """Return the campaigns and sends of the messages in a file.

    Raises:
        BrokenFileError: The file is broken.
    """
    file = AvroFile(data)
    if not file.fields.keys() >= {*_NAMES}:
        return set()
    return {(event["campaign_id"], event["send_id"]) for event in file.records() if all(map(event.get, _NAMES))}
