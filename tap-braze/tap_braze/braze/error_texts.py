"""Read Braze's error texts from an answer, without the API key and without personal data."""

from __future__ import annotations

import json
import re
from typing import Any, Final
from urllib.parse import quote

_HIDDEN: Final = "***"
_MOST: Final = 500  # characters of one text
_BARE: Final = 200  # characters of a body that is not JSON

# The keys of an object in `errors` that describe the error. Others repeat data: a catalog's `parameter_values` holds
# items.
# https://www.braze.com/docs/api/endpoints/catalogs/catalog_items/asynchronous/post_create_catalog_items/
_DESCRIBING: Final = ("id", "type", "message", "error", "code", "status", "input_array", "index", "parameters")

_PERSONAL: Final = (
    (re.compile(r"[^\s\"'<>()\[\]{},;:=]+(?:@|%40)[^\s\"'<>()\[\]{},;:=]+"), "<email>"),
    # A phone number, or a long run of digits such as a card or account number.
    (re.compile(r"\+[0-9][0-9 ().-]{5,}[0-9]|(?<![0-9A-Za-z-])[0-9]{9,}(?![0-9A-Za-z-])"), "<number>"),
)


class Secrets:
    """A key to hide, in every spelling that an answer may use: plain, JSON-escaped, or URL-encoded."""

    def __init__(self, key: str) -> None:
        forms = {key, json.dumps(key)[1:-1], quote(key, safe="")} - {""}
        self._forms = sorted(forms, key=len, reverse=True)

    def redact(self, text: str) -> str:
        """Return the text without the key."""
        for form in self._forms:
            text = text.replace(form, _HIDDEN)
        return text

    def redact_bytes(self, body: bytes) -> bytes:
        """Return the body without the key, or the same object if the key is not in it."""
        for form in self._forms:
            if form.encode() in body:
                body = body.replace(form.encode(), _HIDDEN.encode())
        return body


def error_texts(body: bytes, secrets: Secrets) -> tuple[str, ...]:
    """Return the texts of an error body: `message`, `error` and `errors` (any JSON), or else its plain text.

    The texts are shortened, and the key, email addresses, and long numbers are removed. Objects keep only the keys that
    describe the error.
    """
    try:
        document = json.loads(body)
    except (ValueError, RecursionError):
        text = _clean(secrets.redact_bytes(body)[: _BARE * 10].decode("utf-8", "replace"), secrets, _BARE)
        return (text,) if text else ()
    if not isinstance(document, dict):
        return (f"the body is a JSON {type(document).__name__}, not an object",)
    errors = document.get("errors") or []
    found = [document.get("message"), document.get("error"), *(errors if isinstance(errors, list) else [errors])]
    # Many objects in a request can have the same error.
    return tuple(dict.fromkeys(error_text(one, secrets) for one in found if one))


def error_text(error: Any, secrets: Secrets | None = None) -> str:  # noqa: ANN401 - any JSON
    """Return the text of one entry of `errors`: a string, an object with a `type` or `message`, or other JSON.

    Pass no `secrets` for an entry of an answer that is already redacted.
    """
    if isinstance(error, dict):
        code, text = error.get("id"), error.get("type") or error.get("message")
        if isinstance(text, str):
            error = f"{code}: {text}" if isinstance(code, str) else text
        else:
            error = {key: value if key in _DESCRIBING else "..." for key, value in error.items()}
    return _clean(error if isinstance(error, str) else json.dumps(error), secrets, _MOST)


def _clean(text: str, secrets: Secrets | None, most: int) -> str:
    """Return the text on one line, shortened last so that no part of a secret survives."""
    text = " ".join(text.split())
    if secrets is not None:
        text = secrets.redact(text)
    for pattern, instead in _PERSONAL:
        text = pattern.sub(instead, text)
    return text[:most]
