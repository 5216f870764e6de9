"""The count of a run: what came of the records of each stream."""

from __future__ import annotations

import logging
import threading
from collections import Counter, defaultdict
from typing import TYPE_CHECKING

from target_braze.costs import data_points
from target_braze.identity import CHOSEN

if TYPE_CHECKING:
    from collections.abc import Iterator

    from target_braze.identity import Candidate
    from target_braze.records import Change, Record

_log = logging.getLogger("target-braze")


class Summary:
    """Counts from any thread; `log` says it all, a line a stream."""

    def __init__(self) -> None:
        self.read: Counter[str] = Counter()
        self.unchanged: Counter[str] = Counter()
        self.rejected: Counter[str] = Counter()
        self._sent: Counter[str] = Counter()
        self._folded: Counter[str] = Counter()
        self.candidates: defaultdict[str, list[Candidate]] = defaultdict(list)
        self.points: Counter[str] = Counter()
        self._notices: Counter[str] = Counter()
        self._lock = threading.Lock()

    def accepted(self, change: Change) -> None:
        """Braze took the change, or would have in a dry run."""
        stream = change.records[0].stream
        with self._lock:
            self._sent[stream] += 1
            for record in change.records[1:]:
                self._folded[record.stream] += 1
            self.points[stream] += data_points(change)

    def refused(self, record: Record) -> None:
        """The record was rejected, by Braze or by the mapping."""
        with self._lock:
            self.rejected[record.stream] += 1

    def notice(self, text: str) -> None:
        """Tell the user, the first time; count the others."""
        self._notices[text] += 1
        if self._notices[text] == 1:
            _log.warning("%s", text)

    def log(self, requests: int, *, dry_run: bool) -> None:
        """Write what became of each stream, then what was noticed more than once."""
        for stream, read in self.read.items():
            _log.info(
                "stream '%s': %s records read, %s objects %s, %s folded into another of the same user, %s already "
                "in Braze by the ledger, %s rejected, %s data points",
                stream,
                f"{read:,}",
                f"{self._sent[stream]:,}",
                "would be sent" if dry_run else "sent",
                f"{self._folded[stream]:,}",
                f"{self.unchanged[stream]:,}",
                f"{self.rejected[stream]:,}",
                f"{self.points[stream]:,}",
            )
            for text in self._identifications(stream):
                _log.info("stream '%s': %s", stream, text)
        _log.info("%s requests to Braze%s", f"{requests:,}", " would be made: this was a dry run" if dry_run else "")
        for text, count in self._notices.items():
            if count > 1:
                _log.warning("%s (%s times)", text, f"{count:,}")

    def _identifications(self, stream: str) -> Iterator[str]:
        """How users were named, where there was a choice or something was wrong."""
        candidates = self.candidates[stream]
        for candidate in candidates:
            caught = candidate.outcomes - Counter({CHOSEN: candidate.outcomes[CHOSEN]})
            if caught or len(candidates) > 1:
                yield (
                    f"{candidate.kind} of column '{candidate.column}' named the user of "
                    f"{candidate.outcomes[CHOSEN]:,} records"
                    + "".join(f", {count:,} {rule}" for rule, count in caught.most_common())
                )
