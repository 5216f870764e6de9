"""Find a stream's kind and its entry in the setting `streams` by its name, and check the kind against its columns."""

from __future__ import annotations

import re
from fnmatch import fnmatchcase
from typing import TYPE_CHECKING, Any, Final

from target_braze.mapping.columns import is_glob
from target_braze.mapping.spelling import squashed
from target_braze.records import MappingError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping

    from target_braze.mapping.base.stream_mapping import StreamMapping
    from target_braze.mapping.identifiers import IdentifierRule

# Database taps prefix the table with its schema: pipelinewise-tap-postgres and the SDK's SQL taps write
# `public-events`, others `public.events`.
_SEPARATOR: Final = re.compile(r"[-./:]")
# Kinds recognized by the stream's name alone; a name like `subscriptions` or `merges` is too ambiguous.
_BY_NAME: Final = frozenset({"attributes", "events", "purchases"})

# Squashed columns of an event or a purchase. Customers have names too, and times under names other than Braze's.
_TIMES: Final = frozenset({"time", "timestamp", "eventtime", "eventtimestamp", "occurredat"})
_EVENT_NAMES: Final = frozenset({"event", "eventname"})
_EVENT: Final = frozenset({"name", "time"})
_PURCHASE: Final = frozenset({"productid", "price"})


def kind_of(stream: str, entry: Mapping[str, Any]) -> str:
    """Return the kind from the entry, else the last part of the stream's name (case-insensitive), else attributes."""
    kind: str | None = entry.get("to")
    if kind is not None:
        return kind
    name = _last_part(stream).casefold()
    return name if name in _BY_NAME else "attributes"


class EntryIndex:
    """Finds keys of the setting `streams`, which are names and globs, by a stream's name."""

    def __init__(self, keys: Iterable[str]) -> None:
        self._names: dict[str, str] = {}
        self._any_case: dict[str, str] = {}
        self._globs: list[str] = []
        for key in keys:
            self._names[key] = key
            if is_glob(key):
                self._globs.append(key)
            else:
                self._any_case.setdefault(key.casefold(), key)

    def find(self, stream: str) -> str | None:
        """Return the key that matches a stream's name, or None.

        Try the exact name, then a glob of the whole name, then both ignoring case, and finally both for the last part
        of the name ignoring case. The first of several matching globs wins.
        """
        found = self._names.get(stream) or self._glob(stream, str)
        for name in (stream.casefold(), _last_part(stream).casefold()):
            found = found or self._any_case.get(name) or self._glob(name, str.casefold)
        return found

    def _glob(self, name: str, spelled: Callable[[str], str]) -> str | None:
        return next((key for key in self._globs if fnmatchcase(name, spelled(key))), None)


def check_kind(stream: str, columns: Iterable[str], place: str) -> None:
    """Check that a stream mapped to attributes only by default does not have the columns of another kind.

    Raises:
        MappingError: It has the columns of an event or purchase. The message shows what to write at `place`.
    """
    names = {squashed(column): column for column in columns}
    has_time = bool(_TIMES & names.keys())
    if names.keys() >= _PURCHASE and (has_time or "currency" in names):
        kind, found = "purchases", _PURCHASE | {"currency"} | _TIMES
    elif names.keys() >= _EVENT or (has_time and _EVENT_NAMES & names.keys()):
        kind, found = "events", _EVENT | _EVENT_NAMES | _TIMES
    else:
        return
    shown = ", ".join(sorted(column for name, column in names.items() if name in found))
    raise MappingError(
        f"stream '{stream}': no setting says what its records are, and the columns {shown} look like {kind}. As "
        f"attributes, each record would overwrite the one before. Write {place}.to: {kind}, or {place}.to: attributes"
    )


def taken_for(mapping: StreamMapping, stream: str, key: str | None, entry: Mapping[str, Any]) -> str:
    """Return one line for the user: the stream's kind, the reason for it, and what identifies its users."""
    kind = kind_of(stream, entry)
    why = "by default"
    if "to" in entry:
        why = f"by streams.{key}.to"
    elif _last_part(stream).casefold() == kind:
        why = "by its name"
    if key is not None and key != stream and "to" not in entry:
        why += f", mapped by streams.{key}"
    if mapping.identifier_rules:
        users = ", else ".join(map(_shown, mapping.identifier_rules))
        return f"taken for {kind}, {why}; users are identified by {users}"
    if mapping.catalog is not None:
        return (
            f"taken for {kind}, {why}; items of '{mapping.catalog.name}' are identified by column '{mapping.id_column}'"
        )
    if mapping.named_by:
        return f"taken for {kind}, {why}; they are identified by {mapping.named_by}"
    parts = (f"{part} in column '{columns[0]}'" for part, columns in mapping.sources.items())
    return f"taken for {kind}, {why}; users are identified by {', '.join(parts)}"


def _shown(rule: IdentifierRule) -> str:
    if rule.label_column is not None:
        return f"user_alias in columns '{rule.column}' and '{rule.label_column}'"
    label = "" if rule.label is None else f" with label '{rule.label}'"
    return f"{rule.identifier_type}{label} in column '{rule.column}'"


def _last_part(stream: str) -> str:
    return _SEPARATOR.split(stream)[-1] or stream
