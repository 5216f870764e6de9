"""Name the events made from calls, pages and screens by a template, and select the events to send."""

from __future__ import annotations

import re
from fnmatch import fnmatchcase
from typing import TYPE_CHECKING, Any, Final

from target_braze.braze import limits
from target_braze.mapping.base.events_and_purchases import watch_names
from target_braze.mapping.kinds.events import to_event_name
from target_braze.mapping.values.scalars import to_string
from target_braze.records import RecordError

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from target_braze.mapping.columns import Columns

_PLACEHOLDER: Final = re.compile(r"\{(\w+)\}")
_TEMPLATES: Final = {"page": "Viewed {name} Page", "screen": "Viewed {name} Screen"}


class EventNames:
    """Names events by `page` and `screen` of the mapping of calls, and selects those in `events`."""

    def __init__(self, columns: Columns, given: Mapping[str, Any], notice: Callable[[str], None]) -> None:
        self._notice = notice
        self._filters: Mapping[str, Sequence[str]] = given.get("events", {})
        self._templates = {method: given.get(method, default) for method, default in _TEMPLATES.items()}
        self._seen: set[str] = set()
        for method, template in self._templates.items():
            if set("{}") & set(_PLACEHOLDER.sub("", template)):
                raise columns.error(
                    f"{template!r} is not a template such as {_TEMPLATES[method]!r}, with property names in braces - "
                    f"at {columns.at}.calls.{method}"
                )

    def of_view(self, method: str, properties: Mapping[str, Any]) -> str:
        """Return the event name of a page or screen call; placeholders without a value are left out."""

        def shown(found: re.Match[str]) -> str:
            value = properties.get(found[1])
            return to_string(value) if isinstance(value, str | int | float) else ""

        return " ".join(_PLACEHOLDER.sub(shown, self._templates[method]).split())

    def checked(self, name: object) -> str | None:
        """Return the name in the form that Braze accepts, or None if the event is not selected.

        Raises:
            RecordError: The name is missing or not valid in Braze.
        """
        try:
            event = to_event_name(name)
        except ValueError as wrong:
            raise RecordError(f"the event's name: {wrong}") from None
        if not event:
            raise RecordError("the event's name is blank")
        only = self._filters.get("only", ["*"])
        if _fits(event, only) and not _fits(event, self._filters.get("except", [])):
            return event
        self._notice(f"the event '{event}' is left out by 'calls.events'")
        return None

    def watch(self, event: str) -> None:
        """Count the event names, because Braze blocks a profile with too many."""
        self._seen = watch_names(self._seen, event, limits.MANY_EVENT_NAMES, "event names", self._notice)


def _fits(event: str, patterns: Sequence[str]) -> bool:
    return any(event == pattern or fnmatchcase(event, pattern) for pattern in patterns)
