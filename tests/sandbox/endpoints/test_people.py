"""Endpoints that read about people and sends: suppressed addresses, subscription groups, broadcasts, sends."""

from __future__ import annotations

from datetime import date, datetime, timedelta, timezone
from typing import TYPE_CHECKING, Any

import pytest
from braze_sandbox.model.objects import Broadcast, Send, Suppressed
from braze_sandbox.testing import Sandbox

from tests.sandbox.conftest import TODAY, Client

if TYPE_CHECKING:
    import requests

LISTS = [
    ("/email/hard_bounces", "emails", "hard_bounced_at", "email"),
    ("/email/unsubscribes", "emails", "unsubscribed_at", "email"),
    ("/sms/invalid_phone_numbers", "sms", "invalid_detected_at", "phone"),
]


def all_of(client: Client, path: str, key: str, **query: Any) -> list[dict[str, str]]:
    found: list[dict[str, str]] = []
    while True:
        answer = client.get(path, limit=500, offset=len(found), **query)
        assert answer.status_code == 200, answer.text
        rows = answer.json()[key]
        found += rows
        if len(rows) < 500:
            return found


@pytest.mark.parametrize(("path", "key", "at", "who"), LISTS)
def test_more_than_a_page_newest_first(reader: Client, path: str, key: str, at: str, who: str) -> None:
    rows = all_of(reader, path, key, start_date="2025-01-01", end_date="2026-03-21")
    assert len(rows) > 500
    assert len({row[who] for row in rows}) == len(rows)
    assert [row[at] for row in rows] == sorted((row[at] for row in rows), reverse=True)
    # Some share a second: their order does not depend on the page.
    assert len({row[at] for row in rows}) < len(rows)
    assert len(reader.get(path, start_date="2025-01-01", end_date="2026-03-21").json()[key]) == 100


@pytest.mark.parametrize(("path", "key", "at", "who"), LISTS)
def test_days_begin_at_midnight_in_utc(client: Client, path: str, key: str, at: str, who: str) -> None:
    for start, end, count in [
        ("2026-03-02", "2026-03-03", 1),
        ("2026-03-05", "2026-03-06", 0),
        ("2026-03-06", "2026-03-07", 1),
        ("2026-03-01", "2026-04-01", 3),
    ]:
        rows = client.get(path, start_date=start, end_date=end).json()[key]
        assert len(rows) == count, (start, who)
    assert rows[1][at].startswith("2026-03-06")


@pytest.mark.parametrize(("path", "key", "at", "who"), LISTS)
def test_windows_add_up(reader: Client, path: str, key: str, at: str, who: str) -> None:
    whole = all_of(reader, path, key, start_date="2025-06-01", end_date="2025-06-11")
    parts = [
        row
        for day in range(10, 0, -1)
        for row in all_of(reader, path, key, start_date=f"2025-06-{day:02}", end_date=f"2025-06-{day + 1:02}")
    ]
    assert whole == parts
    assert all(row[who] and row[at] for row in whole)


def test_the_form_of_times(client: Client) -> None:
    query = {"start_date": "2026-03-02", "end_date": "2026-03-03"}
    bounces = client.get("/email/hard_bounces", **query).json()["emails"]
    assert bounces[0]["hard_bounced_at"] == "2026-03-02 10:00:00 +0000"
    numbers = client.get("/sms/invalid_phone_numbers", **query).json()["sms"]
    assert numbers[0]["invalid_detected_at"] == "2026-03-02T10:00:00Z"


def test_unsubscribes_may_come_oldest_first(reader: Client) -> None:
    query = {"start_date": "2025-06-01", "end_date": "2025-07-01"}
    newest = all_of(reader, "/email/unsubscribes", "emails", **query)
    assert all_of(reader, "/email/unsubscribes", "emails", **query, sort_direction="asc") == newest[::-1]


@pytest.mark.parametrize(
    ("path", "query", "names"),
    [
        ("/email/hard_bounces", {"start_date": "2026-01-01"}, "end_date"),
        ("/email/hard_bounces", {"email": "a@b.example"}, "end_date"),
        ("/email/hard_bounces", {"end_date": "2026-01-01"}, "start_date"),
        ("/email/hard_bounces", {"start_date": "2026-01-01", "end_date": "2026-01-01"}, "earlier"),
        ("/email/hard_bounces", {"start_date": "2026-01-01T00:00:00Z", "end_date": "2026-01-02"}, "start_date"),
        ("/email/unsubscribes", {"start_date": "2026-01-01", "end_date": "2026-02-01", "limit": 501}, "limit"),
        ("/email/unsubscribes", {"start_date": "2026-01-01", "end_date": "2026-02-01", "limit": 0}, "limit"),
        ("/email/unsubscribes", {"start_date": "2026-01-01", "end_date": "2026-02-01", "sort_direction": "x"}, "sort"),
        ("/sms/invalid_phone_numbers", {"start_date": "2026-01-01"}, "end_date"),
        ("/sms/invalid_phone_numbers", {"phone_numbers[]": "+1", "reason": "x"}, "reason"),
    ],
)
def test_bad_parameters_are_named(client: Client, path: str, query: dict[str, Any], names: str) -> None:
    answer = client.get(path, **query)
    assert answer.status_code == 400
    assert names in answer.json()["message"]


def test_single_addresses_win_over_dates(client: Client, sandbox: Sandbox) -> None:
    sandbox.workspace.unsubscribes.append(
        Suppressed(address="Ada@Shop.example", at=datetime(2020, 1, 1, tzinfo=timezone.utc))
    )
    query = {"email": "ada@shop.example", "start_date": "2026-01-01", "end_date": "2026-02-01"}
    assert [row["email"] for row in client.get("/email/unsubscribes", **query).json()["emails"]] == ["Ada@Shop.example"]
    assert client.get("/email/unsubscribes", **query, offset=1).json()["emails"] == []
    numbers = [entry.address for entry in sandbox.workspace.invalid_phone_numbers]
    asked = [numbers[0], numbers[2].lstrip("+"), "+1999"]
    answer = client.get("/sms/invalid_phone_numbers", **{"phone_numbers[]": asked}, start_date="2020-01-01")
    assert {row["phone"] for row in answer.json()["sms"]} == {numbers[0], numbers[2]}


def test_reasons_of_invalid_numbers(reader: Client) -> None:
    query = {"start_date": "2025-01-01", "end_date": "2026-03-21"}
    counts = [
        len(all_of(reader, "/sms/invalid_phone_numbers", "sms", **query, **reason))
        for reason in ({}, {"reason": "deactivated"}, {"reason": "provider_error"})
    ]
    assert counts[0] == counts[1] + counts[2]
    assert min(counts) > 0


def test_subscription_groups(client: Client, sandbox: Sandbox) -> None:
    email, sms = sandbox.workspace.subscription_groups.values()
    client.track(
        attributes=[
            {
                "external_id": name,
                "email": "ada+1@shop.example",
                "phone": "+15550001111",
                "subscription_groups": [
                    {"subscription_group_id": email.id, "subscription_state": "subscribed"},
                    {"subscription_group_id": sms.id, "subscription_state": "unsubscribed"},
                ],
            }
            for name in ("a", "b")
        ]
    )
    client.track(attributes=[{"external_id": "c", "x": 1}])

    def status(group: str, **who: Any) -> requests.Response:
        return client.get("/subscription/status/get", subscription_group_id=group, **who)

    assert status(email.id, **{"external_id[]": ["a", "c", "nobody"]}).json() == {
        "status": {"a": "Subscribed", "c": "Unknown", "nobody": "Unknown"},
        "message": "success",
    }
    assert status(email.id, email="ada+1@shop.example").json()["status"] == {"ada+1@shop.example": "Subscribed"}
    assert status(sms.id, phone="+15550001111").json()["status"] == {"+15550001111": "Unsubscribed"}
    refused: list[tuple[str, dict[str, Any]]] = [
        ("x", {"external_id": "a"}),
        (email.id, {}),
        (email.id, {"phone": "+15550001111"}),
        (sms.id, {"email": "ada+1@shop.example"}),
        (email.id, {"email": "a@b.example", "phone": "+15550001111"}),
        (email.id, {"external_id[]": [str(number) for number in range(51)]}),
    ]
    for group, who in refused:
        assert status(group, **who).status_code == 400, who

    answer = client.get("/subscription/user/status", email="ada+1@shop.example").json()
    assert [user["external_id"] for user in answer["users"]] == ["a", "b"]
    assert answer["total_count"] == 2
    assert answer["users"][0]["subscription_groups"] == [
        {"id": email.id, "name": email.name, "channel": "email", "status": "Subscribed"},
        {"id": sms.id, "name": sms.name, "channel": "sms", "status": "Unsubscribed"},
    ]
    answer = client.get(
        "/subscription/user/status", **{"external_id[]": ["c", "nobody", "b"]}, limit=1, offset=1
    ).json()
    assert ([user["external_id"] for user in answer["users"]], answer["total_count"]) == (["b"], 2)
    assert client.get("/subscription/user/status").status_code == 400
    assert client.get("/subscription/user/status", external_id="a", limit=101).status_code == 400


def test_broadcasts_up_to_a_midnight(demo: Sandbox, reader: Client) -> None:
    rows = reader.get("/messages/scheduled_broadcasts", end_time="2026-05-20T23:00:00Z").json()["scheduled_broadcasts"]
    assert len(rows) == len(demo.workspace.broadcasts)
    assert {row["type"] for row in rows} == {"Campaign", "Canvas"}
    assert {row["schedule_type"] for row in rows} == {"UTC", "local_time_zones", "intelligent_delivery"}
    for row in rows:
        assert row["next_send_time"].endswith("+00:00") is (row["schedule_type"] == "UTC")
    # The time of day does not count.
    for end, count in [("2026-03-21T23:59:59Z", 0), ("2026-03-22", 3), ("2026-03-21T23:59:59-01:00", 3)]:
        found = reader.get("/messages/scheduled_broadcasts", end_time=end).json()["scheduled_broadcasts"]
        assert len(found) == count, end


def test_a_daily_broadcast_keeps_its_time_of_day() -> None:
    with Sandbox(time_zone="America/New_York", today=date(2026, 3, 7)) as sandbox:
        client = Client(sandbox)
        first = datetime(2026, 2, 1, 14, tzinfo=timezone.utc)
        sandbox.workspace.broadcasts = [
            Broadcast(id="x", name="x", type="Campaign", next_send_time=first, daily=True),
            Broadcast(id="y", name="y", type="Campaign", next_send_time=first),
        ]
        rows = client.get("/messages/scheduled_broadcasts", end_time="2026-04-01").json()["scheduled_broadcasts"]
        # Summer time has begun in the night.
        assert [(row["id"], row["next_send_time"]) for row in rows] == [("x", "2026-03-08T09:00:00-04:00")]
        assert rows[0]["schedule_type"] == "America/New_York"
        client.close()


def test_sends_are_kept_for_two_weeks(client: Client, sandbox: Sandbox) -> None:
    send = next(iter(sandbox.workspace.sends.values()))
    query: dict[str, Any] = {"campaign_id": send.campaign_id, "send_id": send.id, "length": 20}
    rows = client.get("/sends/data_series", **query).json()["data"]
    busy = [row["time"] for row in rows if row["unique_recipients"]]
    assert busy
    assert min(busy) >= send.sent_at.date().isoformat()
    channel = next(iter(rows[-1]["messages"].values()))
    assert {"variation_name", "revenue", "conversions", "conversions_by_send_time"} <= set(channel[0])
    old = Send(id="old", campaign_id=send.campaign_id, sent_at=send.sent_at - timedelta(days=20))
    sandbox.workspace.sends[old.id] = old
    assert client.get("/sends/data_series", **(query | {"send_id": "old"})).json()["data"] == []
    other = next(c.id for c in sandbox.workspace.campaigns.values() if not c.is_api_campaign)
    for bad in ({"campaign_id": other}, {"send_id": "x"}, {"length": 101}):
        assert client.get("/sends/data_series", **(query | bad)).status_code == 400
    sandbox.workspace.restate("sends", send.id, TODAY, +5)
    later = client.get("/sends/data_series", **query).json()["data"]
    assert later[-1]["conversions"] == rows[-1]["conversions"] + 5
