"""`--test`: what the key may read, stream by stream."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING, Any

import pytest
from tap_braze.streams import STREAMS
from tap_braze.streams.users.exports import ExportedStream

if TYPE_CHECKING:
    from collections.abc import Callable

    from braze_sandbox.testing import Sandbox

    RunTap = Callable[..., Any]

KEY = "k-3f1c9e"
TEST = ("--test",)
# A try would start an export, or needs a token of its own.
UNTRIED = {
    stream.name: stream.permission
    for stream in STREAMS
    if issubclass(stream, ExportedStream) or stream.permission == "scim"
}
READ_FOR_MESSAGES = {"/campaigns/details", "/canvas/details"}


def lines(run: Any) -> dict[str, str]:
    found = [line.split(maxsplit=1) for line in run.stdout.splitlines() if " of " not in line]
    return {line[0]: line[1] for line in found}


def all_permissions() -> set[str]:
    return {stream.permission for stream in STREAMS}


def test_a_key_that_may_read_everything(sandbox: Sandbox, run_tap: RunTap) -> None:
    run = run_tap(options=TEST)
    assert run.exit_code == 0, run.stderr
    assert list(lines(run)) == [stream.name for stream in STREAMS]
    needing_settings = {
        "sends_analytics",
        "subscription_states",
        "subscription_group_states",
        "sdk_authentication_keys",
        "users_by_id",
    }
    assert {name for name, text in lines(run).items() if text != "readable"} == needing_settings | {*UNTRIED}
    assert {lines(run)[name] for name in needing_settings} == {"readable, though there was nothing to test it with"}
    tried = len(STREAMS) - len(UNTRIED)
    assert run.stdout.splitlines()[-1] == f"{tried} of {tried} streams can be read, {len(UNTRIED)} were not tested"
    asked = Counter(request.path for request in sandbox.requests)
    assert [path for path, times in asked.items() if times > 1 and path not in READ_FOR_MESSAGES] == []


def test_a_large_workspace_is_no_more_work(run_tap: RunTap) -> None:
    from braze_sandbox.testing import Sandbox  # noqa: PLC0415 - at run time here only

    with Sandbox(seed="demo") as large:
        assert run_tap(options=TEST, endpoint=large.url, api_key=large.api_key).exit_code == 0
        assert len(large.requests) < 1.2 * len(STREAMS)


def test_what_is_named_in_settings_is_tried(sandbox: Sandbox, run_tap: RunTap) -> None:
    settings = {
        "subscriptions": {"external_ids": ["u"], "groups": list(sandbox.workspace.subscription_groups)},
        "app_ids": list(sandbox.workspace.apps),
        "send_ids": [
            {"campaign_id": send.campaign_id, "send_id": send.id} for send in sandbox.workspace.sends.values()
        ],
        "users": {"external_ids": ["u"]},
    }
    found = lines(run_tap(options=TEST, **settings))
    assert {text for name, text in found.items() if name not in UNTRIED} == {"readable"}


def test_no_export_is_started(sandbox: Sandbox, run_tap: RunTap) -> None:
    found = lines(run_tap(options=TEST, users={"segment_ids": list(sandbox.workspace.segments)}))
    for name, permission in UNTRIED.items():
        assert found[name].startswith("not tested")
        assert permission in found[name]
    assert [r for r in sandbox.requests if r.path.startswith("/users/export/") and r.path != "/users/export/ids"] == []


@pytest.mark.parametrize("third", range(3))
def test_each_permission_that_is_missing_is_named(sandbox: Sandbox, run_tap: RunTap, third: int) -> None:
    missing = set(sorted(all_permissions())[third::3])
    sandbox.add_key(KEY, permissions=sorted(all_permissions() - missing))
    run = run_tap(options=TEST, api_key=KEY)
    assert run.exit_code == 0, run.stderr
    found = lines(run)
    lacking = {
        stream.name: stream.permission
        for stream in STREAMS
        if stream.permission in missing and stream.name not in UNTRIED
    }
    for name, permission in lacking.items():
        assert f"lacks permission '{permission}' (HTTP 403: " in found[name]
    closed = {name for name, text in found.items() if text.startswith("permitted, but not without")}
    assert {name for name, text in found.items() if not text.startswith("readable")} == {*lacking, *closed, *UNTRIED}
    for name in closed:
        assert found[name].split("'")[1] in lacking


@pytest.mark.parametrize(
    ("stream", "missing", "said"),
    [
        ("hard_bounces", "email.hard_bounces", "stream 'hard_bounces':"),
        ("catalog_items", "catalogs.get_items", "stream 'catalog_items', catalog_name "),
        ("catalog_items", "catalogs.get", "stream 'catalogs' (read for 'catalog_items'):"),
        ("email_templates_details", "templates.email.list", "stream 'email_templates' (read for "),
        ("cdi_sync_runs", "cdi.integration_job_status", "stream 'cdi_sync_runs', integration_id "),
    ],
)
def test_a_run_names_the_permission_and_stops_or_skips(
    sandbox: Sandbox, run_tap: RunTap, stream: str, missing: str, said: str
) -> None:
    sandbox.add_key(KEY, permissions=sorted(all_permissions() - {missing}))
    run = run_tap(stream, "custom_attributes", api_key=KEY, start_date="2024-01-01")
    assert run.exit_code == 1
    assert said in run.errors[0]
    assert f"permission '{missing}'" in run.errors[0]
    skipped = run_tap(stream, "custom_attributes", api_key=KEY, start_date="2024-01-01", on_missing_permission="skip")
    assert skipped.exit_code == 0
    assert f"permission '{missing}'" in skipped.stderr
    assert skipped.records("custom_attributes")


@pytest.mark.parametrize("settings", [{"api_key": KEY}, {"endpoint": "http://localhost:9"}], ids=["key", "host"])
def test_a_wrong_key_or_host_ends_it(run_tap: RunTap, settings: dict[str, str]) -> None:
    run = run_tap(options=TEST, **settings)
    assert run.exit_code == 1
    assert run.stdout == ""
    assert len(run.errors) == 1
    assert "'endpoint'" in run.errors[0]


def test_a_key_that_may_read_nothing(sandbox: Sandbox, run_tap: RunTap) -> None:
    sandbox.add_key(KEY, permissions=["users.track"])
    run = run_tap(options=TEST, api_key=KEY)
    assert run.exit_code == 1
    assert len(lines(run)) == len(STREAMS)
    assert "this key cannot read anything" in run.errors[0]


def test_what_is_refused_or_out_of_order_is_said(sandbox: Sandbox, run_tap: RunTap) -> None:
    sandbox.fault(path="/segments/list", do="status", status=404, body={"message": "Nothing here"})
    sandbox.fault(path="/canvas/data_series", do="status", status=400, body={"message": "Not that one"})
    sandbox.fault(path="/catalogs", do="status", status=503)
    run = run_tap(options=TEST)
    assert run.exit_code == 0
    found = lines(run)
    assert found["segments"] == "not readable: GET /segments/list: HTTP 404: Nothing here"
    assert found["segments_details"] == "permitted, but not without 'segments'"
    assert found["canvases_analytics"].startswith(
        "readable, though Braze refused the test request: GET /canvas/data_series"
    )
    assert "HTTP 503" in found["catalogs"]


def test_no_line_names_a_user(sandbox: Sandbox, run_tap: RunTap) -> None:
    sandbox.fault(path="/subscription/*", do="status", status=400, body={"message": "user-471 is not known"})
    run = run_tap(options=TEST, subscriptions={"external_ids": ["user-471"], "groups": ["g"]})
    assert "user-471" not in run.stdout + run.stderr
    assert lines(run)["subscription_states"] == "not readable: GET /subscription/user/status: HTTP 400"


def test_the_schemas_alone_need_no_request(sandbox: Sandbox, run_tap: RunTap) -> None:
    run = run_tap(options=("--test=schema",))
    assert run.exit_code == 0
    assert {message["type"] for message in run.messages} == {"SCHEMA"}
    assert sandbox.requests == []
