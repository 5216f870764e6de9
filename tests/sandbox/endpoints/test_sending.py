"""Sending: messages, triggers and schedules are recorded and counted, and nothing leaves the sandbox."""

from __future__ import annotations

from datetime import datetime, timedelta, timezone
from typing import TYPE_CHECKING, Any

import pytest
from braze_sandbox.currents.files import Options, write
from braze_sandbox.testing import Sandbox

from tests.sandbox.conftest import TODAY, Client

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from braze_sandbox.model.workspace import Campaign, Canvas

EMAIL = {"subject": "Hello", "body": "Hi {{${first_name}}}", "app_id": "app"}
DAY = TODAY.isoformat()


@pytest.fixture
def people(client: Client) -> None:
    """Two users with an address and one without."""
    client.track(
        attributes=[
            {"external_id": "a", "email": "a@shop.example", "plan": "plus"},
            {"external_id": "b", "email": "b@shop.example", "email_subscribe": "unsubscribed", "plan": "free"},
            {"external_id": "c", "plan": "plus"},
        ]
    )


@pytest.fixture
def campaign(sandbox: Sandbox) -> Campaign:
    """The first campaign of the seed, an email one, triggered by the API."""
    found = next(iter(sandbox.workspace.campaigns.values()))
    assert found.channels == ["email"]
    found.schedule_type, found.is_api_campaign = "api_triggered", True
    found.messages = {key: one for key, one in found.messages.items() if one.get("type") != "control"}
    return found


@pytest.fixture
def canvas(sandbox: Sandbox) -> Canvas:
    """The first Canvas of the seed, triggered by the API."""
    found = next(iter(sandbox.workspace.canvases.values()))
    found.schedule_type = "api_triggered"
    return found


def received(sandbox: Sandbox) -> list[tuple[str | None, str]]:
    return [(message.external_id, message.channel) for message in sandbox.messages]


@pytest.mark.usefixtures("people")
def test_a_message_goes_to_those_it_can_reach(client: Client, sandbox: Sandbox) -> None:
    answer = client.post("/messages/send", {"external_user_ids": ["a", "b", "c", "d"], "messages": {"email": EMAIL}})
    assert answer.status_code == 201
    assert answer.json().keys() == {"dispatch_id", "message"}
    (message,) = sandbox.messages
    assert (message.external_id, message.channel, message.content) == ("a", "email", EMAIL)
    assert message.dispatch_id == answer.json()["dispatch_id"]
    assert [violation["reason"] for violation in sandbox.violations] == [
        "no user, or more than one, matches a recipient: nothing is sent to them",
        "a message by email is not sent: the user's email_subscribe is unsubscribed",
        "a message by email is not sent: the user has no email address",
    ]
    assert client.get("/sandbox/messages").json()["messages"] == [message.as_json()]


@pytest.mark.usefixtures("people")
def test_messages_to_unsubscribed_users_and_to_audiences(client: Client, sandbox: Sandbox) -> None:
    body: dict[str, Any] = {"messages": {"email": EMAIL}, "recipient_subscription_state": "all"}
    client.post("/messages/send", {**body, "external_user_ids": ["a", "b"]})
    assert received(sandbox) == [("a", "email"), ("b", "email")]
    free = {"custom_attribute": {"custom_attribute_name": "plan", "comparison": "equals", "value": "free"}}
    subscribed = {"email_subscription_status": {"comparison": "is_not", "value": "unsubscribed"}}
    for audience in (free, {"AND": [free, subscribed]}, {"OR": [free, subscribed]}):
        answer = client.post("/messages/send", {**body, "broadcast": True, "audience": audience})
        assert answer.status_code == 201
    assert received(sandbox)[2:] == [("b", "email"), ("a", "email"), ("b", "email")]


@pytest.mark.usefixtures("people")
@pytest.mark.parametrize(
    ("changes", "says"),
    [
        ({"external_user_ids": []}, "No Recipients"),
        ({"external_user_ids": [], "segment_id": "segment"}, "Invalid Segment ID"),
        ({"external_user_ids": ["a"] * 51}, "The max number of external_ids and aliases per request was exceeded"),
        ({"messages": {}}, "No message to send"),
        ({"messages": {"email": EMAIL, "apple_push": {"extra": "x"}}}, "Invalid Extra Push Payload"),
        ({"campaign_id": "none"}, "Invalid Campaign ID"),
        ({"broadcast": True}, "'broadcast' must be false if recipients are given"),
    ],
)
def test_messages_that_are_refused(client: Client, sandbox: Sandbox, changes: dict[str, Any], says: str) -> None:
    body = {"external_user_ids": ["a"], "messages": {"email": EMAIL}, **changes}
    answer = client.post("/messages/send", body)
    assert (answer.status_code, answer.json()["message"]) == (400, says)
    assert sandbox.messages == []


@pytest.mark.usefixtures("people")
def test_messages_count_for_their_campaign(client: Client, campaign: Campaign) -> None:
    body: dict[str, Any] = {"external_user_ids": ["a"], "campaign_id": campaign.id, "messages": {"email": EMAIL}}
    assert client.post("/messages/send", body).json()["message"] == "Message Variant Unspecified"
    body["messages"] = {"email": {**EMAIL, "message_variation_id": "none"}}
    assert client.post("/messages/send", body).json()["message"] == "Invalid Message Variant"
    variation = next(iter(campaign.messages))
    body["messages"] = {"sms": {"message_variation_id": variation}}
    assert client.post("/messages/send", body).json()["message"] == "Mismatched Message Type"
    body["messages"] = {"email": {**EMAIL, "message_variation_id": variation}}
    before = row(client, campaign)
    assert client.post("/messages/send", body).ok
    after = row(client, campaign)
    first = after["messages"]["email"][0]
    assert first["sent"] == before["messages"]["email"][0]["sent"] + 1
    assert first["delivered"] == before["messages"]["email"][0]["delivered"] + 1
    assert after["unique_recipients"] == before["unique_recipients"] + 1


def row(client: Client, campaign: Campaign) -> dict[str, Any]:
    """The campaign's row of today."""
    answer = client.get("/campaigns/data_series", campaign_id=campaign.id, length=1).json()
    (found,) = answer["data"]
    assert found["time"] == DAY
    return dict(found)


@pytest.mark.usefixtures("people")
def test_a_campaign_is_triggered(client: Client, sandbox: Sandbox, campaign: Campaign, tmp_path: Path) -> None:
    recipients = [
        {"external_user_id": "a", "trigger_properties": {"code": "A"}},
        {"external_user_id": "new", "send_to_existing_only": False, "attributes": {"email": "new@shop.example"}},
        {"email": "b@shop.example", "prioritization": ["identified"], "attributes": {"email_subscribe": "opted_in"}},
        {"user_alias": {"alias_label": "web", "alias_name": "nobody"}},
    ]
    body = {"campaign_id": campaign.id, "trigger_properties": {"code": "X", "sum": 5}, "recipients": recipients}
    answer = client.post("/campaigns/trigger/send", body)
    assert (answer.status_code, answer.json()["message"]) == (201, "success")
    assert [(one.external_id, one.properties) for one in sandbox.messages] == [
        ("a", {"code": "A", "sum": 5}),
        ("new", {"code": "X", "sum": 5}),
        ("b", {"code": "X", "sum": 5}),
    ]
    assert all(one.message_variation_id in campaign.messages for one in sandbox.messages)
    exported = client.post("/users/export/ids", {"external_ids": ["a"], "fields_to_export": ["campaigns_received"]})
    (given,) = exported.json()["users"][0]["campaigns_received"]
    assert (given["api_campaign_id"], given["last_received"]) == (campaign.id, "2026-03-20T23:59:59Z")
    options = Options(start=datetime(2026, 3, 20, 23, tzinfo=timezone.utc), hours=2, made_up=False)
    files = write(tmp_path, sandbox.instance, options)
    sends = [one for file in files if file.event_type == "users.messages.email.Send" for one in file.records]
    assert {one["external_user_id"] for one in sends} == {"a", "b", "new"}
    assert {one["campaign_id"] for one in sends} == {campaign.id}
    assert {one["dispatch_id"] for one in sends} == {answer.json()["dispatch_id"]}


@pytest.mark.usefixtures("people")
def test_a_broadcast_has_a_send_id_with_statistics(client: Client, sandbox: Sandbox, campaign: Campaign) -> None:
    answer = client.post("/campaigns/trigger/send", {"campaign_id": campaign.id, "broadcast": True}).json()
    assert received(sandbox) == [("a", "email")]
    query = {"campaign_id": campaign.id, "send_id": answer["send_id"], "length": 1}
    (found,) = client.get("/sends/data_series", **query).json()["data"]
    assert found["messages"]["email"][0]["sent"] > 0
    made = client.post("/sends/id/create", {"campaign_id": campaign.id, "send_id": "mine"})
    assert made.json() == {"send_id": "mine", "message": "success"}
    assert client.post("/sends/id/create", {"campaign_id": campaign.id, "send_id": "mine"}).status_code == 400
    assert "mine" in sandbox.workspace.sends


@pytest.mark.parametrize("state", ["archived", "paused"])
@pytest.mark.usefixtures("people")
def test_what_is_archived_or_paused_is_not_sent(
    client: Client, sandbox: Sandbox, campaign: Campaign, canvas: Canvas, state: str
) -> None:
    for one in (campaign, canvas):
        one.archived, one.enabled = state == "archived", state != "paused"
    recipients = [{"external_user_id": "a"}]
    for path, body in (("campaigns", {"campaign_id": campaign.id}), ("canvas", {"canvas_id": canvas.id})):
        answer = client.post(f"/{path}/trigger/send", {**body, "recipients": recipients})
        assert answer.status_code == 201
        assert f" is {state}. " in answer.json()["notice"]
    assert sandbox.messages == []


@pytest.mark.usefixtures("people")
def test_a_canvas_is_entered(client: Client, sandbox: Sandbox, canvas: Canvas) -> None:
    query = {"canvas_id": canvas.id, "ending_at": f"{DAY}T23:00:00Z", "length": 1, "include_variant_breakdown": "true"}
    before = client.get("/canvas/data_series", **query, include_step_breakdown="true").json()["data"]["stats"][0]
    body = {"canvas_id": canvas.id, "context": {"code": "X"}, "recipients": [{"external_user_id": "a"}]}
    assert client.post("/canvas/trigger/send", body).status_code == 201
    after = client.get("/canvas/data_series", **query, include_step_breakdown="true").json()["data"]["stats"][0]
    assert after["total_stats"]["entries"] == before["total_stats"]["entries"] + 1
    profile = sandbox.profile("a")
    assert profile is not None
    assert [one["api_canvas_id"] for one in profile.observed["canvases_received"]] == [canvas.id]
    variant = profile.observed["canvases_received"][0]["variation_name"]
    changed = [one["name"] for key, one in after["variant_stats"].items() if one != before["variant_stats"][key]]
    assert changed == [variant]
    for message in sandbox.messages:
        assert message.canvas_id == canvas.id
        assert message.properties == {"code": "X"}


@pytest.mark.usefixtures("people")
def test_a_user_named_twice_in_a_request_receives_the_last_message(
    client: Client, sandbox: Sandbox, campaign: Campaign
) -> None:
    braze_id = next(iter(sandbox.profiles())).braze_id
    recipients = [
        {"external_user_id": "a", "trigger_properties": {"n": 1}},
        {"braze_id": braze_id, "trigger_properties": {"n": 2}},
    ]
    client.post("/campaigns/trigger/send", {"campaign_id": campaign.id, "recipients": recipients})
    assert [(one.external_id, one.properties) for one in sandbox.messages] == [("a", {"n": 2})]
    assert any("the same user" in one["reason"] for one in sandbox.violations)


@pytest.mark.parametrize(
    ("recipient", "says"),
    [
        ({}, "recipients[0] must have exactly one of external_user_id, user_alias, braze_id and email"),
        ({"external_user_id": "a", "email": "a@shop.example"}, "exactly one of"),
        ({"email": "a@shop.example"}, "'prioritization' is required"),
        ({"external_user_id": "a", "send_to_existing_only": False}, "'attributes' is required"),
        ({"external_user_id": "a", "attributes": {"email": "x"}}, "recipients[0]: EMAIL_BAD_FORMAT"),
        ({"external_user_id": "a", "trigger_properties": 1}, "'trigger_properties' must be an object"),
    ],
)
def test_recipients_that_are_refused(
    client: Client, sandbox: Sandbox, campaign: Campaign, recipient: dict[str, Any], says: str
) -> None:
    answer = client.post("/campaigns/trigger/send", {"campaign_id": campaign.id, "recipients": [recipient]})
    assert answer.status_code == 400
    assert says in answer.json()["message"]
    assert (sandbox.messages, sandbox.profiles()) == ([], [])


def test_only_triggered_campaigns_and_canvases_are_triggered(
    client: Client, campaign: Campaign, canvas: Canvas
) -> None:
    campaign.schedule_type = canvas.schedule_type = "time_based"
    everybody = {"broadcast": True}
    answers = [
        client.post("/campaigns/trigger/send", {"campaign_id": campaign.id, **everybody}),
        client.post("/canvas/trigger/send", {"canvas_id": canvas.id, **everybody}),
        client.post("/campaigns/trigger/send", {"campaign_id": "none", **everybody}),
        client.post("/canvas/trigger/send", {"canvas_id": "none", **everybody}),
    ]
    assert [(answer.status_code, answer.json()["message"]) for answer in answers] == [
        (400, "Invalid Campaign ID"),
        (400, "Invalid Canvas ID"),
        (400, "campaign_id must be a string of the campaign api identifier"),
        (400, "canvas_id must be a string of the Canvas api identifier"),
    ]


@pytest.fixture
def soon() -> Iterator[tuple[Sandbox, Client]]:
    """A sandbox whose time can be moved."""
    with Sandbox(seed="small") as sandbox:
        client = Client(sandbox)
        client.track(attributes=[{"external_id": "a", "email": "a@shop.example"}])
        yield sandbox, client
        client.close()


def test_schedules_are_sent_when_they_are_due(soon: tuple[Sandbox, Client]) -> None:
    sandbox, client = soon
    now = datetime.now(timezone.utc)
    later = (now + timedelta(days=2)).isoformat()
    message = {"external_user_ids": ["a"], "messages": {"email": EMAIL}}
    made = [client.post("/messages/schedule/create", {**message, "schedule": {"time": later}}) for _ in range(3)]
    assert [answer.status_code for answer in made] == [201] * 3
    assert made[0].json().keys() == {"dispatch_id", "schedule_id", "message"}
    first, second, third = (answer.json()["schedule_id"] for answer in made)
    past = {"schedule_id": first, "schedule": {"time": now.isoformat()}, "messages": {"email": {"subject": "New"}}}
    assert client.post("/messages/schedule/update", past).json() == {"message": "success"}
    assert client.post("/messages/schedule/delete", {"schedule_id": second}).json() == {"message": "success"}
    assert [one.content for one in sandbox.messages] == [{"subject": "New"}]
    assert list(sandbox.workspace.schedules) == [third]
    for gone in (first, second, "none"):
        answer = client.post("/messages/schedule/delete", {"schedule_id": gone})
        assert (answer.status_code, answer.json()["message"]) == (400, "Invalid Schedule ID")
    answer = client.post("/messages/schedule/update", {"schedule_id": third})
    assert answer.json()["message"] == "'schedule' or 'messages' is required"


def test_triggers_are_scheduled(client: Client, sandbox: Sandbox, campaign: Campaign, canvas: Canvas) -> None:
    client.track(attributes=[{"external_id": "a", "email": "a@shop.example"}])
    for path, owner in (("campaigns", {"campaign_id": campaign.id}), ("canvas", {"canvas_id": canvas.id})):
        body = {**owner, "recipients": [{"external_user_id": "a"}], "schedule": {"time": "2026-03-21T08:00:00Z"}}
        schedule = client.post(f"/{path}/trigger/schedule/create", body).json()["schedule_id"]
        wrong = {"schedule_id": schedule, next(iter(owner)): "other", "schedule": body["schedule"]}
        assert client.post(f"/{path}/trigger/schedule/update", wrong).json()["message"] == "Invalid Schedule ID"
        good = {**owner, "schedule_id": schedule, "schedule": {"time": "2026-03-22T08:00:00Z", "in_local_time": True}}
        assert client.post(f"/{path}/trigger/schedule/update", good).status_code == 201
        assert sandbox.workspace.schedules[schedule].at == datetime(2026, 3, 22, 8, tzinfo=timezone.utc)
        late = {**good, "schedule": {"time": "2026-03-20T08:00:00Z", "in_local_time": True}}
        assert "has passed" in client.post(f"/{path}/trigger/schedule/update", late).json()["message"]
        assert client.post(f"/{path}/trigger/schedule/delete", {**owner, "schedule_id": schedule}).status_code == 201
    assert (sandbox.messages, sandbox.workspace.schedules) == ([], {})


@pytest.mark.parametrize("time", [None, "tomorrow", 5])
def test_times_of_schedules(client: Client, campaign: Campaign, time: Any) -> None:
    body = {"campaign_id": campaign.id, "broadcast": True, "schedule": {"time": time}}
    answer = client.post("/campaigns/trigger/schedule/create", body)
    assert answer.json()["message"] == "'schedule': 'time' is required and must be an ISO 8601 date-time"


def test_transactional_email(client: Client, sandbox: Sandbox, campaign: Campaign) -> None:
    path = f"/transactional/v1/campaigns/{campaign.id}/send"
    recipient = {"external_user_id": "a", "attributes": {"email": "a@shop.example", "email_subscribe": "unsubscribed"}}
    body = {"external_send_id": "order-1", "trigger_properties": {"order": 1}, "recipient": recipient}
    assert "not a transactional campaign" in client.post(path, body).json()["message"]
    campaign.transactional = True
    answer = client.post(path, body)
    assert answer.status_code == 201
    assert answer.json().keys() == {"dispatch_id", "status", "metadata"}
    assert answer.json()["status"] == "sent"
    assert answer.json()["metadata"].items() >= {"campaign_api_id": campaign.id, "external_send_id": "order-1"}.items()
    assert client.post(path, body).json()["message"].startswith("The external reference has been queued.")
    (message,) = sandbox.messages
    assert (message.external_id, message.properties) == ("a", {"order": 1})
    aborted = client.post(path, {"recipient": {"external_user_id": "b", "attributes": {"plan": "plus"}}}).json()
    assert (aborted["status"], aborted["metadata"]["reason"]) == ("aborted", "User not emailable")
    campaign.archived = True
    assert client.post(path, body).json()["message"].startswith("The campaign is archived.")
    unknown = client.post("/transactional/v1/campaigns/195081f8-e8aa-4f1d-ba99-d02a7cf22358/send", body)
    assert unknown.json()["message"] == "Campaign does not exist"


def test_live_activities(client: Client, sandbox: Sandbox) -> None:
    client.track(attributes=[{"external_id": "a"}])
    (app, *_) = sandbox.workspace.apps
    body = {
        "app_id": app,
        "activity_id": "game-1",
        "activity_attributes_type": "Game",
        "activity_attributes": {"home": "A"},
        "content_state": {"score": 0},
        "notification": {"alert": {"title": "t", "body": "b"}},
        "external_user_ids": ["a"],
    }
    assert client.post("/messages/live_activity/start", body).json() == {"message": "success"}
    assert received(sandbox) == [("a", "live_activity")]
    end = {"app_id": app, "activity_id": "game-1", "content_state": {"score": 2}, "end_activity": True}
    assert client.post("/messages/live_activity/update", end).status_code == 201
    activity = sandbox.workspace.live_activities["game-1"]
    assert (activity.content_state, activity.ended) == ({"score": 2}, True)
    assert client.post("/messages/live_activity/start", {**body, "segment_id": "x"}).status_code == 400
    assert client.post("/messages/live_activity/update", {**end, "stale_date": "soon"}).status_code == 400


def test_what_the_sandbox_lacks_is_a_501(client: Client, campaign: Campaign) -> None:
    plan = {"custom_attribute_name": "plan", "comparison": "matches_regex", "value": "p.*"}
    body = {"campaign_id": campaign.id, "broadcast": True, "audience": {"custom_attribute": plan}}
    answer = client.post("/campaigns/trigger/send", body)
    assert (answer.status_code, answer.json()) == (
        501,
        {
            "message": "Not Implemented",
            "errors": ["braze-sandbox does not have the comparison matches_regex; Braze does"],
        },
    )


def test_broadcasts_have_a_pool_of_their_own(client: Client, campaign: Campaign) -> None:
    broadcast = client.post("/campaigns/trigger/send", {"campaign_id": campaign.id, "broadcast": True})
    named = client.post(
        "/campaigns/trigger/send", {"campaign_id": campaign.id, "recipients": [{"external_user_id": "a"}]}
    )
    assert [answer.headers["x-ratelimit-limit"] for answer in (broadcast, named)] == ["250", "250000"]
