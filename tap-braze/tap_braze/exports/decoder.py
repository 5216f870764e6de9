"""Decode the profiles in an export file as it arrives."""

from __future__ import annotations

import zlib
from itertools import chain
from typing import TYPE_CHECKING, Any, Final, TypeAlias

from tap_braze.braze.client import BrazeError
from tap_braze.untrusted import decode_json, short

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

Profile: TypeAlias = dict[str, Any]

_ZIP: Final = b"PK"
_GZIP: Final = b"\x1f\x8b"
_END_OF_ZIP: Final = b"PK\x05\x06"
_END_BYTES: Final = 22  # size of a zip's end record, before its comment
_TAIL: Final = 65_535 + _END_BYTES  # bytes; the end record of a zip lies within them
_UNPACKED: Final = 131_072  # bytes at a time
_MOST_LINE: Final = 64_000_000  # bytes: larger than any profile; a few compressed bytes can expand to more


class BrokenExportFileError(BrazeError):
    """Raised when an export file is broken; the message names the file and the line."""


def profiles(chunks: Iterable[bytes], part: str) -> Iterator[list[Profile]]:
    """Yield batches of profiles from a zip (all files in it) or a gzip; messages call it `part`.

    The first bytes tell the two formats apart. Each line is a profile.
    https://www.braze.com/docs/api/endpoints/export/user_data/post_users_segment/

    Raises:
        BrokenExportFileError: The file is neither, is truncated or damaged, or has lines that are not profiles. Bad
            lines are reported after all good ones have been yielded.
    """
    source = iter(chunks)
    head = b""
    while len(head) < len(_ZIP) and (chunk := next(source, b"")):
        head += chunk
    whole = chain((head,), source)
    lines = _Lines(part)
    if head.startswith(_ZIP):
        yield from _of_zip(whole, part, lines)
    elif head.startswith(_GZIP):
        yield from lines.profiles(_gunzipped(whole, part), part)
    else:
        raise BrokenExportFileError(f"{part} is {'neither a zip nor a gzip file' if head else 'empty'}")
    lines.close()


def _of_zip(chunks: Iterable[bytes], part: str, lines: _Lines) -> Iterator[list[Profile]]:
    from stream_unzip import TruncatedDataError, UnzipError, stream_unzip  # noqa: PLC0415 - takes 0.3 s, rarely needed

    tail = b""

    def watched() -> Iterator[bytes]:
        nonlocal tail
        for chunk in chunks:
            tail = (tail + chunk)[-_TAIL:] if len(chunk) < _TAIL else chunk[-_TAIL:]
            yield chunk

    try:
        for name, _, unpacked in stream_unzip(watched(), chunk_size=_UNPACKED):
            yield from lines.profiles(unpacked, f"{part}, file {short(name.decode('utf-8', 'replace'))!r}")
    except TruncatedDataError:
        raise BrokenExportFileError(f"{part} is truncated") from None
    except (UnzipError, zlib.error) as error:
        raise BrokenExportFileError(f"{part} is damaged ({type(error).__name__})") from None
    if not 0 <= tail.rfind(_END_OF_ZIP) <= len(tail) - _END_BYTES:
        raise BrokenExportFileError(f"{part} is truncated")


def _gunzipped(chunks: Iterable[bytes], part: str) -> Iterator[bytes]:
    """Yield the contents of a gzip file, which may have several members."""
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
        raise BrokenExportFileError(f"{part} is damaged ({error})") from None
    if not member.eof:
        raise BrokenExportFileError(f"{part} is truncated")


class _Lines:
    """Decodes lines to profiles, and counts the lines that are not profiles; a bad line does not affect the others."""

    def __init__(self, part: str) -> None:
        self._part = part
        self._wrong = 0
        self._first = ""

    def profiles(self, texts: Iterable[bytes], file: str) -> Iterator[list[Profile]]:
        """Yield batches of profiles from chunks that may split lines; messages call the file `file`."""
        pieces: list[bytes] = []  # of an unfinished line
        size, number = 0, 1
        for text in texts:
            *lines, rest = text.split(b"\n")
            if lines:
                lines[0] = b"".join((*pieces, lines[0]))
                pieces, size = [], 0
                yield self._decoded(lines, number, file)
                number += len(lines)
            pieces.append(rest)
            size += len(rest)
            if size > _MOST_LINE:
                raise BrokenExportFileError(f"{file}, line {number} does not end in {_MOST_LINE // 1_000_000} MB")
        if pieces:
            yield self._decoded([b"".join(pieces)], number, file)

    def close(self) -> None:
        """Report the lines that were not profiles.

        Raises:
            BrokenExportFileError: At least one line was not a profile.
        """
        if self._wrong > 1:
            raise BrokenExportFileError(f"{self._first}; {self._wrong:,} lines of {self._part} in total are left out")
        if self._wrong:
            raise BrokenExportFileError(self._first)

    def _decoded(self, lines: list[bytes], number: int, file: str) -> list[Profile]:
        found = []
        for place, line in enumerate(lines, number):
            if not line.strip():
                continue
            try:
                profile = decode_json(line)
                if not isinstance(profile, dict) or not isinstance((profile := named(profile)).get("braze_id"), str):
                    raise ValueError("it is not an object with a 'braze_id'")  # noqa: TRY301
                found.append(profile)
            except ValueError as error:  # without the contents of the line
                self._wrong += 1
                self._first = self._first or f"{file}, line {place} is not a profile ({error})"
        return found


def named(profile: Profile) -> Profile:
    """Return the profile with its ID as `braze_id`; older recordings call it `appboy_id`."""
    if "braze_id" in profile or "appboy_id" not in profile:
        return profile
    return {"braze_id" if name == "appboy_id" else name: value for name, value in profile.items()}
