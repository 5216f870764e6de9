"""Read untrusted input: any JSON text, responses of any shape, names with any characters."""

from __future__ import annotations

import json
import re
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, Final, NoReturn, TypeVar

import msgspec

from tap_braze.braze.client import UnavailableError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

_Decoded = TypeVar("_Decoded")
_decode = msgspec.json.Decoder().decode
# JSON can contain half of a surrogate pair, and Braze keeps such text; UTF-8 cannot represent it.
_SURROGATE_ESCAPE: Final = re.compile(rb"\\u[dD][89a-fA-F]")
_SURROGATE: Final = re.compile("[\ud800-\udfff]")
_REPLACEMENT: Final = "\ufffd"
_LONGEST_NAME: Final = 300
# Stack frames that must still be free when JSON is decoded. A record is written recursively, and from deeper in the
# stack than its response is decoded: data too deep to write must fail here, where its parent is known.
_STACK_LEFT: Final = 200
# Text with fewer brackets can be written from anywhere: Python allows 1,000 calls, and a run uses far fewer than half.
_FEW_BRACKETS: Final = 500


def decode_json(text: bytes) -> Any:  # noqa: ANN401 - any JSON
    """Decode JSON. Replace half a surrogate pair with U+FFFD, so that the rest of the text is not lost.

    Raises:
        ValueError: The text is not JSON, or is nested too deeply; the message shows none of it.
    """
    try:
        return decode_shallow(_decode, text)
    except RecursionError:
        raise ValueError("JSON is nested too deep") from None
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        if not _SURROGATE_ESCAPE.search(text):
            raise ValueError(str(error)) from None
    try:
        return _without_surrogates(json.loads(text, parse_constant=_refuse))
    except (ValueError, RecursionError) as error:
        raise ValueError(f"JSON is malformed ({type(error).__name__})") from None


def decode_shallow(decode: Callable[[bytes], _Decoded], text: bytes) -> _Decoded:
    """Return what `decode` makes of a text that is not nested too deep to be written, and read by a loader, as JSON.

    Raises:
        RecursionError: It is nested too deep.
    """
    if text.count(b"{") + text.count(b"[") < _FEW_BRACKETS:
        return decode(text)
    return _decode_below(decode, text, _STACK_LEFT)


def _decode_below(decode: Callable[[bytes], _Decoded], text: bytes, calls: int) -> _Decoded:
    """Decode this many calls further down the stack."""
    return _decode_below(decode, text, calls - 1) if calls else decode(text)


def _refuse(constant: str) -> NoReturn:
    raise ValueError(constant)


def _without_surrogates(value: Any) -> Any:  # noqa: ANN401
    if isinstance(value, str):
        return _SURROGATE.sub(_REPLACEMENT, value)
    if isinstance(value, list):
        return [_without_surrogates(each) for each in value]
    if isinstance(value, dict):
        return {_without_surrogates(name): _without_surrogates(each) for name, each in value.items()}
    return value


class WrongTypeError(TypeError):
    """Raised when a value's type differs from its column's; the message names the column and both types."""


class MalformedError(UnavailableError):
    """Raised when a response differs from Braze's documentation. It implies nothing about other parents' responses."""


@contextmanager
def expected_shape(where: str) -> Iterator[None]:
    """Turn the errors of reading a response of unexpected form into one that names `where`.

    Raises:
        MalformedError: A field is missing or has another type; the message shows no value.
    """
    try:
        yield
    except (AttributeError, IndexError, KeyError, OverflowError, TypeError, ValueError) as error:
        what = "a field has an unexpected type or form"
        if isinstance(error, KeyError):
            what = f"{error} is missing"
        elif isinstance(error, WrongTypeError):
            what = str(error)
        raise MalformedError(f"{where}: the answer is not what Braze documents ({one_line(what)})") from None


def one_line(text: str) -> str:
    """Return text that is safe in a message: one line, without control characters or lone surrogates."""
    if text.isprintable():
        return text
    return "".join(letter if letter.isprintable() else ascii(letter)[1:-1] for letter in text)


def short(name: str) -> str:
    """Return an untrusted name that is safe in a message: one line, truncated."""
    name = one_line(name)
    return name if len(name) <= _LONGEST_NAME else f"{name[:_LONGEST_NAME]}…"
