"""`today` holds time still: seeds, new profiles, edits and future events all go by it."""

from __future__ import annotations

import dataclasses
from datetime import datetime, timezone
from typing import TYPE_CHECKING, Any

import pytest
from braze_sandbox.model.clock import parse_iso
from braze_sandbox.testing import Sandbox

from tests.sandbox.conftest import TODAY, Client

if TYPE_CHECKING:
    from collections.abc import Iterator

END = datetime(2026, 3, 20, 23, 59, 59, tzinfo=timezone.utc)
PLANNED = {"next_send_time", "next_scheduled_run", "end_at", "publish_at"}
"""What is planned may lie ahead."""


def moments(value: Any, path: str = "") -> Iterator[tuple[str, datetime]]:
    """All moments in a value, with their paths."""
    if dataclasses.is_dataclass(value):
        value = {field.name: getattr(value, field.name) for field in dataclasses.fields(value)}
    if isinstance(value, dict):
        for name, inner in value.items():
            if name not in PLANNED:
                yield from moments(inner, f"{path}.{name}")
    elif isinstance(value, (list, set, tuple)):
        for inner in value:
            yield from moments(inner, path)
    elif isinstance(value, datetime):
        yield path, value
    elif isinstance(value, str) and value[:2] == "20" and "T" in value and (parsed := parse_iso(value)):
        yield path, parsed[0]


@pytest.mark.parametrize("time_zone", ["UTC", "Pacific/Kiritimati", "Pacific/Pago_Pago"])
@pytest.mark.parametrize("today", [None, TODAY])
def test_nothing_in_a_seed_happens_after_now(today: Any, time_zone: str) -> None:
    sandbox = Sandbox(seed="demo", today=today, time_zone=time_zone)
    now = sandbox.instance.clock.utc_now()
    found = [*moments(sandbox.workspace), *moments([user.as_json() for user in sandbox.profiles()])]
    assert len(found) > 1000
    assert [(path, moment) for path, moment in found if moment > now] == []


def test_today_may_be_text(sandbox: Sandbox) -> None:
    assert Sandbox(today="2026-03-20").instance.clock.now() == sandbox.instance.clock.now() == END
    with pytest.raises(ValueError, match=r"today is '20 March', not a date in the form YYYY-MM-DD"):
        Sandbox(today="20 March")


def test_what_is_written_is_written_today(client: Client, sandbox: Sandbox) -> None:
    client.track(attributes=[{"external_id": "a", "email_subscribe": "unsubscribed"}])
    profile = sandbox.profile("a")
    assert profile is not None
    assert profile.created_at == END
    assert profile.observed["email_unsubscribed_at"] == "2026-03-20T23:59:59.000Z"
    fields = [{"name": "id", "type": "string"}]
    answer = client.post("/catalogs", {"catalogs": [{"name": "new", "description": "", "fields": fields}]})
    assert answer.json()["catalogs"][0]["updated_at"] == "2026-03-20T23:59:59.000+00:00"
    (campaign, *_) = sandbox.workspace.campaigns
    sandbox.workspace.archive("campaigns", campaign)
    assert sandbox.workspace.campaigns[campaign].updated_at == END
    client.post("/email/blocklist", {"email": "a@shop.example"})
    assert sandbox.workspace.hard_bounces[-1].at == END


def test_the_future_begins_after_today(client: Client, sandbox: Sandbox) -> None:
    times = ["2026-03-20T23:00:00Z", "2026-03-21T00:00:00Z"]
    client.track(events=[{"external_id": "a", "name": "seen", "time": time} for time in times])
    (profile,) = sandbox.profiles()
    assert [event["time"] for event in profile.events] == [END.replace(hour=23, minute=0, second=0), END]
    (violation,) = sandbox.violations
    assert violation["reason"] == "a time in the future is replaced by now"
    assert violation["path"] == "events[1].time"
