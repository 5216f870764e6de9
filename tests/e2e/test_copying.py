"""docs/copying-a-workspace.md copies users and events from one workspace into another."""

from __future__ import annotations

from collections import Counter
from datetime import datetime, timezone
from typing import TYPE_CHECKING, Any

import pytest
import requests
from braze_sandbox.currents import files as currents
from braze_sandbox.testing import Sandbox

from tests.e2e.support import pipe, plugins, tap, target

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from braze_sandbox.testing import Profile

FROM = datetime(2025, 12, 1, tzinfo=timezone.utc)
NOT_WRITTEN = {"current_location", "push_tokens", "subscription_groups"}


EVENTS = [
    {
        "external_id": "user-001",
        "name": "seen",
        "time": "2026-02-03T10:11:12Z",
        "properties": {"page": 3, "tags": ["a"]},
    },
    {
        "external_id": "user-001",
        "name": "seen",
        "time": "2026-02-03T10:11:12Z",
        "properties": {"page": 3, "tags": ["a"]},
    },
    {"external_id": "user-001", "name": "naïve café", "time": "2025-12-24T00:00:00Z"},
    {
        "external_id": "user-004",
        "name": "seen",
        "time": "2026-03-01T23:59:59Z",
        "properties": {"of": {"deep": [1.5, "x"]}, "at": "2026-03-01T08:00:00Z"},
    },
    {"user_alias": {"alias_label": "web", "alias_name": "visitor-009"}, "name": "lost", "time": "2026-02-03T10:11:12Z"},
]
PURCHASES = [
    {
        "external_id": "user-002",
        "product_id": "sku-1001",
        "currency": "EUR",
        "price": price,
        "quantity": quantity,
        "time": at,
    }
    for price, quantity, at in (
        (12.34, 2, "2026-02-01T08:00:00Z"),
        (1299.99, 1, "2026-02-02T08:00:00Z"),
        (-5.5, 1, "2026-02-03T08:00:00Z"),
    )
]


@pytest.fixture
def source() -> Iterator[Sandbox]:
    with Sandbox(seed="small", users=10) as sandbox:
        headers = {"Authorization": f"Bearer {sandbox.api_key}"}
        told = {"events": EVENTS, "purchases": PURCHASES}
        requests.post(f"{sandbox.url}/users/track", json=told, headers=headers, timeout=10).raise_for_status()
        yield sandbox


@pytest.fixture
def other() -> Iterator[Sandbox]:
    with Sandbox(seed="empty") as sandbox:
        yield sandbox


def test_the_copy_is_equal(root: Path, tmp_path: Path, source: Sandbox, other: Sandbox) -> None:
    currents.write(tmp_path, source.instance, currents.Options(start=FROM, hours=24 * 100, made_up=False))
    page = plugins(root / "docs" / "copying-a-workspace.md")
    (extractor, of_aliases), (loader,) = page["extractors"], page["loaders"]
    reads, writes = extractor["config"], loader["config"]
    reads |= {"api_key": source.api_key, "endpoint": source.url, "start_date": FROM.isoformat()}
    reads["users"]["segment_ids"] = [next(iter(source.workspace.segments))]
    reads["currents"]["url"] = str(tmp_path / "currents")
    writes |= {"api_key": other.api_key, "endpoint": other.url}
    writes |= {name: str(tmp_path / writes[name]) for name in ("ledger_path", "dead_letter_path")}

    # The third run starts over, as without STATE: the ledger knows what Braze already has.
    for select in (extractor["select"], of_aliases["select"], extractor["select"]):
        pipe(tap(tmp_path, reads, select), target(tmp_path, writes))

    copied = {who(profile): profile for profile in other.profiles()}
    kept = {who(profile): profile for profile in source.profiles() if profile.external_id or profile.aliases}
    assert copied.keys() == kept.keys()
    assert any(profile.external_id is None for profile in kept.values())
    for name, profile in kept.items():
        assert look(copied[name]) == look(profile)
    assert sum(len(profile.events) for profile in copied.values()) == 4
    assert sum(len(profile.purchases) for profile in copied.values()) == 4
    assert not (tmp_path / "not-copied.singer").exists()
    # The attribute with two types is all that is lost.
    assert {violation["path"].rpartition(".")[2] for violation in other.violations} == {"legacy_score"}


def who(profile: Profile) -> Any:
    """What a profile is known by in any workspace."""
    return profile.external_id or next(iter(profile.aliases.items()), None)


def look(profile: Profile) -> dict[str, Any]:
    """Return the parts of a profile that are copied."""
    known = profile.external_id is not None
    return {
        "attributes": {name: value for name, value in profile.attributes.items() if name not in NOT_WRITTEN},
        "custom_attributes": {
            name: value for name, value in profile.custom_attributes.items() if name != "legacy_score"
        },
        "aliases": profile.aliases,
        "events": by_time(without_app(one) for one in profile.events) if known else [],
        "purchases": Counter(
            str(without_app(one) | {"quantity": 1}) for one in profile.purchases for _ in range(one["quantity"])
        )
        if known
        else {},
    }


def without_app(happening: dict[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in sorted(happening.items()) if name != "app_id"}


def by_time(happenings: Any) -> list[dict[str, Any]]:
    return sorted(happenings, key=lambda one: (one["time"], one["name"]))
