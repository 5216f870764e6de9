"""Lines that are JSON except for some values: NaN, Infinity, lone surrogates, invalid UTF-8, extreme nesting.

Python's own encoder writes some of these, and so do taps. The rest of such a line is still readable.
"""

from __future__ import annotations

import re
import secrets
from contextlib import suppress
from typing import TYPE_CHECKING, Any, Final

import msgspec

from target_braze.encode import decode, encode

if TYPE_CHECKING:
    from collections.abc import Iterator

# Nesting levels that decoding and mapping a record can handle within Python's recursion limit.
_DEEPEST: Final = 150
_TOKEN: Final = re.compile(
    rb'(?P<text>"(?:[^"\\]|\\.)*")|(?P<opens>[\[{])|(?P<closes>[\]}])|(?P<constant>NaN|-?Infinity)'
    rb"|(?P<number>-?\d[\d.eE+-]*)",
    re.DOTALL,
)
TOO_DEEP: Final = "too many levels of nesting"
# Errors that strict decoders raise; UnicodeError and msgspec's errors are ValueErrors.
UNDECODABLE: Final = (ValueError, RecursionError)


class DamagedLine:
    """A line that strict decoders refuse.

    `message` is its content, with each damaged value as its original bytes (msgspec.Raw, which is encoded unchanged).
    `damage` describes the damage by field of the message or column of its record.

    Raises:
        ValueError: The line has more damage than single values.
    """

    def __init__(self, line: bytes) -> None:
        self._mark = f"\0{secrets.token_hex(8)} "
        # The bytes of each damaged value, and a description of the damage.
        self._spans: list[tuple[bytes, str]] = []
        self._mended = b"".join(self._mend(line))
        self.damage: dict[str, str] = {}
        self.message = decode(self._mended)
        if isinstance(self.message, dict):
            record = self.message.get("record")
            self.message = self._restore_fields(self.message)
            if isinstance(record, dict):
                self.damage.pop("record", None)
                self.message["record"] = self._restore_fields(record)

    @property
    def reason(self) -> str:
        """The damage in words, such as `cannot decode 'score', got NaN`; empty if there is none."""
        names, what = (", ".join(parts) for parts in ((f"'{name}'" for name in self.damage), self.damage.values()))
        return f"cannot decode {names}, got {what}" if names else ""

    def raw(self, field: str) -> bytes:
        """Return the bytes of a field of the message."""
        raw = bytes(msgspec.json.decode(self._mended, type=dict[str, msgspec.Raw])[field])
        for number, (span, _) in enumerate(self._spans):
            raw = raw.replace(self._placeholder(number), span)
        return raw

    def _mend(self, line: bytes) -> Iterator[bytes]:
        """Yield the line in parts, with a placeholder for each damaged value."""
        done = depth = start = 0
        for token in _TOKEN.finditer(line):
            kind = token.lastgroup
            what = None
            if kind == "opens":
                depth += 1
                if depth == _DEEPEST:
                    start = token.start()
            elif kind == "closes":
                depth -= 1
                if depth == _DEEPEST - 1:
                    yield line[done:start] + self._set_aside(line[start : token.end()], TOO_DEEP)
                    done = token.end()
            elif depth < _DEEPEST and (what := _damage(kind, token[0])):
                yield line[done : token.start()] + self._set_aside(token[0], what)
                done = token.end()
        yield line[done:]

    def _set_aside(self, raw: bytes, what: str) -> bytes:
        self._spans.append((raw, what))
        return self._placeholder(len(self._spans) - 1)

    def _placeholder(self, number: int) -> bytes:
        return encode(f"{self._mark}{number}")

    def _restore_fields(self, fields: dict[str, Any]) -> dict[str, Any]:
        found: dict[str, Any] = {}
        for key, value in fields.items():
            wrong: list[str] = []
            name = key
            if key.startswith(self._mark):
                # Not a column of the SCHEMA, because a damaged SCHEMA ends the run.
                raw = self._restored(key, wrong)
                name = bytes(raw)[1:-1].decode()
            found[name] = self._restored(value, wrong)
            if wrong:
                self.damage[name] = wrong[0]
        return found

    def _restored(self, value: Any, wrong: list[str]) -> Any:  # noqa: ANN401
        if isinstance(value, dict):
            members = {key: self._restored(item, wrong) for key, item in value.items()}
            if not any(key.startswith(self._mark) for key in members):
                return members
            parts = (encode(self._restored(key, wrong)) + b":" + encode(item) for key, item in members.items())
            return msgspec.Raw(b"{" + b",".join(parts) + b"}")
        if isinstance(value, list):
            return [self._restored(item, wrong) for item in value]
        if not isinstance(value, str) or not value.startswith(self._mark):
            return value
        raw, what = self._spans[int(value.removeprefix(self._mark))]
        wrong.append(what)
        # Dead letters are entirely UTF-8: turn any other byte into an escape, which is just as damaged.
        return msgspec.Raw(raw.decode("utf-8", "surrogateescape").encode("utf-8", "backslashreplace"))


def decode_damaged(line: bytes) -> Any:  # noqa: ANN401
    """Decode a line, damaged or not.

    Raises:
        ValueError: The line has more damage than single values.
    """
    try:
        return decode(line)
    except UNDECODABLE:
        return DamagedLine(line).message


def levels(value: Any) -> int:  # noqa: ANN401
    """Return how deeply a value is nested, 0 for a scalar. Count without recursion."""
    found, level = 0, [value]
    while level := [
        item
        for container in level
        if isinstance(container, dict | list)
        for item in (container.values() if isinstance(container, dict) else container)
    ]:
        found += 1
    return found


def _damage(kind: str | None, token: bytes) -> str | None:
    """Return a description of a token's damage, or None if it has none."""
    if kind == "constant":
        return token.decode()
    with suppress(*UNDECODABLE):
        msgspec.json.decode(token)
        return None
    if kind == "number":
        return "a number that is too long" if token.removeprefix(b"-").isdigit() else None
    if not _is_utf8(token):
        return "bytes that are not UTF-8"
    return "a lone surrogate" if rb"\u" in token else "a control character or a wrong escape"


def _is_utf8(raw: bytes) -> bool:
    with suppress(UnicodeDecodeError):
        raw.decode()
        return True
    return False
