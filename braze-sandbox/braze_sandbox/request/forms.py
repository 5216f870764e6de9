"""Bodies that are HTML forms."""

from __future__ import annotations

from email import policy
from email.parser import BytesParser
from typing import Any
from urllib.parse import parse_qsl

FORMS = frozenset({b"application/x-www-form-urlencoded", b"multipart/form-data"})


def form_fields(content_type: bytes, raw: bytes) -> dict[str, Any]:
    """Return a form's fields by name, with empty text for a file."""
    if not content_type.lower().startswith(b"multipart/"):
        return dict(parse_qsl(raw.decode("utf-8", "replace"), keep_blank_values=True))
    message = BytesParser(policy=policy.HTTP).parsebytes(b"Content-Type: " + content_type + b"\r\n\r\n" + raw)
    found: dict[str, Any] = {}
    for part in message.walk():
        name = part.get_param("name", header="content-disposition")
        if isinstance(name, str):
            text = part.get_payload(decode=True) if part.get_filename() is None else b""
            found[name] = text.decode("utf-8", "replace") if isinstance(text, bytes) else ""
    return found
