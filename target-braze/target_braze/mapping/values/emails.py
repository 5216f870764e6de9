"""Email addresses."""

from __future__ import annotations

import re
from typing import Final

from target_braze.mapping.values.scalars import checked_string, to_string
from target_braze.mapping.values.times import show

_ADDRESS: Final = re.compile(r"[^@\s]+@[^@\s]+\.[^@\s.]+\Z")


def to_email(value: object) -> str | None:
    """Return an email address without spaces around it, or None for blank text.

    Raises:
        ValueError: The value is not an email address, or is too long for Braze.
    """
    text = to_string(value).strip()
    if not text:
        return None
    if not _ADDRESS.match(text):
        raise ValueError(f"expected an email address, got {show(value)}")
    return checked_string(text)
