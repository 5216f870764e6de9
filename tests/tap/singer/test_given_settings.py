"""Settings as users and Meltano give them: names that do not exist, and nested values as text."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tap_braze.settings.given import parsed

if TYPE_CHECKING:
    from collections.abc import Callable

    from braze_sandbox.testing import Sandbox

    from tests.tap.support.singer import Run

    RunTap = Callable[..., Run]


@pytest.mark.parametrize(
    ("settings", "error"),
    [
        ({"start_dat": "2026-01-01"}, "setting 'start_dat' does not exist; did you mean 'start_date'?"),
        ({"zzz": 1}, "setting 'zzz' does not exist"),
        ({"users": {"segments_ids": []}}, "setting 'users.segments_ids' does not exist; did you mean 'segment_ids'?"),
        (
            {"scheduled_broadcasts": {"zzz": 1}},
            "setting 'scheduled_broadcasts.zzz' does not exist; valid names are days",
        ),
        (
            {"send_ids": [{"campaign_id": "c", "send_id": "s", "sendid": "t"}]},
            "setting 'send_ids[0].sendid' does not exist; did you mean 'send_id'?",
        ),
        (
            {"currents": {"url": "file:///tmp", "event_typs": ["*"]}},
            "setting 'currents.event_typs' does not exist; did you mean 'event_types'?",
        ),
    ],
)
def test_an_unknown_setting_stops_the_run(
    sandbox: Sandbox, run_tap: RunTap, settings: dict[str, Any], error: str
) -> None:
    run = run_tap(catalog={"streams": []}, **settings)
    assert run.exit_code == 1
    assert run.errors == [error]
    assert not sandbox.requests


def test_settings_of_the_sdk_and_meltano_are_known(run_tap: RunTap) -> None:
    run = run_tap(
        "segments", stream_maps={"segments": {"x": "1"}}, flattening_enabled=False, batch_config=None, _select=["*.*"]
    )
    assert run.exit_code == 0, run.stderr
    assert all("x" in record for record in run.records("segments"))
    assert run_tap("segments", add_record_metadata=False, default_target_schema="x").exit_code == 0


def test_nested_settings_may_be_text(sandbox: Sandbox, run_tap: RunTap) -> None:
    (segment, *_) = sandbox.workspace.segments
    run = run_tap(
        "users",
        "scheduled_broadcasts",
        include_profiles="true",
        users={"segment_ids": json.dumps([segment]), "export_timeout": "60"},
        scheduled_broadcasts={"days": "30"},
    )
    assert run.exit_code == 0, run.stderr
    exports = [request for request in sandbox.requests if request.path == "/users/export/segment"]
    assert len(exports) == 1


@pytest.mark.parametrize("text", ["", "ten", "1.5", "true", "[]", "NaN", "Infinity"])
def test_text_of_another_type_is_named(run_tap: RunTap, text: str) -> None:
    run = run_tap(catalog={"streams": []}, scheduled_broadcasts={"days": text})
    assert run.exit_code == 1
    assert "setting 'scheduled_broadcasts.days'" in run.errors[0]


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
)


@given(JSON)
def test_what_allows_text_keeps_text(value: Any) -> None:
    text = json.dumps(value)
    assert parsed(text, {"type": ["string", "null"]}) == text


@given(st.lists(st.integers()))
def test_a_list_is_the_same_as_text_in_text_or_as_it_is(numbers: list[int]) -> None:
    schema = {"type": ["array", "null"], "items": {"type": "integer"}}
    given_as = [numbers, json.dumps(numbers), [str(number) for number in numbers], json.dumps([*map(str, numbers)])]
    assert all(parsed(each, schema) == numbers for each in given_as)


@pytest.mark.parametrize(
    ("variable", "error"),
    [
        (
            "TAP_BRAZE_ENDDATE",
            "environment variable TAP_BRAZE_ENDDATE is no setting; did you mean TAP_BRAZE_END_DATE? If not, unset it",
        ),
        ("TAP_BRAZE_INCLUDE_PROFILE", "did you mean TAP_BRAZE_INCLUDE_PROFILES?"),
        ("TAP_BRAZE_LOOKBACK_DAYS", "is set, but the environment is not read: add --config=ENV"),
        (
            "TAP_BRAZE_USERS_SEGMENT_IDS",
            "names a part of setting 'users': set TAP_BRAZE_USERS to the whole setting as JSON, with --config=ENV",
        ),
    ],
)
def test_a_variable_that_means_a_setting_stops_the_run(
    sandbox: Sandbox, run_tap: RunTap, variable: str, error: str
) -> None:
    run = run_tap(catalog={"streams": []}, env={variable: "5"})
    assert run.exit_code == 1
    assert len(run.errors) == 1
    assert error in run.errors[0]
    assert not sandbox.requests


def test_variables_of_others_are_left_alone(run_tap: RunTap) -> None:
    others = {
        "TAP_BRAZE_SERVICE_HOST": "10.0.0.1",  # Kubernetes
        "TAP_BRAZE_LOGLEVEL": "info",  # the SDK
        "TAP_BRAZE__SELECT": '["*.*"]',  # Meltano, also the next three
        "TAP_BRAZE_EU_END_DATE": "2026-01-01",
        "TAP_BRAZE_USERS": "{}",
        "TAP_BRAZE_USERS_SEGMENT_IDS": '["a"]',
    }
    assert run_tap("segments", users={"segment_ids": ["a"]}, env=others).exit_code == 0
