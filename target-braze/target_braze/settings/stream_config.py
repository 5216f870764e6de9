"""Match the entries of setting `streams` to incoming streams, and detect misspelled names."""

from __future__ import annotations

import difflib
import logging
from typing import TYPE_CHECKING, Any

from target_braze.mapping.columns import is_glob
from target_braze.mapping.stream_kinds import EntryIndex
from target_braze.records import MappingError

if TYPE_CHECKING:
    from collections.abc import Mapping

_log = logging.getLogger("target-braze")


class Entries:
    """Finds the entry of each stream, and remembers which entries were used."""

    def __init__(self, streams: Mapping[str, Any]) -> None:
        self._streams = streams
        self._index = EntryIndex(streams)
        # Entries, each with the stream that first used it.
        self._used: dict[str, str] = {}
        self._came: set[str] = set()
        self._without: set[str] = set()

    def of(self, stream: str) -> tuple[str | None, Mapping[str, Any]]:
        """Return a stream's key in setting `streams`, a name or glob, and its entry; None and empty without one.

        Raises:
            MappingError: The stream has no entry, but an unused one looks like a misspelling of its name; or an entry
                for one stream matches two.
        """
        self._came.add(stream)
        key = self._index.find(stream)
        if key is not None:
            first = self._used.setdefault(key, stream)
            if first != stream and not is_glob(key):
                raise MappingError(
                    f"setting 'streams': the entry '{key}' matches two streams, '{first}' and '{stream}'; give each an "
                    "entry under its full name"
                )
            return key, self._streams[key]
        self._without.add(stream)
        if close := difflib.get_close_matches(stream, self._unused(), n=1, cutoff=0.8):
            raise MappingError(
                f"stream '{stream}' has no entry in setting 'streams'; is the entry '{close[0]}' a misspelling?"
            )
        return None, {}

    def check(self) -> None:
        """Report an unused entry, once all streams have arrived.

        Raises:
            MappingError: A stream without an entry arrived, too, so one of the names is probably wrong.
        """
        unused = self._unused()
        if not unused or not self._came:
            return
        text = (
            f"setting 'streams' has an entry for '{unused[0]}', but no such stream arrived; these did: "
            f"{', '.join(sorted(self._came))}"
        )
        # An unused entry alone is not a mistake, because one configuration may serve several taps.
        if self._without:
            raise MappingError(text)
        _log.warning("%s", text)

    def _unused(self) -> list[str]:
        return [key for key in self._streams if key not in self._used and not is_glob(key)]
