"""A campaign and a Canvas that the API triggers, with an email, and how often people received them."""

from __future__ import annotations

import json
from collections import Counter
from datetime import datetime, timezone
from typing import TYPE_CHECKING, Any

from braze_sandbox.model.workspace import Campaign, Canvas

from tests.target.support.singer import NUMBER, TEXT, Stream

if TYPE_CHECKING:
    from collections.abc import Iterable
    from pathlib import Path

    from braze_sandbox.testing import Sandbox

CAMPAIGN, OTHER = "11111111-0000-4000-8000-000000000001", "22222222-0000-4000-8000-000000000002"
TRANSACTIONAL = "44444444-0000-4000-8000-000000000004"
CANVAS = "33333333-0000-4000-8000-000000000003"
COLUMNS = {"order_id": TEXT, "external_id": TEXT, "total": NUMBER}
_EMAIL = {"channel": "email", "name": "Variant 1", "subject": "Hello"}
_MADE = datetime(2026, 1, 5, tzinfo=timezone.utc)


def add_messages(sandbox: Sandbox) -> None:
    """Create campaigns and a Canvas that only the API triggers."""
    for key in (CAMPAIGN, OTHER, TRANSACTIONAL):
        sandbox.workspace.campaigns[key] = Campaign(
            id=key,
            name=key,
            created_at=_MADE,
            updated_at=_MADE,
            channels=["email"],
            messages={f"{key}/1": _EMAIL},
            schedule_type="api_triggered",
            is_api_campaign=True,
            transactional=key == TRANSACTIONAL,
        )
    sandbox.workspace.canvases[CANVAS] = Canvas(
        id=CANVAS,
        name="Canvas",
        created_at=_MADE,
        updated_at=_MADE,
        variants=[{"name": "Variant 1", "id": "variant", "first_step_ids": ["step"]}],
        steps=[{"id": "step", "name": "Step", "type": "message", "messages": {"message": _EMAIL}}],
        schedule_type="api_triggered",
    )


def add_users(sandbox: Sandbox, users: Iterable[str]) -> None:
    """Create users with an email address each."""
    for user in users:
        profile = sandbox.instance.profiles.create("external_id", user)
        sandbox.instance.profiles.readdress(profile, "email", f"{user}@shop.example")


def received(sandbox: Sandbox, message: str = CAMPAIGN) -> Counter[str]:
    """Return how often each user received a campaign or Canvas."""
    return Counter(one.external_id or "" for one in sandbox.messages if message in {one.campaign_id, one.canvas_id})


def properties(sandbox: Sandbox) -> list[dict[str, Any]]:
    """Return the properties of all messages, oldest first."""
    return [one.properties for one in sandbox.messages]


def orders(*numbers: int, users: int = 8, **columns: Any) -> Stream:
    """Return orders by their numbers; their users take turns."""
    records = [{"order_id": f"o-{n}", "external_id": f"c-{n % users}", "total": n} for n in numbers]
    return Stream("orders", COLUMNS | columns, records, ["order_id"])


def table(*records: dict[str, Any], **columns: Any) -> Stream:
    return Stream("orders", COLUMNS | columns, list(records), ["order_id"])


def letters(tmp_path: Path) -> list[dict[str, Any]]:
    path = tmp_path / "dead.singer"
    lines = path.read_text().splitlines() if path.exists() else []
    return [one for one in map(json.loads, lines) if one["type"] == "RECORD"]
