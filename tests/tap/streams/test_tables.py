"""What loaders need of every stream: names that fit, keys that have a value, arrays with typed items."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tap_braze.currents.schemas import EVENT_TYPES, LONGEST_NAME, stream_name
from tap_braze.singer.tap import TapBraze

from tests.tap.support.currents import OPEN, OPENS, Bucket, events, ids

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from braze_sandbox.testing import Sandbox

    RunTap = Callable[..., Any]


@pytest.fixture
def bucket(tmp_path: Path) -> Bucket:
    folder = tmp_path / "bucket"
    folder.mkdir()
    return Bucket(folder)


def nodes(node: dict[str, Any]) -> Iterator[dict[str, Any]]:
    """A schema and all schemas in it."""
    yield node
    inner = [*node.get("properties", {}).values(), node.get("items"), node.get("additionalProperties")]
    for each in inner:
        if isinstance(each, dict):
            yield from nodes(each)


def test_loaders_take_the_names_keys_and_arrays_of_every_stream(bucket: Bucket) -> None:
    bucket.write(events("a"))
    catalog = TapBraze(config=bucket.settings(event_types=[]) | {"app_ids": ["a"]}, setup_mapper=False).catalog_dict
    streams = {entry["tap_stream_id"]: entry for entry in catalog["streams"]}
    assert {stream_name(event_type) for event_type in EVENT_TYPES} < streams.keys()
    assert len({name.lower() for name in streams}) == len(catalog["streams"])
    for name, entry in streams.items():
        properties = entry["schema"]["properties"]
        assert len(name.encode()) <= LONGEST_NAME
        assert not [column for column in properties if len(column.encode()) > LONGEST_NAME]
        assert len({column.lower() for column in properties}) == len(properties)
        assert entry["key_properties"]
        for key in entry["key_properties"]:
            assert "null" not in properties[key]["type"], (name, key)
            assert key in entry["schema"]["required"], (name, key)
        for node in nodes(entry["schema"]):
            assert "array" not in node.get("type", ()) or node["items"].get("type"), (name, node)


@given(st.text(min_size=1), st.text(min_size=1))
def test_long_event_types_have_names_of_their_own(one: str, other: str) -> None:
    long = "users.behaviors.liveactivity.push." * 2
    names = {stream_name(long + each) for each in (one, other)}
    assert all(len(name.encode()) <= LONGEST_NAME for name in names)
    assert len(names) == len({one, other})


def test_event_types_that_differ_by_case_only_are_one_stream(bucket: Bucket, run_tap: RunTap) -> None:
    bucket.write(events("a"), event_type="users.new.Wave")
    bucket.write(events("b"), event_type="users.new.wave")
    bucket.write(events("c"), event_type=OPEN)
    bucket.write(events("d"), event_type=OPEN.lower())
    run = run_tap("currents_users_new_wave", OPENS, **bucket.settings(event_types=[]))
    assert run.exit_code == 0, run.stderr
    assert sorted(ids(run, "currents_users_new_wave")) == ["a", "b"]
    assert sorted(ids(run, OPENS)) == ["c", "d"]


def test_event_types_whose_names_are_one_have_streams_of_their_own(bucket: Bucket) -> None:
    bucket.write(events("a"), event_type="users.new.wave")
    bucket.write(events("b"), event_type="users.new_wave")
    catalog = TapBraze(config=bucket.settings(event_types=["users.new*"]), setup_mapper=False).catalog_dict
    names = [entry["tap_stream_id"] for entry in catalog["streams"] if "wave" in entry["tap_stream_id"]]
    assert len(set(names)) == 2
    assert "currents_users_new_wave" in names


@pytest.mark.parametrize("reason", [{}, {"reason": None}, {"reason": ""}])
def test_a_key_without_a_value_has_a_placeholder(sandbox: Sandbox, run_tap: RunTap, reason: dict[str, Any]) -> None:
    row = {"phone": "+15550100", "invalid_detected_at": "2026-06-30 10:00:00 UTC", **reason}
    sandbox.fault(path="/sms/invalid_phone_numbers", do="status", status=200, body={"sms": [row], "message": "success"})
    run = run_tap("invalid_phone_numbers", start_date="2026-06-30")
    assert {record["reason"] for record in run.records("invalid_phone_numbers")} == {"(none)"}
