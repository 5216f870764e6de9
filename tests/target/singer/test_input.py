"""Input byte by byte: STATE that passes through, lines that are not JSON, hundreds of streams."""

from __future__ import annotations

import json
from decimal import Decimal
from io import BytesIO
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from target_braze.damaged_json import DamagedLine, decode_damaged
from target_braze.encode import decode, encode
from target_braze.loader import lines
from target_braze.singer import reader
from target_braze.singer.reader import MessageReader

from tests.target.support.singer import ANY_OBJECT, NUMBER, TEXT, Stream, customers, the

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    import msgspec
    from braze_sandbox.testing import Sandbox

    from tests.target.support.singer import Run

SCHEMA = customers(n=NUMBER, name=TEXT, o=ANY_OBJECT)
DAMAGED = {
    "NaN": b"NaN",
    "Infinity": b"Infinity",
    "-Infinity": b"-Infinity",
    "a lone surrogate": rb'"a\ud800"',
    "half a pair, and a whole one": rb'"\ud83d\ude00\udc00"',
    "bytes that are not UTF-8": b'"\xff"',
    "a surrogate as bytes": b'"\xed\xa0\x80"',
    "a control character": b'"a\tb"',
    "5,000 digits": b"9" * 5000,
    "900 levels": b'{"a":' * 900 + b"1" + b"}" * 900,
    "5,000 levels": b"[" * 5000 + b"]" * 5000,
    "within": rb'{"a": [1, {"b": NaN, "c": "\ud800"}]}',
    "the name of a member": rb'{"\ud800": 1}',
}
COLUMNS = {
    **dict.fromkeys(["NaN", "Infinity", "-Infinity", "5,000 digits"], "n"),
    "900 levels": "o",
    "5,000 levels": "o",
    "within": "o",
    "the name of a member": "o",
}


def record(column: str, value: bytes, user: bytes = b"c-1") -> bytes:
    return b'{"type":"RECORD","stream":"customers","record":{"external_id":"%s","%s":%s}}' % (
        user,
        column.encode(),
        value,
    )


# STATE.


@pytest.mark.parametrize(
    "value",
    [
        b'{"seq":123456789012345678.1234}',
        b'{"a":{"b":[1e400,-1E-400,1.50,1.0e5,0.1000000000000000055511151231257827,-0]}}',
        b'{"id":' + b"9" * 5000 + b"}",
        rb'{"\u00fc": "\u00fc\/", "u": "' + "ü😀".encode() + rb'", "lone": "\ud800"}',
        b'{"n": NaN, "i": [-Infinity]}',
        b'{"not UTF-8": "\xff"}',
        b'{"twice": 1, "twice": 2}',
        b"[ 1 ,\t2 ]",
        b"null",
        b'"text"',
        b'{"a":' * 900 + b"1" + b"}" * 900,
    ],
)
def test_a_state_passes_byte_for_byte(value: bytes, run_target: Callable[..., Run]) -> None:
    run = run_target(customers({"external_id": "c-1"}), b'{"type": "STATE", "value":  ' + value + b" } ")
    assert run.stdout_bytes == value + b"\n"


@given(value=st.recursive(st.floats() | st.integers() | st.text(), st.lists, max_leaves=9))
def test_any_state_passes_byte_for_byte(value: Any) -> None:
    texts = json.dumps(value), json.dumps(value, ensure_ascii=False, separators=(",", ":"))
    found: list[Any] = []
    lines = "".join(f'{{"value":{text},"type":"STATE"}}\n' for text in texts)
    MessageReader().process_lines(BytesIO(lines.encode()), {"STATE": found.append})
    assert [message["value"] for message in found] == [text.encode() for text in texts]


@given(st.from_regex(r"\A-?(0|[1-9][0-9]{0,30})(\.[0-9]{1,30})?([eE][+-]?[0-9]{1,3})?\Z"))
@example("1e400")
@example("0.1e-400")
@example("1e-320")
def test_a_number_of_a_record_means_the_same_when_it_leaves(text: str) -> None:
    again = encode(decode(text.encode())).decode()
    assert Decimal(again) == Decimal(text)


# Lines that are not JSON.


@pytest.mark.parametrize("what", DAMAGED)
def test_a_damaged_value_costs_its_record_alone(
    what: str, run_target: Callable[..., Run], sandbox: Sandbox, tmp_path: Path
) -> None:
    column = COLUMNS.get(what, "name")
    path = tmp_path / "dead.singer"
    given = {"on_error": "dead_letter", "dead_letter_path": str(path)}
    good, bad = record("n", b"1", b"good"), record(column, DAMAGED[what], b"bad")
    run = run_target(SCHEMA, good, bad, record("n", b"2"), b'{"type":"STATE","value":7}', **given)
    assert run.stdout_bytes == b"7\n"
    assert {profile.external_id for profile in sandbox.profiles()} == {"good", "c-1"}
    counts = run.summary["total"]
    assert (counts["read"], counts["sent"], counts["rejected"]) == (3, 2, 1)
    schema, letter = path.read_bytes().splitlines()
    assert json.loads(schema)["type"] == "SCHEMA"
    assert f"'{column}'" in decode_damaged(letter)["dead_letter"]["reason"]
    # As it is, it is rejected again; mended, it goes.
    run = run_target(schema, letter, **given)
    assert run.summary["total"]["rejected"] == 1
    schema, letter = path.read_bytes().splitlines()
    damaged = decode_damaged(letter)
    assert damaged["dead_letter"]["attempt"] == 2
    damaged["record"][column] = None
    run = run_target(schema, encode(damaged), **given)
    assert run.summary["total"]["sent"] == 1
    assert the(sandbox.profile("bad")).external_id == "bad"


@pytest.mark.parametrize("what", DAMAGED)
def test_a_damaged_value_that_ends_the_run_is_named(what: str, run_target: Callable[..., Run]) -> None:
    column = COLUMNS.get(what, "name")
    run = run_target(SCHEMA, record("n", b"1"), record(column, DAMAGED[what]), expect=1)
    [error] = run.errors
    assert f"'{column}'" in error
    assert "stream 'customers', record 2 (external_id=c-1)" in error
    assert "line 3 of the input" in error or what == "900 levels"


@pytest.mark.parametrize("what", ["NaN", "a lone surrogate"])
def test_a_damaged_value_is_rejected_past_stream_maps_too(
    what: str, run_target: Callable[..., Run], tmp_path: Path
) -> None:
    run = run_target(
        SCHEMA,
        record("name", DAMAGED[what]),
        stream_maps={"customers": {"twice": "n", "__alias__": "people"}},
        streams={"people": {}},
        on_error="dead_letter",
        dead_letter_path=str(tmp_path / "dead.singer"),
    )
    assert run.summary["streams"]["people"]["rejected"] == 1


def test_a_stream_that_is_not_loaded_may_be_damaged(run_target: Callable[..., Run]) -> None:
    run_target(SCHEMA, record("n", b"NaN"), stream_maps={"customers": None, "__else__": None})


def test_blank_lines_and_byte_order_marks_are_passed_over(run_target: Callable[..., Run], sandbox: Sandbox) -> None:
    lines = [b"\xef\xbb\xbf" + json.dumps(SCHEMA.schema).encode(), b"", b" \t\r", record("n", b"1") + b"\r"]
    run_target(*lines, b"\xef\xbb\xbf" + record("n", b"2", b"c-2"), b"\xef\xbb\xbf", b"")
    assert {profile.external_id for profile in sandbox.profiles()} == {"c-1", "c-2"}


@pytest.mark.parametrize(
    ("line", "error"),
    [
        (b'{"type":"RECORD","stream":"customers","record":{"external_id":"c-1"', "line 2 of the input is not JSON"),
        (b'{"type":"RECORD","stream":"customers","record":{"n":nan}}', "line 2 of the input is not JSON"),
        (b"[NaN]", "line 2 of the input is not a Singer message"),
        (b'{"type":"SCHEMA","stream":"s","schema":{"properties":{"a":{"default":NaN}}}}', "SCHEMA of stream 's'"),
        (b'{"type":"ACTIVATE_VERSION","stream":"s","version":Infinity}', "ACTIVATE_VERSION of stream 's'"),
        (record("n", b"NaN").replace(b"customers", b"others"), "'others'"),
    ],
)
def test_what_is_no_record_at_all_ends_the_run_also_with_dead_letters(
    line: bytes, error: str, run_target: Callable[..., Run], tmp_path: Path
) -> None:
    given = {"on_error": "dead_letter", "dead_letter_path": str(tmp_path / "dead.singer")}
    assert error in run_target(SCHEMA, line, expect=1, **given).errors[0]


JSON = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**60), 2**60) | st.floats() | st.text(st.characters()),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(st.characters(exclude_categories=["Cs"])), inner),
    max_leaves=12,
)


@settings(max_examples=300)
@given(columns=st.dictionaries(st.sampled_from("abc"), JSON), ascii_only=st.booleans())
def test_damage_is_found_in_its_column_and_nowhere_else(columns: dict[str, Any], ascii_only: bool) -> None:  # noqa: FBT001
    text = json.dumps({"type": "RECORD", "record": columns}, ensure_ascii=ascii_only)
    line = text.encode("utf-8", "surrogatepass")
    found = DamagedLine(line)

    def is_whole(value: Any) -> bool:
        try:
            json.dumps(value, allow_nan=False, ensure_ascii=False).encode()
        except ValueError:
            return False
        return True

    assert {*found.damage} == {name for name, value in columns.items() if not is_whole(value)}
    # What was set aside stands where it stood, so that a letter is damaged in the same places.
    letter = encode(found.message)
    letter.decode()
    assert DamagedLine(letter).damage.keys() == found.damage.keys()
    whole = {name: value for name, value in found.message["record"].items() if name not in found.damage}
    assert whole == {name: value for name, value in columns.items() if name not in found.damage}


# Many streams.


def test_each_stream_has_its_decoder_made_once(run_target: Callable[..., Run], monkeypatch: pytest.MonkeyPatch) -> None:
    made: list[str] = []

    def counted(stream: str, record: type[msgspec.Struct]) -> Callable[[bytes], Any]:
        made.append(stream)
        return make(stream, record)

    make = lines.record_decoder
    monkeypatch.setattr(reader, "record_decoder", counted)
    streams = [
        Stream(f"str\u00e9am {n}", {"external_id": TEXT, "n": NUMBER}, [{"external_id": f"c-{n}", "n": n}])
        for n in range(50)
    ]
    # Each with its SCHEMA and a record in turn, twice: as taps do it that read one page of each.
    run = run_target(*streams, *streams)
    assert run.summary["total"]["sent"] + run.summary["total"]["coalesced"] == 100
    assert sorted(made) == sorted(stream.name for stream in streams)


@pytest.mark.parametrize(
    "line",
    [
        b'{"type":"RECORD","record":{"external_id":"c-1","stream":"customers"}}',
        b'{"record":{"external_id":"c-1","stream":"customers"},"type":"RECORD"}',
    ],
)
def test_a_column_named_stream_does_not_say_whose_record_it_is(line: bytes, run_target: Callable[..., Run]) -> None:
    assert "the RECORD lacks 'stream'" in run_target(customers(stream=TEXT), line, expect=1).errors[0]


def test_a_column_named_stream_may_stand_before_the_stream(run_target: Callable[..., Run], sandbox: Sandbox) -> None:
    events = Stream("others", {"external_id": TEXT, "stream": TEXT})
    line = b'{"record":{"external_id":"c-1","stream":"others"},"type":"RECORD","stream":"customers"}'
    run = run_target(customers(stream=TEXT), events, line)
    assert run.summary["streams"]["customers"]["sent"] == 1
    assert the(sandbox.profile("c-1")).custom_attributes["stream"] == "others"
