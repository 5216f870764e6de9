"""Drop from the changes of a stream's records what Braze has according to the ledger."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from target_braze.ledger.fingerprints import fingerprint
from target_braze.records import Rejection

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from target_braze.braze.changes import Change
    from target_braze.ledger.store import Ledger
    from target_braze.loader.context import Context
    from target_braze.mapping.base.stream_mapping import StreamMapping
    from target_braze.records import Record
    from target_braze.reporting.summary import Counts


class KnownChanges:
    """Compares one stream's changes with the ledger, and counts the data points that this saves."""

    def __init__(self, context: Context, ledger: Ledger, mapping: StreamMapping, counts: Counts) -> None:
        self._context = context
        # The keys of flattened columns are known only from records.
        self._is_announced = not mapping.flattened
        self._ledger = ledger
        self._counts = counts

    def removed_from(
        self, changes: Sequence[Change], source: Record, key: Sequence[Any], absent: Iterable[str] = ()
    ) -> list[Change]:
        """Return the changes of a record that Braze does not have, or none if it may already have one of them.

        Args:
            changes: Changes that know their record. Values that Braze has are removed from them.
            source: The record.
            key: Values of the stream's key.
            absent: Attributes to unset because the record has no column for them.
        """
        ledger, counts = self._ledger, self._counts
        for place, change in enumerate(changes):
            change.fingerprint = change.fingerprint or fingerprint(change, key, place)
        if any((self._context.holds or one.endpoint.holds) and ledger.in_doubt(one) for one in changes):
            why = "in doubt: an earlier run sent it and got no answer, so Braze may or may not have it"
            if any(one.semantics.sends_messages for one in changes):
                why += ". `target-braze ledger doubts` lists such messages, and `ledger resolve` settles them"
            self._context.reject(source, Rejection(why, in_doubt=True))
            return []
        new = []
        for change in changes:
            before = change.data_points
            if not ledger.news(change, absent, is_announced=self._is_announced):
                counts.saved_by_ledger += before
                continue
            new.append(change)
            unset = dict.fromkeys(name for name in absent if name in change.fields)
            before += change.semantics.data_points(unset, change.user[0]) if unset else 0
            counts.saved_by_ledger += before - change.data_points
        if not new:
            self._context.summary.without_changes(source, "unchanged")
            ledger.members.dropped(source.position)
        return new
