"""Container of an Avro file: parse its schema and unpack its blocks one by one, within limits. Decodes no values.

Files are not trusted. Without these checks, a schema could use far more stack and memory than the size of its file
justifies: fastavro, which decodes everything outside Braze's types, follows any schema, even a recursive one until the
process crashes.
https://avro.apache.org/docs/1.12.0/specification/#object-container-files
"""

from __future__ import annotations

import bz2
import lzma
import zlib
from functools import lru_cache
from typing import TYPE_CHECKING, Any, Final

import msgspec

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

_MAGIC: Final = b"Obj\x01"
_SYNC_BYTES: Final = 16
_SCHEMA_BYTES: Final = 4_194_304
SCHEMAS: Final = 8  # to keep, since a file mostly has the schema of the one before
_DEEPEST: Final = 32
# Limit in bytes for a block, and for all blocks of a small file; a large file may unpack to this many times its size.
_UNPACKED_BYTES: Final = 268_435_456
_UNPACKED_TIMES: Final = 100

_VALUE_BITS: Final = 0x7F
_MORE: Final = 0x80
_LONG_BITS: Final = 63  # bits below those of the tenth byte
_PRIMITIVES: Final = frozenset({"null", "boolean", "int", "long", "float", "double", "bytes", "string"})


class BrokenFileError(ValueError):
    """Raised when a file is malformed; the message gives the reason and refers to the file as `it`."""


class Container:
    """The schema and the blocks in the bytes of an Avro file."""

    def __init__(self, data: bytes) -> None:
        """Parse the header and check that the file is complete.

        Raises:
            BrokenFileError: The file is not Avro, is truncated, needs a codec that is not installed, or is hostile.
        """
        self._data = data
        try:
            metadata, self._start = _metadata(data)
            self._sync = data[self._start - _SYNC_BYTES : self._start]
            for _ in self._packed():
                pass
        except IndexError:
            raise BrokenFileError("it is not a complete Avro file (it is truncated)") from None
        codec = metadata.get(b"avro.codec", b"null").decode("utf-8", "replace")
        self._unpack = _unpacker(codec)
        self.schema_text = metadata.get(b"avro.schema", b"")
        self.schema = schema_of(self.schema_text)

    def blocks(self) -> Iterator[tuple[int, bytes]]:
        """Yield the blocks: the number of records in each, and their bytes.

        Raises:
            BrokenFileError: A block cannot be unpacked, or is too large.
        """
        left = max(_UNPACKED_BYTES, _UNPACKED_TIMES * len(self._data))
        for count, start, end in self._packed():
            most = min(left, _UNPACKED_BYTES)
            try:
                block = self._unpack(self._data[start:end], most + 1)
            except BrokenFileError:
                raise
            except Exception as error:  # noqa: BLE001 - each codec raises its own
                raise BrokenFileError(f"it has a block that cannot be unpacked ({type(error).__name__})") from None
            if len(block) > most:
                raise BrokenFileError(f"it unpacks to more than {most:,} bytes")
            left -= len(block)
            yield count, block

    def _packed(self) -> Iterator[tuple[int, int, int]]:
        """Yield the number of records in each block, and where its bytes start and end."""
        data, position = self._data, self._start
        while position < len(data):
            count, start = read_long(data, position)
            size, start = read_long(data, start)
            end = start + size
            position = end + _SYNC_BYTES
            if count < 0 or size < 0 or position > len(data):
                raise IndexError
            if data[end:position] != self._sync:
                raise BrokenFileError("it is not a complete Avro file (a block does not end where it says)")
            yield count, start, end


def read_long(data: bytes, position: int) -> tuple[int, int]:
    """Return the number at a position, and the position after it.

    Raises:
        IndexError: The bytes end inside the number.
        ValueError: The number has more than 64 bits.
    """
    byte = data[position]
    position += 1
    value = byte & _VALUE_BITS
    shift = 7
    while byte & _MORE:
        byte = data[position]
        if shift > _LONG_BITS or (shift == _LONG_BITS and byte > 1):
            raise BrokenFileError("it has a number of more than 64 bits")
        position += 1
        value |= (byte & _VALUE_BITS) << shift
        shift += 7
    return (value >> 1) ^ -(value & 1), position


def _metadata(data: bytes) -> tuple[dict[bytes, bytes], int]:
    """Return the metadata before the blocks, and the position where the blocks start."""
    if not data.startswith(_MAGIC):
        raise BrokenFileError("it is not a complete Avro file (it does not begin like one)")
    found: dict[bytes, bytes] = {}
    position = len(_MAGIC)
    while True:
        count, position = read_long(data, position)
        if count < 0:  # the size of these entries in bytes follows
            _, position = read_long(data, position)
        for _ in range(abs(count)):
            name, position = _bytes(data, position)
            found[name], position = _bytes(data, position)
        if not count:
            break
    if len(data) < position + _SYNC_BYTES:
        raise IndexError
    return found, position + _SYNC_BYTES


def _bytes(data: bytes, position: int) -> tuple[bytes, int]:
    size, position = read_long(data, position)
    if not 0 <= size <= len(data) - position:
        raise IndexError
    return data[position : position + size], position + size


@lru_cache(maxsize=SCHEMAS)
def schema_of(text: bytes) -> dict[str, Any]:
    """Return the checked schema in a text, not to be changed: all files with the same text share it.

    Raises:
        BrokenFileError: It is malformed, not of records, or hostile.
    """
    if len(text) > _SCHEMA_BYTES:
        raise BrokenFileError(f"its schema has {len(text):,} bytes, more than {_SCHEMA_BYTES:,}")
    try:
        schema = msgspec.json.decode(text)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise BrokenFileError(
            f"it is not a complete Avro file (its schema is not JSON: {type(error).__name__})"
        ) from None
    if not isinstance(schema, dict) or schema.get("type") != "record":
        raise BrokenFileError("it is an Avro file, but not of records")
    _check(schema)
    return schema


def _check(schema: dict[str, Any]) -> None:
    """Reject a schema whose values can nest without limit or take no bytes."""
    try:
        _Schema().look_at(schema, "", 0)
    except (AttributeError, KeyError, TypeError):
        raise BrokenFileError("its schema is not an Avro schema") from None


class _Schema:
    """The named types of a schema and the nesting depth of their values."""

    def __init__(self) -> None:
        self._depths: dict[str, int | None] = {}  # None while the definition is open

    def look_at(self, kind: Any, namespace: str, level: int) -> tuple[int, bool]:  # noqa: ANN401, PLR0911 - a schema
        """Return how deep the values of a type nest, and whether they take no bytes."""
        if level > _DEEPEST:
            raise BrokenFileError(f"its schema is nested more than {_DEEPEST} levels deep")
        if isinstance(kind, list):
            return max((self.look_at(branch, namespace, level + 1)[0] for branch in kind), default=0), False
        if isinstance(kind, str):
            return self._named(kind, namespace, level)
        inner = kind["type"]
        if not isinstance(inner, str):
            return self.look_at(inner, namespace, level + 1)
        if inner in {"array", "map"}:
            depth, is_empty = self.look_at(kind["items" if inner == "array" else "values"], namespace, level + 1)
            if is_empty:
                raise BrokenFileError(f"its schema has values of type {inner} whose items take no bytes")
            return depth + 1, False
        if inner in {"record", "error"}:
            return self._record(kind, namespace, level)
        if inner in {"enum", "fixed"}:
            self._depths[_full(kind, namespace)] = 0
            if inner == "fixed" and not kind["size"] > 0:
                raise BrokenFileError("its schema has values of a fixed size of 0 bytes")
            return 0, False
        return self._named(inner, namespace, level)

    def _named(self, name: str, namespace: str, level: int) -> tuple[int, bool]:
        if name in _PRIMITIVES:
            return 0, name == "null"
        full = _full({"name": name}, namespace)
        depth = self._depths.get(full, self._depths.get(name, -1))
        if depth is None:
            raise BrokenFileError(f"its schema is recursive: {name[:100]!r} contains itself")
        if depth < 0:
            raise BrokenFileError(f"its schema has a type {name[:100]!r} that it does not describe")
        if level + depth > _DEEPEST:
            raise BrokenFileError(f"its schema is nested more than {_DEEPEST} levels deep")
        return depth, False

    def _record(self, kind: dict[str, Any], namespace: str, level: int) -> tuple[int, bool]:
        name = _full(kind, namespace)
        self._depths[name] = None
        found = [self.look_at(field["type"], name.rpartition(".")[0], level + 1) for field in kind["fields"]]
        if not all(isinstance(field["name"], str) for field in kind["fields"]):
            raise TypeError
        if all(is_empty for _, is_empty in found):
            raise BrokenFileError(f"its schema has records without a value: {name[:100]!r}")
        depth = 1 + max(depth for depth, _ in found)
        self._depths[name] = depth
        return depth, False


def _full(kind: dict[str, Any], namespace: str) -> str:
    """Return the name of a type, including its namespace."""
    name: str = kind["name"]
    namespace = kind.get("namespace") or namespace
    return name if "." in name or not namespace else f"{namespace}.{name}"


def _unpacker(codec: str) -> Callable[[bytes, int], bytes]:
    """Return the function that unpacks a block, up to a given number of bytes."""
    if codec == "null":
        return lambda data, _: data
    if codec == "deflate":
        return lambda data, most: _whole(zlib.decompressobj(-zlib.MAX_WBITS), data, most)
    if codec == "bzip2":
        return lambda data, most: _whole(bz2.BZ2Decompressor(), data, most)
    if codec == "xz":
        return lambda data, most: _whole(lzma.LZMADecompressor(), data, most)
    raise BrokenFileError(f"it is compressed by {codec[:100]!r}, which the tap cannot unpack")


def _whole(packer: Any, data: bytes, most: int) -> bytes:  # noqa: ANN401 - the standard library has no type for it
    found: bytes = packer.decompress(data, most)
    if len(found) < most and not packer.eof:
        raise EOFError
    return found
