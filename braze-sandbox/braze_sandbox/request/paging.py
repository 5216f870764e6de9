"""Paging without page numbers: cursors with a `Link` header, and `limit` with `offset`."""

from __future__ import annotations

import base64
import binascii
from typing import TYPE_CHECKING, TypeVar

from braze_sandbox.request.query import integer, whole_number

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from braze_sandbox.request.endpoint import Call
    from braze_sandbox.wire.answer import Refusal

T = TypeVar("T")
Headers = tuple[tuple[bytes, bytes], ...]

_WORD = "skip:"


def encode_cursor(skip: int) -> str:
    """Return the cursor of a position in a list: a base64 offset, as in the samples of the docs."""
    return base64.b64encode(f"{_WORD}{skip}".encode()).decode()


def _skip(cursor: str) -> int | None:
    try:
        text = base64.b64decode(cursor, validate=True).decode("ascii")
    except (binascii.Error, ValueError):
        return None
    skip = whole_number(text.removeprefix(_WORD)) if text.startswith(_WORD) else None
    return skip if skip is not None and skip >= 0 else None


def by_cursor(
    call: Call, path: str, items: Sequence[T], size: int, invalid: Callable[[str], Refusal]
) -> tuple[Sequence[T], Headers]:
    """Return the page at `cursor` and its `Link` header with relative URLs.

    The header is missing if everything fits on one page; `prev` is missing without a cursor, and `next` on the last
    page (docs: get_catalog_items_details_bulk). A cursor past the end returns an empty page (docs silent).
    """
    cursor = call.query.get("cursor")
    skip = 0 if cursor is None else _skip(cursor)
    if skip is None:
        raise invalid(cursor or "")
    page = items[skip : skip + size]
    links = []
    if cursor is not None:
        links.append(f'<{path}?cursor={encode_cursor(max(0, skip - size))}>; rel="prev"')
    if skip + size < len(items):
        links.append(f'<{path}?cursor={encode_cursor(skip + size)}>; rel="next"')
    headers: Headers = ((b"link", ",".join(links).encode()),) if links and len(items) > size else ()
    return page, headers


def by_offset(call: Call, items: Sequence[T], highest: int) -> Sequence[T]:
    """Return the page at `limit` (default 100) and `offset`; a page past the end is empty."""
    limit = integer(call, "limit", 100, 1, highest)
    offset = integer(call, "offset", 0, 0)
    return items[offset : offset + limit]
