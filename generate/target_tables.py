"""Tables of the target's settings and mapping."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from target_braze.mapping import keys_of_kinds
from target_braze.mapping.identifiers import DEFAULT
from target_braze.mapping.kinds import KINDS
from target_braze.settings.config import CONFIG
from target_braze.settings.streams import STREAM

from generate.markdown import settings_table, table

if TYPE_CHECKING:
    from collections.abc import Iterator


def settings() -> str:
    """Return the table of the target's settings."""
    return settings_table(CONFIG)


def mapping() -> str:
    """Return the table of the keys below `streams`, with the kinds that take each."""
    kinds = keys_of_kinds()
    rows = []
    for name, description in _described(STREAM["properties"]):
        of = [kind for kind, keys in kinds.items() if name.partition(".")[0] in keys]
        rows.append((f"`{name}`", "all" if len(of) == len(kinds) else ", ".join(of), description))
    return table(("key", "for", ""), rows)


def identifiers() -> str:
    """Return the table of the identifiers that each kind about users takes."""
    rows = [
        (f"`{to}`", *("yes" if one in kind.identifier_types else "" for one in DEFAULT))
        for to, kind in KINDS.items()
        if kind.identifier_types
    ]
    return table(("kind", *(f"`{name}`" for name in DEFAULT)), rows)


def _described(properties: dict[str, Any], prefix: str = "") -> Iterator[tuple[str, str]]:
    for name, schema in properties.items():
        yield prefix + name, schema["description"]
        yield from _described(schema.get("properties", {}), f"{prefix}{name}.")
