"""Mapping: what a record of a stream becomes in Braze, compiled once per SCHEMA; knows no HTTP and no Singer messages.

Whatever is wrong with the mapping itself is found while compiling, before the first record. A kind of Braze object is a
class of its own, by family in the modules beside, and has a line in `KINDS`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from target_braze.mapping.columns import Columns
from target_braze.mapping.kinds.aliases import Aliases, ExternalIds, Identifications, Merges
from target_braze.mapping.kinds.attributes import Attributes
from target_braze.mapping.kinds.calls import Calls
from target_braze.mapping.kinds.catalog_items import CatalogItems
from target_braze.mapping.kinds.cohorts import Cohorts
from target_braze.mapping.kinds.deletions import Deletions
from target_braze.mapping.kinds.events import Events, Purchases
from target_braze.mapping.kinds.subscriptions import EmailStatuses, Subscriptions
from target_braze.mapping.spelling import check_marks
from target_braze.mapping.stream_kinds import check_kind, kind_of
from target_braze.records import MappingError

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from target_braze.mapping.kinds.base import Defaults, StreamMapping

KINDS: Final[Mapping[str, type[StreamMapping]]] = {
    "attributes": Attributes,
    "events": Events,
    "purchases": Purchases,
    "calls": Calls,
    "subscriptions": Subscriptions,
    "email_status": EmailStatuses,
    "aliases": Aliases,
    "identifications": Identifications,
    "merges": Merges,
    "external_ids": ExternalIds,
    "deletions": Deletions,
    "catalog_items": CatalogItems,
    "cohorts": Cohorts,
}

# Parts of a mapping that each kind of object has.
_COMMON_KEYS: Final = frozenset({"to", "user", "rename", "types", "on_delete"})


def compile_mapping(
    stream: str,
    schema: Mapping[str, Any],
    entry: Mapping[str, Any],
    defaults: Defaults,
    notice: Callable[[str], None],
    *,
    key: str | None = None,
) -> StreamMapping:
    """Compile the mapping of a stream from its JSON Schema and its entry in the setting `streams`.

    `key` is that of the entry, which may be a glob. `notice` is called with what the user should know of but nothing
    can be done about, once per occurrence.

    Raises:
        MappingError: the two do not fit.
    """
    kind = kind_of(stream, entry)
    if stray := sorted(entry.keys() - keys_of_kinds()[kind]):
        raise MappingError(
            f"stream '{stream}': '{stray[0]}' has no meaning for {kind}; they have: "
            f"{', '.join(sorted(keys_of_kinds()[kind]))} - at streams.{key or stream}.{stray[0]}"
        )
    columns = Columns(stream, schema, entry, defaults.zone, key)
    check_marks(columns)
    # Some keys only attributes have.
    if kind == "attributes" and "to" not in entry and Attributes.keys.isdisjoint(entry):
        check_kind(stream, columns.names, columns.at)
    return KINDS[kind](columns, defaults, notice)


def keys_of_kinds() -> dict[str, frozenset[str]]:
    """What the entry of a stream in the setting `streams` may have, by the kind of object it makes."""
    return {kind: (_COMMON_KEYS | mapping.keys) - mapping.lacks for kind, mapping in KINDS.items()}
