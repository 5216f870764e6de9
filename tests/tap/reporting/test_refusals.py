"""Parents that are refused or fail: skipped, named in STATE, caught up with; and permissions that are missing."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from collections.abc import Callable

    from braze_sandbox.testing import Sandbox

    RunTap = Callable[..., Any]

STREAM = "campaigns_analytics"
PATH = "/campaigns/data_series"


def by_key(*runs: Any, stream: str = STREAM) -> dict[tuple[str, str], Any]:
    return {(r["campaign_id"], r["time"]): r for run in runs for r in run.records(stream)}


def refuse(sandbox: Sandbox, parent: str, **more: Any) -> None:
    sandbox.fault(path=PATH, query={"campaign_id": parent}, do="status", **{"status": 400} | more)


def asked(sandbox: Sandbox, parent: str) -> int:
    return len([r for r in sandbox.requests if r.path == PATH and r.query["campaign_id"] == parent])


def test_a_refused_parent_is_named_in_the_state_and_caught_up_with(sandbox: Sandbox, run_tap: RunTap) -> None:
    whole = run_tap(STREAM)
    parent = list(sandbox.workspace.campaigns)[2]
    refuse(sandbox, parent)
    first = run_tap(STREAM, end_date="2026-06-20")
    assert first.exit_code == 0
    assert first.bookmark(STREAM) == "2026-06-19"
    missing = [{"campaign_id": parent, "first": "2026-03-01", "last": "2026-06-19"}]
    assert first.state["bookmarks"][STREAM]["missing"] == missing
    second = run_tap(STREAM, state=first.state)
    assert second.state["bookmarks"][STREAM]["missing"] == [
        {"campaign_id": parent, "first": "2026-03-01", "last": "2026-06-30"}
    ]
    sandbox.clear_faults()
    third = run_tap(STREAM, state=second.state)
    assert third.state == whole.state
    assert by_key(first, second, third) == by_key(whole)
    assert len(third.records(STREAM)) == len({(r["campaign_id"], r["time"]) for r in third.records(STREAM)})
    # The others are not read again for that.
    assert len(third.records(STREAM)) == 122 + 4 * 15


def test_a_parent_that_is_refused_for_ever_costs_one_request_a_run(sandbox: Sandbox, run_tap: RunTap) -> None:
    parent = next(iter(sandbox.workspace.campaigns))
    refuse(sandbox, parent)
    state = run_tap(STREAM).state
    before = asked(sandbox, parent)
    again = run_tap(STREAM, state=state)
    assert asked(sandbox, parent) == before + 1
    assert again.state == state


def test_only_the_windows_that_were_refused_are_missing(sandbox: Sandbox, run_tap: RunTap) -> None:
    whole = run_tap(STREAM, start_date="2025-12-01")
    parent = next(iter(sandbox.workspace.campaigns))
    refuse(sandbox, parent, after=1, times=1)
    first = run_tap(STREAM, start_date="2025-12-01", concurrency=1)
    (missing,) = first.state["bookmarks"][STREAM]["missing"]
    assert missing == {"campaign_id": parent, "first": "2026-03-10", "last": "2026-06-16"}
    second = run_tap(STREAM, start_date="2025-12-01", state=first.state)
    assert second.state == whole.state
    assert by_key(first, second) == by_key(whole)


def test_the_state_has_eight_letters_for_each_parent(sandbox: Sandbox, run_tap: RunTap) -> None:
    few = run_tap(STREAM).state
    campaign = next(iter(sandbox.workspace.campaigns.values()))
    for number in range(100):
        sandbox.workspace.campaigns[f"c-{number}"] = replace(campaign, id=f"c-{number}")
    assert len(json.dumps(run_tap(STREAM).state)) == len(json.dumps(few)) + 800


def test_a_parent_that_keeps_failing_fails_the_run_at_its_end(sandbox: Sandbox, run_tap: RunTap) -> None:
    streams = (STREAM, "kpi_daily_new_users")
    whole = run_tap(*streams, start_date="2025-12-01")
    parent = list(sandbox.workspace.campaigns)[2]
    refuse(sandbox, parent, status=503, after=1)
    run = run_tap(*streams, start_date="2025-12-01")
    assert run.exit_code == 1
    assert len(run.errors) == 1
    assert f"stream '{STREAM}': campaign_id '{parent}' failed" in run.errors[0]
    assert "HTTP 503" in run.errors[0]
    # The others were done, and so were the other streams; but the bookmark did not pass the window.
    assert by_key(run) == {key: r for key, r in by_key(whole).items() if key[0] != parent or key[1] < "2026-03-10"}
    assert run.records("kpi_daily_new_users") == whole.records("kpi_daily_new_users")
    assert run.bookmark(STREAM) == "2026-03-09"
    sandbox.clear_faults()
    again = run_tap(*streams, state=run.state, start_date="2025-12-01")
    assert again.exit_code == 0
    assert by_key(run, again) == by_key(whole)
    assert again.state == whole.state


@pytest.mark.parametrize("missing", [5, [5], [{"campaign_id": "x", "first": "soon", "last": "late"}]])
def test_a_state_that_was_written_by_hand(run_tap: RunTap, missing: Any) -> None:
    bookmark = {"replication_key": "time", "replication_key_value": "2026-06-30", "missing": missing}
    run = run_tap(STREAM, state={"bookmarks": {STREAM: bookmark}})
    assert run.exit_code == 1
    assert f"stream '{STREAM}': 'missing' in the state is malformed" in run.errors[0]


def test_a_refused_detail_is_read_when_it_answers_again(sandbox: Sandbox, run_tap: RunTap) -> None:
    parent = next(iter(sandbox.workspace.campaigns))
    sandbox.fault(path="/campaigns/details", query={"campaign_id": parent}, do="status", status=404)
    first = run_tap("campaigns_details")
    assert first.exit_code == 0
    assert len(first.records("campaigns_details")) == 4
    assert first.state["bookmarks"]["campaigns_details"]["missing"] == [parent]
    sandbox.clear_faults()
    second = run_tap("campaigns_details", state=first.state)
    assert parent in {record["campaign_id"] for record in second.records("campaigns_details")}
    assert "missing" not in second.state["bookmarks"]["campaigns_details"]


@pytest.mark.parametrize(
    ("kind", "path", "key"),
    [
        ("email_templates", "/templates/email/info", "email_template_id"),
        ("content_blocks", "/content_blocks/info", "content_block_id"),
    ],
)
def test_refused_details_of_templates_are_read_when_they_answer_again(
    sandbox: Sandbox, run_tap: RunTap, kind: str, path: str, key: str
) -> None:
    stream = f"{kind}_details"
    listed = [record[key] for record in run_tap(kind, start_date="2015-01-01").records(kind)]
    sandbox.fault(path=path, query={key: listed[0]}, do="status", status=404)
    first = run_tap(stream, start_date="2015-01-01")
    assert first.exit_code == 0
    assert {record[key] for record in first.records(stream)} == {*listed[1:]}
    assert first.state["bookmarks"][stream]["missing"] == [listed[0]]
    sandbox.clear_faults()
    second = run_tap(stream, start_date="2015-01-01", state=first.state)
    assert listed[0] in {record[key] for record in second.records(stream)}
    assert "missing" not in second.state["bookmarks"][stream]


@pytest.mark.parametrize(
    ("lacks", "stream"),
    [
        ("campaigns.data_series", STREAM),
        ("campaigns.list", STREAM),
        ("campaigns.details", "campaigns_details"),
        ("campaigns.list", "campaigns"),
    ],
)
def test_a_permission_that_is_missing_may_be_skipped(
    sandbox: Sandbox, run_tap: RunTap, *, lacks: str, stream: str
) -> None:
    permissions = {"campaigns.list", "campaigns.details", "campaigns.data_series", "kpi.mau.data_series"}
    sandbox.add_key("k-2", permissions=sorted(permissions - {lacks}))
    run = run_tap(stream, "kpi_monthly_active_users", api_key="k-2", on_missing_permission="skip")
    assert run.exit_code == 0, run.stderr
    assert run.records(stream) == []
    assert len(run.records("kpi_monthly_active_users")) == 122
    assert f"permission '{lacks}'" in run.stderr
    assert f"1 streams in total were skipped: {stream}" in run.stderr


def test_a_key_that_nothing_accepts_is_not_skipped(run_tap: RunTap) -> None:
    run = run_tap(STREAM, api_key="nobodys", on_missing_permission="skip")
    assert run.exit_code == 1
    assert "HTTP 401" in run.errors[0]


def test_what_was_refused_is_listed_at_the_end(sandbox: Sandbox, run_tap: RunTap) -> None:
    one, two, *_ = sandbox.workspace.campaigns
    refuse(sandbox, one)
    refuse(sandbox, two)
    run = run_tap(STREAM, "kpi_daily_new_users")
    assert f"2 in total were refused and skipped: campaign_id '{one}'; campaign_id '{two}'" in run.stderr
