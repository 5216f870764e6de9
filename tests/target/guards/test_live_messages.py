"""A first load names the live campaigns and Canvases that it may start, and stops until they are acknowledged."""

from __future__ import annotations

from datetime import datetime, timezone
from typing import TYPE_CHECKING, Any

import pytest
from braze_sandbox.model.workspace import Campaign, Canvas
from target_braze.guards import live_messages

from tests.target.support.singer import TEXT, Stream, customers, sent, state

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from braze_sandbox.testing import Sandbox

    from tests.target.support.singer import Run

NOW = datetime(2026, 3, 4, tzinfo=timezone.utc)
PERMISSIONS = ("campaigns.list", "campaigns.details", "canvas.list", "canvas.details")


@pytest.fixture
def load(run_target: Callable[..., Run]) -> Callable[..., Run]:
    def load(*messages: Stream | dict[str, Any], **more: Any) -> Run:
        given = messages or (customers({"external_id": "c-1", "plan": "gold"}, plan=TEXT), state(1))
        return run_target(*given, **{"acknowledge_live_campaigns": None, **more})

    return load


def add_campaign(sandbox: Sandbox, name: str, **more: Any) -> None:
    given = {
        "created_at": NOW,
        "updated_at": NOW,
        "channels": [],
        "messages": {},
        "schedule_type": "action_based",
        **more,
    }
    sandbox.workspace.campaigns[name] = Campaign(id=name, name=name, **given)


def add_canvas(sandbox: Sandbox, name: str, **more: Any) -> None:
    given = {"created_at": NOW, "updated_at": NOW, "variants": [], "steps": [], **more}
    sandbox.workspace.canvases[name] = Canvas(id=name, name=name, **given)


def looked(sandbox: Sandbox) -> list[str]:
    return [one.path for one in sandbox.requests if "list" in one.path or "details" in one.path]


@pytest.mark.parametrize("ledger", [True, False])
def test_a_first_load_stops_and_names_what_may_start(
    load: Callable[..., Run],
    sandbox: Sandbox,
    tmp_path: Path,
    ledger: bool,  # noqa: FBT001
) -> None:
    add_campaign(sandbox, "Welcome")
    add_campaign(sandbox, "Newsletter", schedule_type="time_based")
    add_campaign(sandbox, "Receipt", schedule_type="api_triggered", is_api_campaign=True)
    add_campaign(sandbox, "Draft", draft=True)
    add_campaign(sandbox, "Paused", enabled=False)
    add_campaign(sandbox, "Gone", archived=True)
    add_campaign(sandbox, "Unknown", schedule_type="something_new")
    add_canvas(sandbox, "Onboarding")
    run = load(expect=1, ledger_path=str(tmp_path / "ledger.sqlite") if ledger else None)
    (error,) = run.errors
    assert "3 live campaigns and Canvases" in error
    assert all(name in error for name in ("campaign 'Welcome'", "campaign 'Unknown'", "Canvas 'Onboarding'"))
    assert not any(name in error for name in ("Newsletter", "Receipt", "Draft", "Paused", "Gone"))
    assert "acknowledge_live_campaigns" in error
    assert sent(sandbox) == []
    assert run.states == []
    assert "Receipt" not in [one.query.get("campaign_id") for one in sandbox.requests], "API campaigns need no details"


def test_acknowledged_nothing_is_looked_up(load: Callable[..., Run], sandbox: Sandbox) -> None:
    add_campaign(sandbox, "Welcome")
    load(acknowledge_live_campaigns=True)
    assert looked(sandbox) == []


def test_a_workspace_with_nothing_live_needs_no_setting(load: Callable[..., Run], sandbox: Sandbox) -> None:
    add_campaign(sandbox, "Newsletter", schedule_type="time_based")
    assert load().states == [{"bookmarks": 1}]
    assert looked(sandbox) == ["/campaigns/list", "/campaigns/details", "/canvas/list"]


def test_with_a_ledger_only_the_first_load_of_each_stream_is_checked(
    load: Callable[..., Run], sandbox: Sandbox, tmp_path: Path
) -> None:
    ledger = str(tmp_path / "ledger.sqlite")
    load(ledger_path=ledger)
    add_campaign(sandbox, "Welcome")
    load(customers({"external_id": "c-1", "plan": "silver"}, plan=TEXT), ledger_path=ledger)
    events = Stream("visits", {"external_id": TEXT, "name": TEXT, "time": TEXT})
    events.records.append({"external_id": "c-1", "name": "visit", "time": "2026-03-04"})
    run = load(events, ledger_path=ledger, streams={"visits": {"to": "events"}}, expect=1)
    assert run.errors[0].startswith("stream 'visits': ")


def test_a_stopped_first_load_is_still_the_first(load: Callable[..., Run], sandbox: Sandbox, tmp_path: Path) -> None:
    add_campaign(sandbox, "Welcome")
    ledger = str(tmp_path / "ledger.sqlite")
    for _ in range(2):
        assert load(ledger_path=ledger, expect=1).exit_code == 1


def test_one_whose_details_braze_refuses_may_be_live(load: Callable[..., Run], sandbox: Sandbox) -> None:
    add_campaign(sandbox, "Hidden", schedule_type="time_based")
    sandbox.fault(do="status", path="/campaigns/details", status=400, body={"message": "no"})
    assert "campaign 'Hidden'" in load(expect=1).errors[0]


def test_several_processes_look_once(load: Callable[..., Run], sandbox: Sandbox) -> None:
    add_campaign(sandbox, "Welcome")
    run = load(processes=2, expect=1)
    assert "campaign 'Welcome'" in run.errors[0]
    assert looked(sandbox) == ["/campaigns/list", "/campaigns/details", "/canvas/list"]
    assert sent(sandbox) == []


def test_streams_that_start_nothing_are_not_checked(load: Callable[..., Run], sandbox: Sandbox) -> None:
    add_campaign(sandbox, "Welcome")
    stream = Stream("products", {"id": TEXT, "title": TEXT}, [{"id": "p-1", "title": "x"}])
    load(stream, streams={"products": {"to": "catalog_items", "catalog": {"name": "products"}}})
    assert looked(sandbox) == []


@pytest.mark.parametrize(("attributes", "expect"), [([], 0), (["plan"], 1)])
def test_messages_are_checked_only_if_they_set_attributes(
    load: Callable[..., Run], sandbox: Sandbox, tmp_path: Path, attributes: list[str], expect: int
) -> None:
    add_campaign(sandbox, "Welcome")
    add_campaign(sandbox, "Receipt", schedule_type="api_triggered", is_api_campaign=True)
    stream = Stream("orders", {"id": TEXT, "customer": TEXT, "plan": TEXT}, keys=["id"])
    stream.records.append({"id": "1", "customer": "c-1", "plan": "gold"})
    entry = {
        "to": "campaign_triggers",
        "campaign": {"id": "Receipt"},
        "user": [{"external_id": "customer"}],
        "attributes": attributes,
        "max_recipients": 1,
    }
    load(stream, streams={"orders": entry}, ledger_path=str(tmp_path / "ledger.sqlite"), expect=expect)
    assert bool(looked(sandbox)) is bool(expect)


def test_the_log_names_every_one(load: Callable[..., Run], sandbox: Sandbox) -> None:
    names = [f"Welcome {number}" for number in range(9)]
    for name in names:
        add_campaign(sandbox, name)
    (warning,) = (text for text in load(expect=1).warnings if "may start" in text)
    assert all(name in warning for name in names)


@pytest.mark.parametrize("lacking", PERMISSIONS)
def test_a_key_that_may_not_read_them_is_told_and_loads(
    load: Callable[..., Run], sandbox: Sandbox, lacking: str
) -> None:
    add_campaign(sandbox, "Welcome")
    add_canvas(sandbox, "Onboarding")
    sandbox.add_key("partial", {"users.track", *PERMISSIONS} - {lacking})
    run = load(api_key="partial")
    assert len(sent(sandbox)) == 1
    (warning,) = (text for text in run.warnings if "are not known" in text)
    assert lacking in warning
    assert "acknowledge_live_campaigns" in warning


def test_a_dry_run_with_preflight_names_them_and_continues(load: Callable[..., Run], sandbox: Sandbox) -> None:
    add_campaign(sandbox, "Welcome")
    assert not any("Welcome" in text for text in load(dry_run=True).warnings)
    assert looked(sandbox) == []
    for more in ({}, {"acknowledge_live_campaigns": True}):
        run = load(dry_run=True, preflight=True, **more)
        assert any("campaign 'Welcome'" in text and "acknowledge" in text for text in run.warnings)


def test_the_number_of_details_is_bounded(
    load: Callable[..., Run], sandbox: Sandbox, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(live_messages, "_DETAILS", 3)
    for number in range(130):
        add_campaign(sandbox, f"N{number}", schedule_type="time_based")
    run = load(expect=1)
    assert looked(sandbox).count("/campaigns/details") == 3
    assert looked(sandbox).count("/campaigns/list") == 2
    assert "127 more" in run.errors[0]
