"""Send IDs of API campaigns: each is created once, and at most 100 a day."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
from braze_sandbox.model.workspace import Campaign

from tests.target.support.singer import TEXT, Stream

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from braze_sandbox.testing import Sandbox

    from tests.target.support.singer import Run

    RunTarget = Callable[..., Run]

TO = {"streams": {"sends": {"to": "sends"}}}


@pytest.fixture(autouse=True)
def _campaign(sandbox: Sandbox) -> None:
    now = sandbox.instance.clock.utc_now()
    sandbox.workspace.campaigns["c"] = Campaign(
        id="c", name="c", created_at=now, updated_at=now, channels=[], messages={}, is_api_campaign=True
    )


def table(*ids: str | None) -> Stream:
    return Stream(
        "sends", {"campaign_id": TEXT, "send_id": TEXT}, [{"campaign_id": "c", "send_id": one} for one in ids]
    )


def test_each_id_is_created_once(run_target: RunTarget, sandbox: Sandbox) -> None:
    run_target(table("spring", "summer", "spring"), **TO)
    assert {one.campaign_id for one in sandbox.workspace.sends.values()} == {"c"}
    assert sorted(one.body["send_id"] for one in sandbox.requests) == ["spring", "summer"]


def test_a_ledger_remembers_them(run_target: RunTarget, sandbox: Sandbox, tmp_path: Path) -> None:
    settings: dict[str, Any] = {**TO, "ledger_path": str(tmp_path / "ledger")}
    run_target(table("spring"), **settings)
    assert run_target(table("spring", "summer"), **settings).summary["total"]["unchanged"] == 1
    assert len(sandbox.requests) == 2


def test_a_lost_answer_leaves_it_in_doubt(run_target: RunTarget, sandbox: Sandbox) -> None:
    sandbox.fault(do="drop_after", times=1)
    assert "in doubt" in run_target(table("spring"), expect=1, **TO).errors[0]
    assert (list(sandbox.workspace.sends), len(sandbox.requests)) == (["spring"], 1)


def test_the_target_waits_when_the_limit_of_the_day_is_used_up(run_target: RunTarget, sandbox: Sandbox) -> None:
    sandbox.fault(do="status", status=429, times=2, reset_in=0.01)
    run_target(table("spring"), **TO)
    assert [one.status for one in sandbox.requests] == [429, 429, 201]


@pytest.mark.parametrize(
    ("send_id", "reason"), [(None, "is blank"), ("x" * 65, "1 to 64"), ("\u00e9", "1 to 64 printable ASCII")]
)
def test_what_is_no_send_id_is_rejected(
    run_target: RunTarget, sandbox: Sandbox, send_id: str | None, reason: str
) -> None:
    assert reason in run_target(table(send_id), expect=1, **TO).errors[0]
    assert not sandbox.requests


def test_an_unknown_campaign_is_rejected(run_target: RunTarget, sandbox: Sandbox) -> None:
    sandbox.workspace.campaigns.clear()
    assert "campaign_id must be a string" in run_target(table("spring"), expect=1, **TO).errors[0]
