"""A warning if text looks like numbers, booleans or dates, because Braze fixes the type with the first value."""

from __future__ import annotations

import csv
import json
from datetime import timezone
from typing import TYPE_CHECKING, Any

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st
from target_braze.mapping.values.nested import Place, compile_value
from target_braze.mapping.values.schemas import TYPES
from target_braze.preview.likely_types import SAMPLE, LikelyTypes

from tests.target.support.singer import INTEGER, TEXT, TIME, Run, Stream, customers, lines, run_cli, the

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from braze_sandbox.testing import Sandbox

RECORD = {
    "external_id": "c-1",
    "points": "120",
    "active": "true",
    "signup": "2026-01-02",
    "price": "9.50",
    "plan": "9x",
}
COLUMNS = dict.fromkeys(("points", "active", "signup", "price", "plan"), TEXT)
TYPED = {"points": "integer", "active": "boolean", "signup": "date", "price": "number"}


def found(run: Run) -> list[str]:
    return [line for line in run.warnings if "looks like numbers, booleans or dates" in line]


def pasted(warning: str) -> dict[str, str]:
    """Return the types that a warning says to write, read as YAML."""
    types: dict[str, str] = yaml.safe_load(f"{{{warning.partition('types: {')[2].partition('}')[0]}}}")
    return types


def test_a_run_warns_and_what_it_says_to_write_settles_it(run_target: Callable[..., Run], sandbox: Sandbox) -> None:
    people = customers(RECORD, **COLUMNS)
    (warning,) = found(run_target(people))
    assert "stream 'customers': text in its first record looks" in warning
    assert "streams.customers.types: {" in warning
    assert pasted(warning) == TYPED
    assert not any(value in warning for value in ("120", "2026", "9.50"))
    sandbox.reset()  # which has fixed the types too
    assert found(run_target(people, streams={"customers": {"types": pasted(warning)}})) == []
    profile = the(sandbox.profile("c-1"))
    assert (profile.custom_attributes["points"], profile.custom_attributes["active"]) == (120, True)
    as_text = {"types": dict.fromkeys(TYPED, "string")}
    assert found(run_target(people, streams={"customers": as_text})) == []


def test_a_dry_run_and_explain_warn_too(tmp_path: Path) -> None:
    path = tmp_path / "config.json"
    path.write_text(json.dumps({"dry_run": True}))
    people = lines(customers(RECORD, RECORD, **COLUMNS))
    for command in ([], ["explain", "--records", "1"]):
        (warning,) = found(run_cli([*command, "--config", str(path)], people))
        assert "first 2 records" in warning
        assert pasted(warning) == TYPED


def test_it_finds_the_types_that_the_demo_declares_by_hand(root: Path, tmp_path: Path) -> None:
    project = yaml.safe_load((root / "meltano.yml").read_text("utf-8"))
    (target,) = (one for one in project["plugins"]["loaders"] if one["name"] == "target-braze")
    declared: dict[str, Any] = target["config"]["streams"]["customers"]
    with (root / "demo" / "data" / "customers.csv").open(encoding="utf-8") as file:
        rows = list(csv.DictReader(file))
    path = tmp_path / "config.json"
    path.write_text(json.dumps({"dry_run": True, "streams": {"customers": {**declared, "types": {}}}}))
    run = run_cli(["--config", str(path)], lines(Stream("customers", dict.fromkeys(rows[0], TEXT), rows)))
    (warning,) = found(run)
    assert pasted(warning) == declared["types"]


def test_a_long_stream_warns_once_and_arrives_whole(run_target: Callable[..., Run], sandbox: Sandbox) -> None:
    rows = [{"external_id": f"c-{n}", "points": str(n)} for n in range(1, 3 * SAMPLE)]
    people = customers(*rows, points=TEXT)
    run = run_target(people, people.schema, *map(people.record, rows))
    (warning,) = found(run)
    assert f"first {SAMPLE:,} records" in warning
    assert run.summary["total"]["sent"] + run.summary["total"]["coalesced"] == 2 * len(rows)
    assert all(the(sandbox.profile(row["external_id"])).custom_attributes["points"] == row["points"] for row in rows)


def test_a_stream_that_fails_warns_before_it_ends(run_target: Callable[..., Run]) -> None:
    run = run_target(customers(RECORD, {"external_id": None}, **COLUMNS), expect=1)
    assert len(found(run)) == 1


def test_fields_of_a_catalog_count_too(run_target: Callable[..., Run], sandbox: Sandbox) -> None:
    stream = Stream("shops", {"id": TEXT, "stars": TEXT}, [{"id": "s-1", "stars": "4"}], ["id"])
    (warning,) = found(run_target(stream, streams={"shops": {"to": "catalog_items"}}))
    assert pasted(warning) == {"stars": "integer"}
    assert sandbox.requests


@pytest.mark.parametrize(
    ("column", "schema", "values"),
    [
        ("zip", TEXT, ["94107"]),
        ("home_zip_code", TEXT, ["94107"]),
        ("area", TEXT, ["94107", "02134"]),
        ("reached_at", TEXT, ["+4930123456", "+4930123457"]),
        ("reached_at", TEXT, ["4155550123"]),
        ("mobilePhone", TEXT, ["555123"]),
        ("orderID", TEXT, ["17"]),
        ("order_number", TEXT, ["17"]),
        ("app_version", TEXT, ["5.10"]),
        ("size", TEXT, ["f"]),
        ("answer", TEXT, ["no", "no"]),
        ("plan", TEXT, ["1", "gold"]),
        ("plan", TEXT, ["true", "1"]),
        ("amount", TEXT, ["1,000"]),
        ("amount", TEXT, ["1e5"]),
        ("amount", TEXT, ["١٢٣"]),
        ("when", TEXT, ["0000-00-00"]),
        ("when", TEXT, ["9999-12-31"]),
        ("points", TEXT, [None, "", " "]),
        ("points", INTEGER, ["1"]),
        ("points", {"type": ["string", "integer", "null"]}, ["1", 2]),
        ("points", {"type": "string", "format": "singer.decimal"}, ["1.5"]),
        ("when", TIME, ["2026-01-02T03:04:05Z"]),
        ("first_name", TEXT, ["007"]),
        ("language", TEXT, ["no"]),
    ],
)
def test_no_false_alarm(column: str, schema: dict[str, Any], values: list[Any], tmp_path: Path) -> None:
    path = tmp_path / "config.json"
    path.write_text(json.dumps({"dry_run": True}))
    rows = [{"external_id": f"c-{number}", column: value} for number, value in enumerate(values)]
    assert found(run_cli(["--config", str(path)], lines(customers(*rows, **{column: schema})))) == []


@pytest.mark.parametrize(
    ("column", "values", "expected"),
    [
        ("points", ["1", None, "-20", ""], "integer"),
        ("number_of_orders", ["1"], "integer"),
        ("ratio", ["1", "0.5"], "number"),
        ("flag", ["t", "f"], "boolean"),
        ("flag", ["Yes", "no"], "boolean"),
        ("day", ["2026-01-02", "2026-02-03"], "date"),
        ("day", ["2026-01-02", "2026-02-03 00:00:00"], "date-time"),
        ("birth day", ["2026-01-02"], "date"),
    ],
)
def test_what_text_looks_like(column: str, values: list[Any], expected: str) -> None:
    assert guessed(values, column) == {column: expected}


NUMBERS = st.integers(-(10**12), 10**12).map(str) | st.decimals(allow_nan=False, allow_infinity=False).map(str)
WORDS = st.sampled_from(["true", "FALSE", "t", "F", "yes", "no", "Y", "n", "0", "1"])
TIMES = st.dates().map(str) | st.datetimes().map(str) | st.datetimes(timezones=st.just(timezone.utc)).map(str)
OTHERS = st.text(max_size=12) | st.from_regex(r"[+-]?0?\d{1,16}(\.\d*)?( |[TZ:-]\d*)?", fullmatch=True)


@given(st.one_of(*(st.lists(one, min_size=1, max_size=6) for one in (NUMBERS, WORDS, TIMES, OTHERS, WORDS | NUMBERS))))
def test_a_type_that_it_names_takes_every_value_that_it_saw(values: list[str]) -> None:
    for kind in guessed(values, "column").values():
        convert = compile_value(TYPES[kind], Place(timezone.utc, typed_nested_times=True))
        for value in values:
            sent = convert(value)
            assert sent is not None or not value.strip()
            if kind == "integer" and sent is not None:
                # The text says no more than the number: no leading zeros, no plus.
                assert str(sent) == value.strip() or value.strip() == "-0"


PRINTABLE = st.characters(categories=("L", "N", "P", "S", "Zs"))


@given(
    st.text(PRINTABLE, min_size=1, max_size=8)
    | st.sampled_from(["no", "Yes", "on", "NULL", "n", "true", "~", "1", "a b"])
)
def test_any_name_is_a_key_of_the_line_to_paste(column: str) -> None:
    notices: list[str] = []
    types = LikelyTypes([column], "streams.s", timezone.utc, notices.append)
    types.see({column: "true"})
    types.report()
    line = notices[0].partition("types: ")[2].rpartition(", with string")[0]
    assert yaml.safe_load(line) == {column: "boolean"}


def guessed(values: list[Any], column: str) -> dict[str, str]:
    notices: list[str] = []
    types = LikelyTypes([column], "streams.s", timezone.utc, notices.append)
    for value in values:
        types.see({column: value})
    types.report()
    types.report()
    return pasted(notices[0]) if notices else {}
