"""Subscription states of users and of addresses, and lists of addresses that get nothing."""

from __future__ import annotations

from datetime import datetime, timezone
from typing import TYPE_CHECKING, Any

import pytest
from braze_sandbox.model.objects import SubscriptionGroup, Suppressed

if TYPE_CHECKING:
    from braze_sandbox.testing import Sandbox

    from tests.sandbox.conftest import Client

EMAILS = "11111111-1111-4111-8111-111111111111"
TEXTS = "22222222-2222-4222-8222-222222222222"


@pytest.fixture(autouse=True)
def groups(sandbox: Sandbox) -> None:
    for key, channel in ((EMAILS, "email"), (TEXTS, "sms")):
        sandbox.workspace.subscription_groups[key] = SubscriptionGroup(id=key, name=channel, channel=channel)  # type: ignore[arg-type]


def state(sandbox: Sandbox, user: str, group: str = EMAILS) -> Any:
    profile = sandbox.profile(user)
    assert profile
    return profile.attributes.get("subscription_groups", {}).get(group)


def body(name: str, users: Any, group: str = EMAILS, **more: Any) -> dict[str, Any]:
    return {"subscription_group_id": group, "subscription_state": "subscribed", name: users, **more}


def test_one_group(client: Client, sandbox: Sandbox) -> None:
    client.track(attributes=[{"external_id": who, "email": "E@shop.example", "phone": "+15550001111"} for who in "ab"])
    answer = client.post("/subscription/status/set", body("external_id", ["a"]))
    assert answer.status_code == 201
    assert answer.json() == {"message": "success"}
    assert [state(sandbox, who) for who in "ab"] == ["subscribed", None]
    client.post("/subscription/status/set", body("email", "e@shop.example", subscription_state="unsubscribed"))
    assert [state(sandbox, who) for who in "ab"] == ["unsubscribed", "unsubscribed"]
    client.post("/subscription/status/set", body("phone", ["+15550001111"], TEXTS))
    assert [state(sandbox, who, TEXTS) for who in "ab"] == ["subscribed", "subscribed"]
    assert sandbox.violations == []


def test_several_groups(client: Client, sandbox: Sandbox) -> None:
    client.track(attributes=[{"external_id": "a", "x": 1}])
    both = [body("external_ids", ["a"]), body("external_ids", ["a"], TEXTS)]
    assert client.post("/v2/subscription/status/set", {"subscription_groups": both}).ok
    assert (state(sandbox, "a"), state(sandbox, "a", TEXTS)) == ("subscribed", "subscribed")


def test_a_state_waits_for_its_address(client: Client, sandbox: Sandbox) -> None:
    client.post("/subscription/status/set", body("email", "New@shop.example"))
    client.post("/subscription/status/set", body("phone", "+15550001111", TEXTS))
    client.track(attributes=[{"external_id": "a", "email": "new@shop.example", "phone": "+15550001111"}])
    assert (state(sandbox, "a"), state(sandbox, "a", TEXTS)) == ("subscribed", "subscribed")
    client.post("/users/delete", {"external_ids": ["a"]})
    client.track(attributes=[{"external_id": "b", "email": "new@shop.example"}])
    assert state(sandbox, "b") is None


def test_it_waits_for_thirty_days(client: Client, sandbox: Sandbox, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("braze_sandbox.model.pending_subscriptions.KEPT_SECONDS", -1)
    client.post("/subscription/status/set", body("email", "new@shop.example"))
    client.track(attributes=[{"external_id": "a", "email": "new@shop.example"}])
    assert state(sandbox, "a") is None


def test_double_opt_in_subscribes_nobody_at_once(client: Client, sandbox: Sandbox) -> None:
    client.track(attributes=[{"external_id": "a", "phone": "+15550001111"}])
    numbers = ["+15550001111", "+15550002222"]
    client.post("/subscription/status/set", body("phone", numbers, TEXTS, use_double_opt_in_logic=True))
    client.track(attributes=[{"external_id": "b", "phone": "+15550002222"}])
    assert [state(sandbox, who, TEXTS) for who in "ab"] == [None, None]


@pytest.mark.parametrize(
    "given",
    [
        body("external_id", []),
        body("external_id", ["a"] * 51),
        body("external_id", ["a"], "no id"),
        body("external_id", ["a"], subscription_state="opted_in"),
        body("email", "nonsense"),
        body("phone", "5550001111", TEXTS),
        body("phone", "+15550001111"),
        body("email", "a@b.example", TEXTS),
        body("email", "a@b.example", phone="+15550001111"),
        {"subscription_group_id": EMAILS, "subscription_state": "subscribed"},
    ],
)
def test_what_the_first_version_refuses(client: Client, given: Any) -> None:
    assert client.post("/subscription/status/set", given).status_code == 400


@pytest.mark.parametrize(
    "given",
    [
        [],
        [body("external_id", ["a"])],
        [body("external_ids", ["a"] * 26), body("external_ids", ["a"] * 25, TEXTS)],
        [body("emails", ["a@b.example"]), body("phones", ["+15550001111"], TEXTS)],
        [body("phones", ["15550001111"], TEXTS)],
    ],
)
def test_what_the_second_version_refuses(client: Client, given: Any) -> None:
    assert client.post("/v2/subscription/status/set", {"subscription_groups": given}).status_code == 400


def test_the_global_state(client: Client, sandbox: Sandbox) -> None:
    client.track(attributes=[{"external_id": "a", "email": "a@shop.example"}])
    given = {"email": ["A@shop.example", "b@shop.example"], "subscription_state": "unsubscribed"}
    answer = client.post("/email/status", given)
    assert (answer.status_code, answer.json()) == (201, {"message": "success"})
    client.track(attributes=[{"external_id": "b", "email": "b@shop.example"}])
    for who in "ab":
        user = sandbox.profile(who)
        assert user
        assert user.attributes["email_subscribe"] == "unsubscribed"
    assert {entry.address for entry in sandbox.workspace.unsubscribes} >= {"A@shop.example", "b@shop.example"}
    client.post("/email/status", {"email": "a@shop.example", "subscription_state": "opted_in"})
    assert "A@shop.example" not in {entry.address for entry in sandbox.workspace.unsubscribes}


@pytest.mark.parametrize("path", ["/email/blocklist", "/email/blacklist"])
def test_blocked_addresses_and_back(client: Client, sandbox: Sandbox, path: str) -> None:
    client.track(attributes=[{"external_id": "a", "email": "a@shop.example"}])
    assert client.post(path, {"email": "a@shop.example"}).ok
    user = sandbox.profile("a")
    assert user
    assert user.attributes["email_subscribe"] == "unsubscribed"
    assert "a@shop.example" in {entry.address for entry in sandbox.workspace.hard_bounces}
    assert client.post("/email/bounce/remove", {"email": ["A@shop.example", "nobody@shop.example"]}).ok
    assert "a@shop.example" not in {entry.address for entry in sandbox.workspace.hard_bounces}


def test_spam_and_invalid_numbers(client: Client, sandbox: Sandbox) -> None:
    now = datetime.now(timezone.utc)
    sandbox.workspace.spam_reports.append(Suppressed(address="s@shop.example", at=now))
    sandbox.workspace.invalid_phone_numbers[:] = [Suppressed(address=f"+1555000111{n}", at=now) for n in range(3)]
    assert client.post("/email/spam/remove", {"email": "s@shop.example"}).ok
    assert client.post("/sms/invalid_phone_numbers/remove", {"phone_numbers": ["+15550001110", "15550001111"]}).ok
    assert sandbox.workspace.spam_reports == []
    assert [entry.address for entry in sandbox.workspace.invalid_phone_numbers] == ["+15550001112"]


@pytest.mark.parametrize(
    ("path", "given"),
    [
        ("/email/status", {"email": "a@b.example", "subscription_state": "x"}),
        ("/email/status", {"subscription_state": "subscribed"}),
        ("/email/blocklist", {"email": ["a@b.example"] * 51}),
        ("/email/bounce/remove", {"email": "nonsense"}),
        ("/email/spam/remove", {"email": []}),
        ("/sms/invalid_phone_numbers/remove", {"phone_numbers": "+15550001111"}),
        ("/sms/invalid_phone_numbers/remove", {"phone_numbers": ["+0"]}),
    ],
)
def test_lists_that_are_refused(client: Client, path: str, given: Any) -> None:
    assert client.post(path, given).status_code == 400
