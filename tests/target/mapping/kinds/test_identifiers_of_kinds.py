"""Each kind takes each identifier that Braze documents for its endpoint."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any, Final, Literal

import pytest
from braze_sandbox.model.objects import SubscriptionGroup
from braze_sandbox.model.workspace import Campaign, Canvas
from target_braze.mapping.kinds import KINDS

from tests.target.support.data_objects import add_accounts
from tests.target.support.singer import NUMBER, TEXT, TIME, Stream

if TYPE_CHECKING:
    from collections.abc import Callable

    from braze_sandbox.testing import Sandbox

    from tests.target.support.singer import Run

    RunTarget = Callable[..., Run]

_ALL: Final = ("external_id", "braze_id", "user_alias", "email", "phone")
_RECIPIENT: Final = ("external_id", "braze_id", "user_alias", "email")
GROUP: Final = "11111111-0000-4000-8000-000000000001"
# As documented on each endpoint's page, https://www.braze.com/docs/api/endpoints/, and for recipients on
# https://www.braze.com/docs/api/objects_filters/recipient_object/.
DOCUMENTED: Final[dict[str, tuple[str, ...]]] = {
    **dict.fromkeys(("attributes", "events", "purchases", "calls", "cohorts", "deletions"), _ALL),
    "data_object_user_relationships": _ALL,
    "subscriptions": ("external_id", "email", "phone"),
    "email_status": ("email",),
    "email_hygiene": ("email", "phone"),
    "aliases": ("external_id",),
    "external_ids": ("external_id",),
    "identifications": ("external_id",),
    "merges": ("external_id", "user_alias", "email", "phone"),
    "campaign_triggers": _RECIPIENT,
    "canvas_triggers": _RECIPIENT,
    "transactional_emails": ("external_id", "user_alias"),
}
# The settings of each kind whose `user` is a list of identifiers.
ENTRIES: Final[dict[str, dict[str, Any]]] = {
    "attributes": {"fields": ["plan"]},
    "events": {"properties": ["plan"], "event": {"name": "seen"}},
    "purchases": {"properties": ["plan"], "purchase": {"product_id": "plan"}},
    "cohorts": {"cohort": {"attribute": "member"}},
    "deletions": {"allow_deletions": True, "max_deletions": 1},
    "subscriptions": {"subscription": {"group": GROUP, "state": "subscribed"}},
    "email_status": {"subscription": {"state": "subscribed"}},
    "email_hygiene": {"operation": "blocklist"},
    "data_object_user_relationships": {
        "data_object": {"type": "account", "id": "account", "relationship": "account_user"},
        "fields": [],
    },
    "transactional_emails": {
        "campaign": {"id": "transactional"},
        "max_recipients": 1,
        "allow_duplicate_messages": True,
        "properties": ["plan"],
    },
    **{
        f"{what}_triggers": {
            what: {"id": what},
            "max_recipients": 1,
            "allow_duplicate_messages": True,
            "properties": ["plan"],
            "prioritization": ["identified"],
        }
        for what in ("campaign", "canvas")
    },
}
VALUES: Final = {"external_id": "c-1", "user_alias": "n-1", "email": "c1@shop.example", "phone": "+12025550123"}
CASES: Final = [(to, kind) for to in ENTRIES for kind in DOCUMENTED[to]]


def test_kinds_take_what_braze_documents() -> None:
    assert {to: {*kind.identifier_types} for to, kind in KINDS.items() if kind.identifier_types} == {
        to: {*kinds} for to, kinds in DOCUMENTED.items()
    }


@pytest.fixture
def braze_id(sandbox: Sandbox, run_target: RunTarget) -> str:
    """Make a user with each identifier, and what the kinds name; return the user's Braze ID."""
    run_target(
        Stream("attributes", dict.fromkeys(("external_id", "email", "phone"), TEXT), [VALUES]),
        Stream(
            "aliases",
            dict.fromkeys(("external_id", "alias_name", "alias_label"), TEXT),
            [{"external_id": "c-1", "alias_name": "n-1", "alias_label": "crm"}],
        ),
        streams={"aliases": {"to": "aliases"}},
    )
    add_accounts(sandbox).records["a-1"] = {}
    now = sandbox.instance.clock.utc_now()
    shared: dict[str, Any] = {"name": "n", "created_at": now, "updated_at": now, "schedule_type": "api_triggered"}
    sandbox.workspace.campaigns["campaign"] = Campaign(id="campaign", channels=[], messages={}, **shared)
    shared_email = {**shared, "channels": ["email"], "messages": {"m": {"channel": "email"}}, "transactional": True}
    sandbox.workspace.campaigns["transactional"] = Campaign(id="transactional", **shared_email)
    sandbox.workspace.canvases["canvas"] = Canvas(id="canvas", variants=[], steps=[], **shared)
    (profile,) = sandbox.instance.profiles
    return profile.braze_id


@pytest.mark.parametrize(("to", "kind"), CASES)
def test_a_user_is_found_by_each_identifier(
    run_target: RunTarget, sandbox: Sandbox, braze_id: str, to: str, kind: str
) -> None:
    entry: dict[str, Any] = {**ENTRIES[to], "to": to}
    if (to, kind) == ("email_hygiene", "phone"):
        entry["operation"] = "remove_invalid_phones"
    value = VALUES.get(kind, braze_id)
    user = {"user_alias": {"name": "who", "label": "crm"}} if kind == "user_alias" else {kind: "who"}
    record = {"who": value, "plan": "gold", "time": "2026-03-04T09:10:11Z", "price": 1, "currency": "EUR"}
    columns = {**dict.fromkeys(("who", "plan", "currency", "account"), TEXT), "time": TIME, "price": NUMBER}
    channel: Literal["email", "sms"] = "sms" if kind == "phone" else "email"
    sandbox.workspace.subscription_groups[GROUP] = SubscriptionGroup(id=GROUP, name="g", channel=channel)
    before = len(sandbox.requests)
    run_target(
        Stream("rows", columns, [{**record, "account": "a-1"}], ["who"]),
        streams={"rows": {**entry, "user": [user]}},
    )
    (write,) = [one for one in sandbox.requests[before:] if one.method != "GET"]
    assert value in json.dumps(write.body)
    assert not sandbox.violations
    assert len(sandbox.instance.profiles) == (0 if to == "deletions" else 1)
