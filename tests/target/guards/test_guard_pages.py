"""The examples on the pages about guards do what the pages say."""

from __future__ import annotations

import json
import re
from datetime import datetime, timezone
from typing import TYPE_CHECKING, Any

import yaml
from braze_sandbox.model.workspace import Campaign, Canvas

from tests.target.support.singer import TEXT, TIME, Stream, customers, the

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from braze_sandbox.testing import Sandbox

    from tests.target.support.singer import Run

EXAMPLE = re.compile(r"```yaml\n([^`]*)```\n\n```jsonl\n([^`]*)```")


def example(root: Path, page: str) -> tuple[dict[str, Any], list[dict[str, Any]], str]:
    """Return the settings, the records and the whole text of a page."""
    text = (root / "docs" / page).read_text("utf-8")
    config, rows = EXAMPLE.findall(text)[0]
    return yaml.safe_load(config), [json.loads(line) for line in rows.splitlines()], text


def test_consent(root: Path, run_target: Callable[..., Run], sandbox: Sandbox) -> None:
    config, records, text = example(root, "consent.md")
    ids = [record["customer_id"] for record in records]
    run_target(
        customers(*({"external_id": one, "email_subscribe": "unsubscribed"} for one in ids), email_subscribe=TEXT)
    )
    for one in ids:
        the(sandbox.profile(one)).observed["email_unsubscribed_at"] = "2026-03-05T12:00:00.000Z"
    before = len(sandbox.requests)
    columns = {name: TIME if name.endswith("_at") else TEXT for name in records[0]}
    run = run_target(Stream(next(iter(config["streams"])), columns, records), **config)
    (body,) = re.findall(r"```http\nPOST /users/track (.*)\n```", text)
    assert [one.body for one in sandbox.requests[before:] if one.path == "/users/track"] == [json.loads(body)]
    assert run.summary["total"]["consent_conflicts"] == 1


def test_live_campaigns(root: Path, run_target: Callable[..., Run], sandbox: Sandbox) -> None:
    config, records, text = example(root, "live-campaigns.md")
    now = datetime(2026, 3, 4, tzinfo=timezone.utc)
    shared: dict[str, Any] = {"created_at": now, "updated_at": now}
    sandbox.workspace.campaigns["w"] = Campaign(
        id="w", name="Welcome", channels=[], messages={}, schedule_type="action_based", **shared
    )
    sandbox.workspace.canvases["o"] = Canvas(id="o", name="Onboarding", variants=[], steps=[], **shared)
    stream = Stream("web_events", dict.fromkeys(records[0], TEXT), records)
    run = run_target(stream, **config, acknowledge_live_campaigns=None, expect=1)
    assert run.errors == [" ".join("".join(re.findall(r"^    (stream [^`]*?)\n\n", text, re.MULTILINE)).split())]
    run_target(stream, **config, **yaml.safe_load(re.findall(r"```yaml\n([^`]*)```", text)[1]))
    assert len(the(sandbox.profile("c-1")).events) == 1


def test_canary(root: Path, run_target: Callable[..., Run], sandbox: Sandbox) -> None:
    config, records, text = example(root, "canary.md")
    known = [{"external_id": f"c-{number}"} for number in range(50)]
    run_target(customers(*known))
    rows = records + [{"customer_id": f"order-{number}", "plan": "gold"} for number in range(50)]
    config = {**config, "canary": "20"}  # of these few records, instead of a share
    run = run_target(Stream("customers", dict.fromkeys(records[0], TEXT), rows), **config, expect=1)
    assert run.errors == [" ".join("".join(re.findall(r"^    (stream [^~]*?)\n\n", text, re.MULTILINE)).split())]
    assert len(sandbox.profiles()) == 70
    right = [{"customer_id": one["external_id"], "plan": "gold"} for one in known]
    run_target(Stream("customers", dict.fromkeys(records[0], TEXT), right), **config)
