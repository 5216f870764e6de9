"""Map records to changes in Braze, compiled once per SCHEMA. Knows no HTTP and no Singer.

Compiling finds every error in the mapping itself, before the first record. Each kind of Braze object is a class in a
module of `kinds/`, whose `__init__.py` lists it.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from target_braze.mapping.base.settings import COMMON
from target_braze.mapping.columns import Columns
from target_braze.mapping.kinds import KINDS
from target_braze.mapping.spelling import check_marks
from target_braze.mapping.stream_kinds import check_kind, kind_of
from target_braze.records import MappingError

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from target_braze.mapping.base.stream_mapping import Defaults, StreamMapping


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

    `key` is the key of the entry and may be a glob. `notice` is called, once per occurrence, with anything the user
    should know but the target cannot fix.

    Raises:
        MappingError: The entry does not fit the schema.
    """
    kind = kind_of(stream, entry)
    if stray := sorted(entry.keys() - keys_of_kinds()[kind]):
        raise MappingError(
            f"stream '{stream}': '{stray[0]}' does not apply to {kind}, which take: "
            f"{', '.join(sorted(keys_of_kinds()[kind]))} - at streams.{key or stream}.{stray[0]}"
        )
    columns = Columns(stream, schema, entry, defaults.zone, key)
    check_marks(columns)
    # Only attributes have some of the keys.
    if kind == "attributes" and "to" not in entry and KINDS["attributes"].settings.keys().isdisjoint(entry):
        check_kind(stream, columns.names, columns.at)
    return KINDS[kind](columns, defaults, notice)


def keys_of_kinds() -> dict[str, frozenset[str]]:
    """Return the keys that a stream's entry in the setting `streams` may have, by kind of object."""
    shared = {"to", "on_delete", *COMMON}
    return {to: frozenset(shared | kind.settings.keys()) - kind.unsupported_keys for to, kind in KINDS.items()}
