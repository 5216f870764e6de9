"""Braze's own words in a body that is an error, without the API key and without values that may be a person's.

This file, like `braze_api.py`, is the same byte for byte in tap-braze and target-braze (a test holds them equal).
"""

from __future__ import annotations

import json
import re
from typing import Any, Final
from urllib.parse import quote

_HIDDEN: Final = "***"
_MOST: Final = 500  # letters of one text
_BARE: Final = 200  # letters of a body that is not in JSON

# What of an object in `errors` says what is wrong. Others repeat values: `parameter_values` of catalogs holds items.
# https://www.braze.com/docs/api/endpoints/catalogs/catalog_items/asynchronous/post_create_catalog_items/
_TELLING: Final = ("id", "type", "message", "error", "code", "status", "input_array", "index", "parameters")

_PERSONAL: Final = (
    (re.compile(r"[^\s\"'<>()\[\]{},;:=]+(?:@|%40)[^\s\"'<>()\[\]{},;:=]+"), "<email>"),
    # A phone number, or a long run of digits such as a card's or an account's.
    (re.compile(r"\+[0-9][0-9 ().-]{5,}[0-9]|(?<![0-9A-Za-z-])[0-9]{9,}(?![0-9A-Za-z-])"), "<number>"),
)


class Secrets:
    """A key that must not be shown, in each of the ways in which an answer may write it."""

    def __init__(self, key: str) -> None:
        forms = {key, json.dumps(key)[1:-1], quote(key, safe="")} - {""}
        self._forms = sorted(forms, key=len, reverse=True)

    def redact(self, text: str) -> str:
        """The text without the key."""
        for form in self._forms:
            text = text.replace(form, _HIDDEN)
        return text

    def redact_bytes(self, body: bytes) -> bytes:
        """The body without the key; itself if the key is not in it."""
        for form in self._forms:
            if form.encode() in body:
                body = body.replace(form.encode(), _HIDDEN.encode())
        return body


def error_texts(body: bytes, secrets: Secrets) -> tuple[str, ...]:
    """Braze's words in an error body: `message`, then `errors` (strings, arrays or objects), else the bare text.

    They are cut, and stripped of the key, addresses and numbers. Of objects only what says what is wrong is left.
    """
    try:
        document = json.loads(body)
    except (ValueError, RecursionError):
        text = _clean(secrets.redact_bytes(body)[: _BARE * 10].decode("utf-8", "replace"), secrets, _BARE)
        return (text,) if text else ()
    if not isinstance(document, dict):
        return (f"a JSON {type(document).__name__} and no object",)
    errors = document.get("errors") or []
    found = [document.get("message"), *(errors if isinstance(errors, list) else [errors])]
    # Many objects of a request may be wrong in the same way.
    return tuple(dict.fromkeys(sentence(one, secrets) for one in found if one))


def sentence(error: Any, secrets: Secrets | None = None) -> str:  # noqa: ANN401 - any JSON
    """Return Braze's words in an entry of `errors`: a string, an object with a `type` or `message`, or other JSON.

    Without `secrets`, the entry is of an answer that is redacted already.
    """
    if isinstance(error, dict):
        code, said = error.get("id"), error.get("type") or error.get("message")
        if isinstance(said, str):
            error = f"{code}: {said}" if isinstance(code, str) else said
        else:
            error = {key: value if key in _TELLING else "..." for key, value in error.items()}
    return _clean(error if isinstance(error, str) else json.dumps(error), secrets, _MOST)


def _clean(text: str, secrets: Secrets | None, most: int) -> str:
    """One line of the text, cut after all else, so that no half of a secret is left."""
    text = " ".join(text.split())
    if secrets is not None:
        text = secrets.redact(text)
    for pattern, instead in _PERSONAL:
        text = pattern.sub(instead, text)
    return text[:most]
