"""Whatever a stream holds: each column of a record is sent, left out by rule, or the record is reported."""

from __future__ import annotations

import json
from datetime import date, datetime, timedelta, timezone
from typing import TYPE_CHECKING, Any
from zoneinfo import ZoneInfo

import pytest
from braze_sandbox.testing import Sandbox
from hypothesis import given, settings
from hypothesis import strategies as st
from target_braze.braze import limits
from target_braze.braze.client import Client
from target_braze.mapping import compile_mapping
from target_braze.mapping.base.stream_mapping import Defaults
from target_braze.records import MappingError, RecordError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from target_braze.mapping.base.stream_mapping import StreamMapping

FORMATS = [{}, {"format": "date-time"}, {"format": "date"}, {"format": "singer.decimal"}]
SCALARS: st.SearchStrategy[Any] = st.one_of(
    st.just({"type": "integer"}),
    st.just({"type": ["number", "null"]}),
    st.just({"type": ["boolean", "null"]}),
    st.sampled_from(FORMATS).map(lambda form: {"type": ["string", "null"], **form}),
    st.just({"type": ["string", "integer"]}),
    st.just({"anyOf": [{"type": "string", "format": "date-time"}, {"type": "null"}]}),
    st.just({}),
)
KEYS = st.text("abcXYZ_-äß09", min_size=1, max_size=6)
SCHEMAS = st.recursive(
    SCALARS,
    lambda inner: st.one_of(
        inner.map(lambda items: {"type": ["array", "null"], "items": items}),
        st.dictionaries(KEYS, inner, max_size=3).map(lambda found: {"type": "object", "properties": found}),
        st.just({"type": ["object", "array"]}),
    ),
    max_leaves=5,
)
TIMES = st.one_of(
    st.datetimes(datetime(1900, 1, 1), datetime(2999, 1, 1), timezones=st.just(timezone.utc)).map(  # noqa: DTZ001
        datetime.isoformat
    ),
    st.datetimes(datetime(1900, 1, 1), datetime(2999, 1, 1)).map(str),  # noqa: DTZ001
    st.dates(date(1900, 1, 1), date(9999, 12, 31)).map(str),
)
LEAVES: st.SearchStrategy[Any] = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(-(2**70), 2**70),
    st.floats(allow_nan=False, allow_infinity=False),
    st.text(st.characters(codec="utf-8", exclude_characters="\x00"), max_size=20),
    st.text("x", min_size=250, max_size=260),
    TIMES,
    st.sampled_from(["17", "1.5", "true", "", " ", "12/1/2021", "NaN", "{}", "[]"]),
)
VALUES = st.recursive(
    LEAVES,
    lambda inner: st.one_of(
        st.lists(inner, max_size=4),
        st.dictionaries(st.one_of(KEYS, st.sampled_from(["inc", "add", "a b", "$time", "a.b"])), inner, max_size=3),
    ),
    max_leaves=8,
)
# What Braze does to text from any sender, and the target reports.
NOTED = {"a string that looks like a date became a time", "a time without offset is read as UTC"}


def fitting(schema: dict[str, Any]) -> st.SearchStrategy[Any]:
    """Values, mostly such as the schema allows."""
    kinds = schema.get("type", [])
    kind = kinds if isinstance(kinds, str) else next(iter(kinds), None)
    right: dict[Any, st.SearchStrategy[Any]] = {
        "integer": st.integers(-(2**40), 2**40),
        "number": st.floats(-1e9, 1e9),
        "boolean": st.booleans(),
        "string": TIMES if schema.get("format") in {"date", "date-time"} else st.text("abc ", max_size=9),
    }
    if kind == "array" and "items" in schema:
        right["array"] = st.lists(fitting(schema["items"]), max_size=4)
    if kind == "object" and "properties" in schema:
        right["object"] = st.fixed_dictionaries({}, optional={k: fitting(v) for k, v in schema["properties"].items()})
    return st.one_of(right[kind], right[kind], VALUES) if kind in right else VALUES


@st.composite
def streams(draw: st.DrawFn, *, least: int = 1) -> tuple[dict[str, Any], list[dict[str, Any]]]:
    columns = draw(st.dictionaries(st.text("abcdef", min_size=1, max_size=4), SCHEMAS, min_size=least, max_size=4))
    rows = st.fixed_dictionaries({}, optional={name: fitting(schema) for name, schema in columns.items()})
    return columns, draw(st.lists(rows, min_size=1, max_size=4))


@pytest.fixture(scope="module")
def braze() -> Iterator[tuple[Sandbox, Client]]:
    with Sandbox(seed="empty") as sandbox:
        yield sandbox, Client(sandbox.url, sandbox.api_key)


def mapping_of(
    columns: dict[str, Any],
    *,
    unset: bool,
    notice: Callable[[str], None] = lambda _text: None,
    on_bad_value: str = "reject",
    **entry: Any,
) -> StreamMapping:
    defaults = Defaults(
        app_id=None,
        unset_nulls=unset,
        update_existing_only=False,
        zone=ZoneInfo("Asia/Kolkata"),
        on_bad_value=on_bad_value,
    )
    schema = {"type": "object", "properties": {"external_id": {"type": "string"}, **columns}}
    return compile_mapping("s", schema, entry, defaults, notice)


@settings(max_examples=120)
@given(stream=streams(), unset=st.booleans())
def test_an_attribute_is_stored_or_left_out_by_rule_or_its_record_reported(
    braze: tuple[Sandbox, Client],
    stream: tuple[dict[str, Any], list[dict[str, Any]]],
    unset: bool,  # noqa: FBT001
) -> None:
    sandbox, client = braze
    sandbox.reset()
    columns, records = stream
    try:
        mapping = mapping_of(columns, unset=unset)
    except MappingError as wrong:
        assert "arrays of arrays" in str(wrong)  # noqa: PT017
        return
    kinds: dict[str, set[type]] = {name: set() for name in columns}
    for record in records:
        try:
            [change] = mapping.changes({"external_id": "c-1", **record})
        except RecordError as wrong:
            assert any(f"column '{name}'" in str(wrong) for name in record)  # noqa: PT017
            continue
        for name, value in record.items():
            found = change.fields.get(name, "left out")
            if found == "left out" or found is None:
                assert value is None or (isinstance(value, str) and not value.strip())
                assert (found is None) == unset
            else:
                kinds[name].add({bool: bool, int: float}.get(type(found), type(found)))
        body = json.dumps({"attributes": [change.fields]}, allow_nan=False).encode()
        answer = client.request("POST", "/users/track", body=body).json()
        assert "errors" not in answer
    for violation in sandbox.violations:
        assert not any(word in violation["reason"] for word in ("discards", "nested key", "not stored", "loses")), (
            violation
        )
    for name, found_kinds in kinds.items():
        # Columns of one type, that is: "anything" and "object or array" are the source's choice.
        if columns[name].get("type") not in (None, ["object", "array"]):
            assert len(found_kinds) <= 1
            odd = [v for v in sandbox.violations if v["path"].split(".")[-1] == name and v["reason"] not in NOTED]
            nested = "array" in columns[name]["type"] or "object" in columns[name]["type"]
            assert nested or not odd


@settings(max_examples=150)
@given(stream=streams(), unset=st.booleans(), to=st.sampled_from(["attributes", "events"]))
def test_a_record_goes_without_what_rejects_it_and_nothing_else(
    stream: tuple[dict[str, Any], list[dict[str, Any]]],
    unset: bool,  # noqa: FBT001
    to: str,
) -> None:
    columns, records = stream
    columns = {f"{name}_": schema for name, schema in columns.items()}
    parts = {"name": "e", "time": "2026-03-04T12:00:00Z"} if to == "events" else {}
    both = columns | {name: {"type": "string"} for name in parts}
    notices: list[str] = []
    try:
        strict = mapping_of(both, unset=unset, to=to)
    except MappingError:
        return
    lenient = mapping_of(both, unset=unset, to=to, on_bad_value="drop_field", notice=notices.append)
    for record in records:
        notices.clear()
        row = {"external_id": "c-1", **parts, **{f"{name}_": value for name, value in record.items()}}
        [change] = lenient.changes(row)
        dropped = {name for name in columns if any(text.startswith(f"column '{name}' is left out") for text in notices)}
        if not dropped:
            assert strict.changes(row)[0].fields == change.fields
            continue
        with pytest.raises(RecordError):
            strict.changes(row)
        left = {name: value for name, value in row.items() if name not in dropped}
        assert strict.changes(left)[0].fields == change.fields


@settings(max_examples=120)
@given(stream=streams(), purchase=st.booleans(), spread=st.booleans())
def test_a_property_is_stored_or_left_out_by_rule_or_its_record_reported(
    braze: tuple[Sandbox, Client],
    stream: tuple[dict[str, Any], list[dict[str, Any]]],
    purchase: bool,  # noqa: FBT001
    spread: bool,  # noqa: FBT001
) -> None:
    sandbox, client = braze
    sandbox.reset()
    columns, records = stream
    text = {"type": "string"}
    parts: dict[str, Any] = {"time": "2026-03-04T12:00:00"}
    parts |= {"product_id": "p", "price": "1.5", "currency": "EUR"} if purchase else {"name": "e"}
    inner = {"properties": {"type": "object", "properties": columns}} if spread else columns
    kind = "purchases" if purchase else "events"
    mapping = mapping_of(dict.fromkeys(parts, text) | inner, unset=True, to=kind)
    for record in records:
        row = {"properties": record} if spread else record
        try:
            [change] = mapping.changes({"external_id": "c-1", **parts, **row})
        except RecordError as wrong:
            assert any(f"column '{name}'" in str(wrong) or f"property '{name}'" in str(wrong) for name in record)  # noqa: PT017
            continue
        found = change.fields.get("properties", {})
        assert {name for name, value in record.items() if name not in found} <= {
            name for name, value in record.items() if value is None or (isinstance(value, str) and not value.strip())
        }
        answer = client.request("POST", "/users/track", body=json.dumps({kind: [change.fields]}).encode()).json()
        assert "errors" not in answer
    assert {v["reason"] for v in sandbox.violations} <= {"an object in purchase properties is stored as a string"}


NAMES = st.one_of(
    st.sampled_from(sorted({*limits.CONTROL_KEYS, *limits.RESERVED_PURCHASE_PROPERTIES, "email", "dob", "Email"})),
    st.text(max_size=5),
    st.text("x", min_size=250, max_size=260),
)


@settings(max_examples=150)
@given(names=st.lists(NAMES, max_size=4, unique=True), rename=st.dictionaries(NAMES, NAMES, max_size=2))
def test_no_name_is_sent_that_commands_braze_or_that_it_would_change(
    braze: tuple[Sandbox, Client], names: list[str], rename: dict[str, str]
) -> None:
    sandbox, client = braze
    sandbox.reset()
    columns = {name: {"type": "string"} for name in names if name not in {"external_id", "braze_id", "phone"}}
    renames = {column: name for column, name in rename.items() if column in columns and name}
    try:
        mapping = mapping_of(columns, unset=False, rename=renames, user=[{"external_id": "external_id"}])
    except MappingError as error:
        assert str(error).startswith("stream 's': ")  # noqa: PT017
        return
    [change] = mapping.changes({"external_id": "c-1", **dict.fromkeys(columns, "")})
    assert not change.fields.keys() & (limits.CONTROL_KEYS - {"external_id"})
    answer = client.request("POST", "/users/track", body=json.dumps({"attributes": [change.fields]}).encode()).json()
    assert "errors" not in answer
    assert {v["reason"] for v in sandbox.violations} <= {"a standard field in another case is a custom attribute"}


@given(st.datetimes(datetime(1900, 1, 1), datetime(2999, 1, 1)), st.integers(-14 * 60, 14 * 60))  # noqa: DTZ001
def test_a_moment_is_the_same_moment_in_braze(moment: datetime, offset: int) -> None:
    zoned = moment.replace(tzinfo=timezone(timedelta(minutes=offset)))
    mapping = mapping_of({"at": {"type": "string", "format": "date-time"}}, unset=False)
    for text in (zoned.isoformat(), str(zoned), zoned.astimezone(timezone.utc).isoformat().replace("+00:00", "Z")):
        sent = mapping.changes({"external_id": "c-1", "at": text})[0].fields["at"]
        assert datetime.fromisoformat(sent) == zoned
