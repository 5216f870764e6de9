"""Which events and purchases the ledger takes for one: those that are sent alike, whatever keys and stream maps."""

from __future__ import annotations

import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.target.support.singer import ANY_OBJECT, INTEGER, TEXT, TIME, Run, Stream, sent, the

if TYPE_CHECKING:
    from collections.abc import Callable

    from braze_sandbox.testing import Sandbox

    RunTarget = Callable[..., Run]

AT = "2026-03-04T09:10:11Z"
COLUMNS: dict[str, Any] = {"external_id": TEXT, "name": TEXT, "time": TIME, "url": TEXT, "n": INTEGER}
TO_EVENTS: dict[str, Any] = {"streams": {"web_events": {"to": "events"}}}


def visits(count: int, keys: list[str], **columns: Any) -> Stream:
    records = [
        {"external_id": "c-1", "name": "viewed", "time": AT, "url": f"/{n}", **dict.fromkeys(columns)}
        for n in range(count)
    ]
    return Stream("web_events", {**COLUMNS, **columns}, records, keys)


def seen(sandbox: Sandbox) -> list[str]:
    return sorted(event["properties"]["url"] for event in the(sandbox.profile("c-1")).events)


@pytest.mark.parametrize(
    ("stream", "options"),
    [
        (
            visits(5, ["url"]),
            {"stream_maps": {"web_events": {"event_hash": "md5(url)", "__key_properties__": ["event_hash"]}}},
        ),
        (visits(5, ["id"], id=TEXT), {}),
        (visits(5, ["id"]), {}),
        (
            visits(5, ["meta"], meta=ANY_OBJECT),
            {"flattening_enabled": True, "flattening_max_depth": 2},
        ),
    ],
    ids=["key made by a stream map", "null key", "key that is not there", "null key, flattened"],
)
def test_events_that_differ_are_several_whatever_their_key(
    sandbox: Sandbox, run_target: RunTarget, tmp_path: Path, stream: Stream, options: dict[str, Any]
) -> None:
    for _ in range(2):
        run_target(stream, ledger_path=str(tmp_path / "ledger.sqlite"), **TO_EVENTS, **options)
    assert seen(sandbox) == [f"/{n}" for n in range(5)]


def test_events_with_keys_that_are_not_sent_are_several(
    sandbox: Sandbox, run_target: RunTarget, tmp_path: Path
) -> None:
    record = {"external_id": "c-1", "name": "viewed", "time": AT, "url": "/"}
    stream = Stream("web_events", {**COLUMNS, "id": TEXT}, [{**record, "id": "a"}, {**record, "id": "b"}], ["id"])
    entry = {"streams": {"web_events": {"to": "events", "properties": ["url"]}}}
    for _ in range(2):
        run_target(stream, ledger_path=str(tmp_path / "ledger.sqlite"), **entry)
    assert seen(sandbox) == ["/", "/"]


@pytest.mark.parametrize("kind", ["events", "purchases"])
@pytest.mark.parametrize("first", [{"n": 1}, {"n": "1"}], ids=["fast", "full"])
def test_a_record_is_the_same_event_on_both_paths(
    sandbox: Sandbox, run_target: RunTarget, tmp_path: Path, kind: str, first: dict[str, Any]
) -> None:
    ledger = str(tmp_path / "ledger.sqlite")
    # A part of the key is not sent, and one is missing.
    columns = {**COLUMNS, "product_id": TEXT, "price": {"type": "number"}, "currency": TEXT, "meta": ANY_OBJECT}
    record = {"external_id": "c-1", "name": "viewed", "time": AT, "url": "/", "product_id": "p", "price": 0.1}
    record |= {"currency": "EUR", "meta": {"a": [1, 0.12345678901234567890123]}}
    entry = {"streams": {"web_events": {"to": kind, "flatten": ["meta"], "properties": ["n"]}}}
    last = {"n": 1 if first["n"] == "1" else "1"}
    for one in (first, last, first | {"url": "/other"}):
        stream = Stream("web_events", columns, [record | one], ["url", "missing"])
        run_target(stream, ledger_path=ledger, **entry)
    assert len(sent(sandbox, kind)) == 2


MAPS: tuple[tuple[list[str], dict[str, Any]], ...] = (
    ([], {}),
    (["id"], {}),
    (["id", "url"], {}),
    (["url"], {}),
    (["gone"], {}),
    (["meta"], {"flattening_enabled": True, "flattening_max_depth": 3}),
    (["id"], {"stream_maps": {"web_events": {"hash": "md5(url)", "__key_properties__": ["hash"]}}}),
    (["id"], {"stream_maps": {"web_events": {"same": "'always'", "__key_properties__": ["same"]}}}),
    (["id"], {"stream_maps": {"web_events": {"key": "id", "id": None, "__key_properties__": ["key"]}}}),
)
# What a stream map computes from a column needs that column in every record; the SDK ends the run without it.
COMPUTED_FROM_ID = MAPS[-1]

REQUIRED: dict[str, st.SearchStrategy[Any]] = {
    "external_id": st.sampled_from(["c-1", "c-2"]),
    "name": st.sampled_from(["viewed", "left"]),
    "time": st.sampled_from([AT, "2026-03-04T09:10:12Z"]),
    "url": st.sampled_from(["/", "/a", "/b"]),
}
IDS = st.sampled_from([None, "", " ", "a", "b"])
OPTIONAL: dict[str, st.SearchStrategy[Any]] = {
    "n": st.sampled_from([None, 0, 1]),
    "meta": st.sampled_from([None, {}, {"key": "a"}, {"key": "b", "deep": {"n": 1}}]),
}


@st.composite
def mapped_records(draw: st.DrawFn) -> tuple[list[dict[str, Any]], tuple[list[str], dict[str, Any]]]:
    """Draw a stream map, and records that it can be applied to."""
    mapped = draw(st.sampled_from(MAPS))
    record = (
        st.fixed_dictionaries({**REQUIRED, "id": IDS}, optional=OPTIONAL)
        if mapped is COMPUTED_FROM_ID
        else st.fixed_dictionaries(REQUIRED, optional={**OPTIONAL, "id": IDS})
    )
    return draw(st.lists(record, max_size=20)), mapped


@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(drawn=mapped_records())
def test_two_records_that_differ_in_anything_that_is_sent_are_never_one(
    sandbox: Sandbox,
    run_target: RunTarget,
    drawn: tuple[list[dict[str, Any]], tuple[list[str], dict[str, Any]]],
) -> None:
    records, (keys, options) = drawn
    stream = Stream("web_events", {**COLUMNS, "id": TEXT, "meta": ANY_OBJECT}, records, keys)
    found = []
    with tempfile.TemporaryDirectory() as folder:
        for ledger in (None, str(Path(folder) / "ledger.sqlite")):
            sandbox.reset()
            run_target(stream, ledger_path=ledger, **TO_EVENTS, **options)
            found.append(sent(sandbox, "events"))
    without, within = found
    assert all(event in within for event in without)
