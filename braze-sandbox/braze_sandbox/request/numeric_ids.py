"""Find ids that a body gives as whole numbers."""

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
"""What such an id looks like in JSON; the search is fast because it begins with text, not with alternatives."""


def numeric_ids(raw: bytes, body: Json) -> Iterator[tuple[str, int]]:
    """Yield the path and the value of each id in a body that is a whole number."""
    # Most bodies have none, and walking them costs more than all else that is done with them.
    if _SUSPECT.search(raw):
        yield from _walk("", "", body)


def _walk(path: str, name: str, value: Json) -> Iterator[tuple[str, int]]:
    if isinstance(value, dict):
        for key, inner in value.items():
            # What stands inside attributes and properties is data, not an id.
            data = key in _DATA or (name in ("attributes", "items") and isinstance(inner, (dict, list)))
            if not data or (key == "attributes" and isinstance(inner, list)):
                yield from _walk(f"{path}.{key}" if path else key, key, inner)
    elif isinstance(value, list):
        for index, inner in enumerate(value):
            yield from _walk(f"{path}[{index}]", name, inner)
    elif name in _NAMES and isinstance(value, int) and not isinstance(value, bool):
        yield path, value
