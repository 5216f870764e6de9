"""Record what each version of a stream's table lists, and find what only earlier versions have loaded.

Singer's ACTIVATE_VERSION means that a version has been sent in full.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from target_braze.braze.objects import catalogs
from target_braze.mapping.record_changes import is_deleted

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

    from target_braze.loader.context import Context
    from target_braze.mapping.base.stream_mapping import StreamMapping
    from target_braze.records import Record


class TableVersions:
    """The versions of one stream's table: users are in the ledger, items in their catalog."""

    def __init__(self, context: Context, stream: str, mapping: StreamMapping, notice: Callable[[str], None]) -> None:
        self._context = context
        self._stream = stream
        self._mapping = mapping
        self._notice = notice

    def add(self, record: Mapping[str, Any], source: Record) -> None:
        """Record what a record lists.

        Raises:
            RecordError: The record does not name its cohort or group.
        """
        context, mapping = self._context, self._mapping
        if not mapping.acts_on_delete:
            return
        deleted = is_deleted(record)
        version = source.message.get("version")
        if mapping.catalog is not None:
            if not deleted and (key := mapping.item_id(record)) is not None:
                context.listed[self._stream, version].add(key)
        elif context.ledger is not None:
            members = context.ledger.members
            listed = mapping.members(record)
            if deleted:
                for member in listed[:1]:
                    members.leave(self._stream, member, source.position)
            elif version is not None:
                members.record_listed(self._stream, listed, version)

    def left(self, version: int) -> Iterator[dict[str, Any]]:
        """Yield a record for each member that only earlier versions loaded; none before this version's first record."""
        context, mapping = self._context, self._mapping
        sends = context.estimate is None
        if not mapping.acts_on_delete:
            self._notice("ACTIVATE_VERSION is ignored: 'on_delete' does not say what to do with deleted records")
        elif mapping.catalog is not None:
            if sends and (listed := context.listed[self._stream, version]):
                column = mapping.id_column
                ids = list(catalogs.item_ids(context.client, mapping.catalog.name))
                yield from ({column: key} for key in ids if key not in listed)
        elif context.ledger is None:
            self._notice(
                "ACTIVATE_VERSION is ignored: without a ledger, the target does not know what earlier runs loaded"
                + ("; set 'ledger_path'" if sends else ", and a dry run does not read it")
            )
        else:
            for member in context.ledger.members.left(self._stream, version):
                if (record := mapping.record_of(member)) is not None:
                    yield record
                else:
                    self._notice(
                        "users that the mapping can no longer identify have left the table; they stay unchanged in "
                        "Braze"
                    )
