"""The profiles in a file of an export: unpacked and decoded while the file arrives; nothing of where it lies."""

from __future__ import annotations

import zlib
from itertools import chain
from typing import TYPE_CHECKING, Any, Final, TypeAlias

import msgspec

from tap_braze.braze_api import BrazeError

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

Profile: TypeAlias = dict[str, Any]

_ZIP: Final = b"PK"
_GZIP: Final = b"\x1f\x8b"
_END_OF_ZIP: Final = b"PK\x05\x06"
_TAIL: Final = 1_024  # bytes, in which the end of a zip is
_UNPACKED: Final = 131_072  # bytes at a time
_MOST_LINE: Final = 64_000_000  # bytes: more than any profile has, and what a few bytes that are packed can become

_decode = msgspec.json.Decoder(dict[str, Any]).decode


class BrokenPartError(BrazeError):
    """A file of an export is not what it should be; the message names it, and the line."""


def profiles(chunks: Iterable[bytes], part: str) -> Iterator[list[Profile]]:
    """The profiles of a zip (of all files in it) or a gzip, some at a time; `part` is its name in messages.

    Which of the two it is its first bytes tell. Each line is a profile.
    https://www.braze.com/docs/api/endpoints/export/user_data/post_users_segment/

    Raises:
        BrokenPartError: it is neither, or truncated, or damaged, or a line is no profile.
    """
    source = iter(chunks)
    head = b""
    while len(head) < len(_ZIP) and (chunk := next(source, b"")):
        head += chunk
    whole = chain((head,), source)
    if head.startswith(_ZIP):
        yield from _of_zip(whole, part)
    elif head.startswith(_GZIP):
        yield from _of_lines(_gunzipped(whole, part), part)
    else:
        raise BrokenPartError(f"{part} is {'neither a zip nor a gzip file' if head else 'empty'}")


def _of_zip(chunks: Iterable[bytes], part: str) -> Iterator[list[Profile]]:
    from stream_unzip import TruncatedDataError, UnzipError, stream_unzip  # noqa: PLC0415 - takes 0.3 s, few need it

    tail = b""

    def watched() -> Iterator[bytes]:
        nonlocal tail
        for chunk in chunks:
            tail = (tail + chunk[-_TAIL:])[-_TAIL:]
            yield chunk

    try:
        for name, _, unpacked in stream_unzip(watched(), chunk_size=_UNPACKED):
            yield from _of_lines(unpacked, f"{part}, file {name.decode('utf-8', 'replace')!r}")
    except TruncatedDataError:
        raise BrokenPartError(f"{part} is truncated") from None
    except UnzipError as error:
        raise BrokenPartError(f"{part} is damaged ({type(error).__name__})") from None
    if _END_OF_ZIP not in tail:
        raise BrokenPartError(f"{part} is truncated")


def _gunzipped(chunks: Iterable[bytes], part: str) -> Iterator[bytes]:
    """What is in a gzip, which may be several put together."""
    member = zlib.decompressobj(wbits=31)
    try:
        for chunk in chunks:
            packed = chunk
            while packed:
                if member.eof:
                    member = zlib.decompressobj(wbits=31)
                yield member.decompress(packed, _UNPACKED)
                packed = member.unconsumed_tail or member.unused_data
    except zlib.error as error:
        raise BrokenPartError(f"{part} is damaged ({error})") from None
    if not member.eof:
        raise BrokenPartError(f"{part} is truncated")


def _of_lines(texts: Iterable[bytes], part: str) -> Iterator[list[Profile]]:
    rest = b""
    number = 1
    for text in texts:
        *lines, rest = (rest + text).split(b"\n")
        if len(rest) > _MOST_LINE:
            raise BrokenPartError(f"{part}, line {number + len(lines)} does not end in {_MOST_LINE // 1_000_000} MB")
        if lines:
            yield [_profile(line, number + index, part) for index, line in enumerate(lines) if line.strip()]
            number += len(lines)
    if rest.strip():
        yield [_profile(rest, number, part)]


def _profile(line: bytes, number: int, part: str) -> Profile:
    try:
        profile = _decode(line)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        # Neither of them shows what is in the line.
        raise BrokenPartError(f"{part}, line {number} is no profile ({error})") from None
    if not isinstance(profile.get("braze_id"), str):
        raise BrokenPartError(f"{part}, line {number} is a profile without 'braze_id'")
    return profile
