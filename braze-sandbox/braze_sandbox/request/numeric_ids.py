"""Find ids sent as whole numbers in a body."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator

    from braze_sandbox.wire.answer import Json

_NAMES = frozenset(
    {
        "external_id",
        "external_ids",
        "current_external_id",
        "new_external_id",
        "external_user_id",
        "external_user_ids",
        "product_id",
    }
)
_DATA = frozenset({"properties", "trigger_properties", "context", "attributes"})
_SUSPECT = re.compile(rb'_ids?"\s*:\s*[\[\d-]')
"""Matches such an id in JSON; the search is fast because the pattern begins with literal text, not alternatives."""


def numeric_ids(raw: bytes, body: Json) -> Iterator[tuple[str, int]]:
    """Yield the path and value of each whole-number id in a body."""
    # Most bodies have none, and walking them costs more than all other processing.
    if _SUSPECT.search(raw):
        yield from _walk("", "", body)


def _walk(path: str, name: str, value: Json) -> Iterator[tuple[str, int]]:
    if isinstance(value, dict):
        for key, inner in value.items():
            # The contents of attributes and properties are data, not ids.
            data = key in _DATA or (name in ("attributes", "items") and isinstance(inner, (dict, list)))
            if not data or (key == "attributes" and isinstance(inner, list)):
                yield from _walk(f"{path}.{key}" if path else key, key, inner)
    elif isinstance(value, list):
        for index, inner in enumerate(value):
            yield from _walk(f"{path}[{index}]", name, inner)
    elif name in _NAMES and isinstance(value, int) and not isinstance(value, bool):
        yield path, value
