"""Export files of every sort: cut into any chunks, of several files, truncated, damaged."""

from __future__ import annotations

import gzip
import io
import json
import zipfile
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tap_braze.exports import decoder
from tap_braze.exports.decoder import BrokenExportFileError, profiles

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

TEXTS = st.text(st.characters(exclude_categories=["Cs"]), max_size=5)
PROFILES = st.lists(st.fixed_dictionaries({"braze_id": TEXTS, "value": TEXTS | st.integers() | st.none()}), max_size=8)
FILES = st.lists(PROFILES, min_size=1, max_size=4)


def lines(some: list[dict[str, Any]], *, ended: bool = True) -> bytes:
    text = "\n".join(json.dumps(one, ensure_ascii=False) for one in some)
    return (text + "\n" * (ended and bool(some))).encode()


def zipped(files: list[list[dict[str, Any]]], *, ended: bool = True) -> bytes:
    content = io.BytesIO()
    with zipfile.ZipFile(content, "w", zipfile.ZIP_DEFLATED) as archive:
        for number, some in enumerate(files):
            archive.writestr(f"{number}.json", lines(some, ended=ended))
    return content.getvalue()


def gzipped(files: list[list[dict[str, Any]]], *, ended: bool = True) -> bytes:
    """Join members; a line must end between two of them."""
    return b"".join(gzip.compress(lines(some, ended=ended or some is not files[-1])) for some in files)


def chunks(content: bytes, size: int) -> Iterator[bytes]:
    return (content[at : at + size] for at in range(0, len(content), size))


def read(content: bytes, size: int = 7) -> list[dict[str, Any]]:
    return [profile for some in profiles(chunks(content, size), "part 1") for profile in some]


PACKED = pytest.mark.parametrize("packed", [zipped, gzipped])


@PACKED
@given(files=FILES, size=st.integers(1, 300), ended=st.booleans())
def test_every_line_of_every_file(
    packed: Callable[..., bytes], files: list[list[dict[str, Any]]], size: int, *, ended: bool
) -> None:
    assert read(packed(files, ended=ended), size) == [profile for some in files for profile in some]


@PACKED
@given(data=st.data(), files=FILES)
def test_a_truncated_file_is_an_error_wherever_it_is_cut(
    packed: Callable[..., bytes], data: st.DataObject, files: list[list[dict[str, Any]]]
) -> None:
    if packed is gzipped:
        files = files[:1]  # cut between two members it is whole
    content = packed(files)
    # The last bytes of a zip only say how long its comment is.
    cut = data.draw(st.integers(1, len(content) - (18 if packed is zipped else 0) - 1))
    with pytest.raises(BrokenExportFileError, match=r"^part 1 is (truncated|neither a zip nor a gzip file)"):
        read(content[:cut])


@given(content=st.binary(max_size=50) | st.binary(max_size=50).map(lambda tail: b"PK\x03\x04" + tail))
def test_what_is_no_such_file_is_an_error(content: bytes) -> None:
    with pytest.raises(BrokenExportFileError, match=r"^part 1"):
        read(content)


@PACKED
def test_a_damaged_file_is_an_error(packed: Callable[..., bytes]) -> None:
    content = bytearray(packed([[{"braze_id": str(number), "value": number**9} for number in range(300)]]))
    content[len(content) // 2] ^= 0xFF
    with pytest.raises(BrokenExportFileError, match=r"^part 1"):
        read(bytes(content))


@pytest.mark.parametrize(
    ("line", "said"),
    [
        (b'{"braze_id": "secret"', "line 3 is not a profile"),
        (b'["secret"]', "line 3 is not a profile"),
        (b'{"braze_id": "\xff"}', "line 3 is not a profile"),
        (b'{"email": "secret"}', "line 3 is not a profile"),
    ],
)
def test_a_broken_line_is_named_and_not_shown(line: bytes, said: str) -> None:
    whole = lines([{"braze_id": "1"}, {"braze_id": "2"}])
    with pytest.raises(BrokenExportFileError, match=f"^part 1, {said}") as raised:
        read(gzip.compress(whole + line + b"\n" + whole))
    assert "secret" not in str(raised.value)


def test_memory_does_not_grow_with_the_file() -> None:
    import tracemalloc  # noqa: PLC0415 - for this test

    line = json.dumps({"braze_id": "x" * 24, "value": "y" * 200}).encode() + b"\n"
    content = zipped([[{"braze_id": "x" * 24, "value": "y" * 200}] * 40_000] * 3)
    tracemalloc.start()
    try:
        count = sum(len(some) for some in profiles(chunks(content, 65_536), "part 1"))
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert count == 120_000
    assert peak < 0.2 * len(line) * count


HALF = b'{"braze_id": "half", "first_name": "\\ud83d"}'
OLD = b'{"appboy_id": "old", "created_at": "2020-01-01T20:01:33.385Z"}'


@pytest.mark.parametrize("pack", [gzip.compress, lambda text: zipped_text("users.txt", text)])
def test_one_line_costs_no_other(pack: Callable[[bytes], bytes]) -> None:
    odd = [b"[1]", b"7", b"{", b'{"braze_id": 7}', b"[" * 100_000, b'"\xff"']
    lines = [b'{"braze_id": "first"}', HALF, *odd, OLD, b'{"braze_id": "last"}']
    got: list[dict[str, Any]] = []
    with pytest.raises(
        BrokenExportFileError, match=r"^part 1(, file 'users.txt')?, line 3 is not a profile .*6 lines"
    ) as raised:
        collect(profiles([pack(b"\n".join(lines))], "part 1"), got)
    assert [profile["braze_id"] for profile in got] == ["first", "half", "old", "last"]
    assert got[1]["first_name"] == "\ufffd"
    assert "[1]" not in str(raised.value)


@pytest.mark.parametrize("pack", [gzip.compress, lambda text: zipped_text("users.txt", text)])
def test_a_line_without_an_end_is_no_bomb(monkeypatch: pytest.MonkeyPatch, pack: Callable[[bytes], bytes]) -> None:
    monkeypatch.setattr(decoder, "_MOST_LINE", 1_000_000)
    taken = 0

    def watched() -> Iterator[bytes]:
        nonlocal taken
        packed = pack(b'{"braze_id": "a"}\n' + b" " * 50_000_000)
        for at in range(0, len(packed), 1_000):
            taken = at
            yield packed[at : at + 1_000]
        taken = len(packed)

    got: list[dict[str, Any]] = []
    with pytest.raises(BrokenExportFileError, match="line 2 does not end in 1 MB"):
        collect(profiles(watched(), "part 1"), got)
    assert [profile["braze_id"] for profile in got] == ["a"]
    assert taken < 10_000  # of some 50,000


def test_a_hostile_file_name_is_one_line() -> None:
    with pytest.raises(BrokenExportFileError) as raised:
        list(profiles([zipped_text("a\nb\x1b" + "x" * 5_000, b"no profile")], "part 1"))
    assert "\n" not in str(raised.value)
    assert len(str(raised.value)) < 500


def zipped_text(name: str, text: bytes) -> bytes:
    content = io.BytesIO()
    with zipfile.ZipFile(content, "w", zipfile.ZIP_DEFLATED) as file:
        file.writestr(name, text)
    return content.getvalue()


def collect(batches: Iterator[list[dict[str, Any]]], into: list[dict[str, Any]]) -> None:
    for batch in batches:
        into += batch
