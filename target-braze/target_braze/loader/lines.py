"""JSON lines of one stream: the columns of a record, or its Singer RECORD message."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final, Literal

import msgspec

from target_braze.damaged_json import UNDECODABLE, DamagedLine
from target_braze.encode import decode, encode, exact

if TYPE_CHECKING:
    from collections.abc import Callable

_BOM: Final = b"\xef\xbb\xbf"
# Every RECORD message contains it; a record whose text contains it only takes the full path.
_MARK: Final = b'"RECORD"'


class JsonLines:
    """Reads the lines of a stream.

    A line is a RECORD message if it is an object with the `type` RECORD, the name of the stream, and an object as its
    `record`. Any other object is a record.

    Args:
        stream: Name of the stream.
        fast_record: Struct of a record with nothing unusual; None if each record needs a closer look.
    """

    def __init__(self, stream: str, fast_record: type[msgspec.Struct] | None) -> None:
        self._stream = stream
        self._head = b'{"type":"RECORD","stream":%s,"record":' % encode(stream)
        if fast_record is not None:
            self._decode_message = record_decoder(stream, fast_record)
            self._decode_columns = msgspec.json.Decoder(fast_record, float_hook=exact).decode

    def read_fast(self, line: bytes, version: int | None) -> tuple[msgspec.Struct, bytes] | None:
        """Return the columns of an ordinary record, and its RECORD message; None if it needs `read`."""
        try:
            if _MARK not in line:
                return self._decode_columns(line), self.message(line, version)
            # A version that the message may lack.
            return None if version is not None else (self._decode_message(line).record, line)
        except UNDECODABLE:
            return None

    def read(self, line: bytes, version: int | None) -> tuple[dict[str, Any], str] | None:
        """Return the RECORD message of a line, and what is wrong with it; None for a blank line.

        What is wrong is empty, or names the columns that are not JSON, which the message has as their bytes.

        Raises:
            ValueError: The line is not a JSON object. The error does not show it.
        """
        line = line.strip().removeprefix(_BOM)
        if not line:
            return None
        found, wrong = _decoded(line)
        if not isinstance(found, dict):
            raise ValueError(f"expected a JSON object, got {type(found).__name__}")
        if not self._is_message(found):
            found = {"type": "RECORD", "stream": self._stream, "record": found}
        if version is not None:
            found.setdefault("version", version)
        return found, wrong

    def message(self, columns: bytes, version: int | None) -> bytes:
        """Return the RECORD message of a record whose columns are a JSON object."""
        tail = b"}" if version is None else b',"version":%d}' % version
        return self._head + columns + tail

    def _is_message(self, found: dict[str, Any]) -> bool:
        named = found.get("type") == "RECORD" and found.get("stream") == self._stream
        return named and isinstance(found.get("record"), dict)


def record_decoder(stream: str, record: type[msgspec.Struct]) -> Callable[[bytes], Any]:
    """Return a decoder of RECORD messages with only the usual fields. It refuses dead letters, which have one more."""
    message = msgspec.defstruct(
        "Message",
        [
            ("type", Literal["RECORD"]),
            ("stream", Literal[stream]),
            ("record", record),
            ("time_extracted", Any, None),
            ("version", Any, None),
        ],
        forbid_unknown_fields=True,
        gc=False,
    )
    return msgspec.json.Decoder(message, float_hook=exact).decode


def _decoded(line: bytes) -> tuple[Any, str]:
    """Return the content of a line, and a text about its columns that are not JSON.

    Raises:
        ValueError: More is wrong than single values.
    """
    try:
        return decode(line), ""
    except UNDECODABLE as error:
        try:
            damaged = DamagedLine(line)
        except UNDECODABLE:
            raise ValueError(f"it is not JSON: {error}") from None
        return damaged.message, damaged.reason
