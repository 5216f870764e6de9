"""Turn one record into its changes; detect deleted records and values nested too deeply to map."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from target_braze.damaged_json import TOO_DEEP, levels
from target_braze.mapping.property_sources import is_blank
from target_braze.records import DELETED, RecordError

if TYPE_CHECKING:
    from collections.abc import Mapping

    from target_braze.braze.changes import Change
    from target_braze.mapping.base.stream_mapping import StreamMapping


def is_deleted(record: Mapping[str, Any]) -> bool:
    """Return whether the source has deleted the record; a CSV has blank text if it has not."""
    deleted = record.get(DELETED)
    return deleted is not None and not is_blank(deleted)


def changes_of(mapping: StreamMapping, record: Mapping[str, Any]) -> list[Change]:
    """Return a record's changes in the order in which Braze must apply them.

    Raises:
        RecordError: The record identifies no user, or Braze would not accept a value.
    """
    try:
        if is_deleted(record):
            return mapping.changes_on_delete(record)
        changes = mapping.changes(record)
        mapping.date_choices(changes, record)
    except RecursionError:
        column = max(record, key=lambda name: levels(record[name]))
        raise RecordError(f"column '{column}' has {TOO_DEEP}") from None
    return changes
