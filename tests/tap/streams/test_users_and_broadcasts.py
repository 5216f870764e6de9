"""Streams about people: bounces, unsubscribes, numbers, subscriptions; and scheduled broadcasts."""

from __future__ import annotations

from datetime import date, datetime, time, timedelta, timezone
from typing import TYPE_CHECKING, Any

import pytest
from braze_sandbox.model.objects import Broadcast, SubscriptionGroup, Suppressed
from tap_braze.times import moment

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from braze_sandbox.testing import Sandbox

    RunTap = Callable[..., Any]

LISTS = [
    ("hard_bounces", "/email/hard_bounces", "email", "hard_bounced_at"),
    ("unsubscribes", "/email/unsubscribes", "email", "unsubscribed_at"),
    ("invalid_phone_numbers", "/sms/invalid_phone_numbers", "phone", "invalid_detected_at"),
]
BEGIN = datetime(2026, 3, 1, tzinfo=timezone.utc)
SPAN = {"start_date": "2026-03-01", "end_date": "2026-03-05"}


def suppress(sandbox: Sandbox, kind: str, *moments: datetime) -> None:
    entries = [
        Suppressed(address=f"+1555{number:07}" if kind == "invalid_phone_numbers" else f"u{number}@x.example", at=at)
        for number, at in enumerate(moments)
    ]
    setattr(sandbox.workspace, kind, entries)


def moments(run: Any, stream: str, field: str) -> list[datetime]:
    return [moment(record[field]) for record in run.records(stream)]


def days(sandbox: Sandbox, path: str) -> list[tuple[str, str]]:
    asked = [r.query for r in sandbox.requests if r.path == path and "offset" not in r.query]
    return sorted((query["start_date"], query["end_date"]) for query in asked)


@pytest.mark.parametrize(("stream", "path", "key", "field"), LISTS)
def test_days_of_suppression(
    sandbox: Sandbox, run_tap: RunTap, *, stream: str, path: str, key: str, field: str
) -> None:
    midnight = timedelta(days=1)
    inside = [
        BEGIN,
        BEGIN + midnight - timedelta(seconds=1),
        BEGIN + midnight,
        BEGIN + 4 * midnight - timedelta(seconds=1),
    ]
    outside = [BEGIN - timedelta(seconds=1), BEGIN + 4 * midnight]
    suppress(sandbox, stream, *inside, *outside)
    run = run_tap(stream, **SPAN)
    assert sorted(moments(run, stream, field)) == inside
    assert {record[key] for record in run.records(stream)} == {
        entry.address for entry in getattr(sandbox.workspace, stream)[:4]
    }
    assert run.bookmark(stream) == "2026-03-04"
    first = date(2026, 3, 1)
    each = [first + timedelta(days=number) for number in range(4)]
    assert days(sandbox, path) == [(day.isoformat(), (day + midnight).isoformat()) for day in each]


@pytest.mark.parametrize(("stream", "path", "field"), [(stream, path, field) for stream, path, _, field in LISTS])
def test_the_last_day_is_read_again(sandbox: Sandbox, run_tap: RunTap, *, stream: str, path: str, field: str) -> None:
    at = [BEGIN + timedelta(days=number, hours=12) for number in range(4)]
    suppress(sandbox, stream, *at)
    first = run_tap(stream, **SPAN)
    late = at[-1] + timedelta(hours=1)
    suppress(sandbox, stream, *at, late, late + timedelta(days=2))
    before = len(days(sandbox, path))
    second = run_tap(stream, state=first.state, **(SPAN | {"end_date": "2026-03-07"}))
    assert moments(second, stream, field) == [at[-1], late, late + timedelta(days=2)] or (
        sorted(moments(second, stream, field)) == [at[-1], late, late + timedelta(days=2)] and stream != "unsubscribes"
    )
    assert len(days(sandbox, path)) - before == 3
    assert second.bookmark(stream) == "2026-03-06"


@pytest.mark.parametrize(("stream", "path", "key"), [(stream, path, key) for stream, path, key, _ in LISTS])
@pytest.mark.parametrize("count", [499, 500, 501, 1200])
def test_every_page_of_a_day_is_read(
    sandbox: Sandbox, run_tap: RunTap, *, stream: str, path: str, key: str, count: int
) -> None:
    # Some at the same second, on both sides of the edges of pages.
    suppress(sandbox, stream, *(BEGIN + timedelta(seconds=number // 3) for number in range(count)))
    records = run_tap(stream, **SPAN | {"end_date": "2026-03-02"}).records(stream)
    addresses = [record[key] for record in records]
    assert len(addresses) == len(set(addresses)) == count
    assert len([request for request in sandbox.requests if request.path == path]) == -(-(count + 1 - 10) // 490)


@pytest.mark.parametrize(("stream", "path", "key"), [(stream, path, key) for stream, path, key, _ in LISTS])
def test_arrivals_between_two_pages_cost_and_double_no_row(
    sandbox: Sandbox, run_tap: RunTap, *, stream: str, path: str, key: str
) -> None:
    suppress(sandbox, stream, *(BEGIN + timedelta(seconds=number) for number in range(1100)))
    there = {entry.address for entry in getattr(sandbox.workspace, stream)}
    entries: list[Suppressed] = getattr(sandbox.workspace, stream)

    def arrive(_request: Any) -> None:
        count = len(entries)
        late = BEGIN + timedelta(hours=1, seconds=count)
        entries.extend(Suppressed(address=f"+1777{count + number}", at=late) for number in range(20))

    sandbox.after_request(path, arrive, times=2)
    addresses = [r[key] for r in run_tap(stream, **SPAN | {"end_date": "2026-03-02"}).records(stream)]
    assert len(addresses) == len(set(addresses))
    assert there <= set(addresses)


def test_unsubscribes_come_oldest_first(sandbox: Sandbox, run_tap: RunTap) -> None:
    suppress(sandbox, "unsubscribes", *(BEGIN + timedelta(minutes=number) for number in range(60)))
    found = moments(run_tap("unsubscribes", **SPAN), "unsubscribes", "unsubscribed_at")
    assert found == sorted(found)
    assert {r.query.get("sort_direction") for r in sandbox.requests} == {"asc"}


def test_today_is_in(sandbox: Sandbox, run_tap: RunTap) -> None:
    now = datetime.now(timezone.utc).replace(microsecond=0)
    suppress(sandbox, "hard_bounces", now)
    run = run_tap(
        "hard_bounces",
        start_date=(now - timedelta(days=2)).date().isoformat(),
        end_date=None,
        time_zone="Pacific/Honolulu",
    )
    assert moments(run, "hard_bounces", "hard_bounced_at") == [now]


def test_days_without_a_row_cost_no_state(sandbox: Sandbox, run_tap: RunTap) -> None:
    suppress(sandbox, "hard_bounces", BEGIN + timedelta(days=50))
    run = run_tap("hard_bounces")
    assert run.bookmark("hard_bounces") == "2026-06-30"
    assert len(run.states) <= 5


def test_an_outage_leaves_the_bookmark_at_the_last_whole_day(sandbox: Sandbox, run_tap: RunTap) -> None:
    suppress(sandbox, "hard_bounces", *(BEGIN + timedelta(days=number) for number in range(4)))
    query = {"start_date": "2026-03-03"}
    sandbox.fault(path="/email/hard_bounces", query=query, do="status", status=503)
    run = run_tap("hard_bounces", **SPAN)
    assert run.exit_code == 1
    assert run.bookmark("hard_bounces") == "2026-03-02"


def test_a_bookmark_that_is_no_date(run_tap: RunTap) -> None:
    for stream, field in (("hard_bounces", "hard_bounced_at"), ("email_templates", "updated_at")):
        state = {"bookmarks": {stream: {"replication_key": field, "replication_key_value": "nonsense"}}}
        run = run_tap(stream, state=state)
        assert run.exit_code == 1
        assert f"stream '{stream}': the bookmark 'nonsense'" in run.errors[0]


@pytest.mark.parametrize(("settings", "ahead"), [({}, 90), ({"scheduled_broadcasts": {"days": 3}}, 3)])
def test_scheduled_broadcasts(sandbox: Sandbox, run_tap: RunTap, settings: dict[str, Any], ahead: int) -> None:
    midnight = datetime.combine(datetime.now(timezone.utc).date(), time(), timezone.utc)
    due = {name: midnight + timedelta(days=number, hours=23) for name, number in (("in", ahead), ("out", ahead + 1))}
    sandbox.workspace.broadcasts = [
        Broadcast(id=name, name=name, type="Canvas", next_send_time=at, tags=["t"]) for name, at in due.items()
    ] + [
        Broadcast(
            id="local",
            name="local",
            type="Campaign",
            next_send_time=midnight + timedelta(days=2),
            schedule_type="local_time_zones",
        )
    ]
    local, inside = run_tap("scheduled_broadcasts", **settings).records("scheduled_broadcasts")
    assert local["next_send_time"] == (midnight + timedelta(days=2)).replace(tzinfo=None).isoformat()
    assert inside == {
        "id": "in",
        "name": "in",
        "type": "Canvas",
        "tags": ["t"],
        "next_send_time": due["in"].isoformat(),
        "schedule_type": "UTC",
    }


GROUPS = ("g-news", "g-offers")


@pytest.fixture
def subscribers(sandbox: Sandbox) -> list[str]:
    """120 users: all in the first group, every third one out of the second, one in none."""
    names = {"g-news": "News", "g-offers": "Offers"}
    sandbox.workspace.subscription_groups = {key: SubscriptionGroup(id=key, name=name) for key, name in names.items()}
    users = [f"user {number}+ü" for number in range(120)]
    for number, user in enumerate(users):
        profile = sandbox.instance.profiles.create(external_id=user)
        states = {"g-news": "subscribed"} | ({"g-offers": "unsubscribed"} if number % 3 == 0 else {})
        profile.attributes.update(subscription_groups=states if number else {}, email=f"{number}@x.example")
    return users


@pytest.mark.parametrize("in_file", [0, 1, 120])
def test_subscriptions(sandbox: Sandbox, run_tap: RunTap, subscribers: list[str], tmp_path: Path, in_file: int) -> None:
    file = tmp_path / "ids.txt"
    file.write_text("\n".join(["\ufeff" + "\n", *subscribers[120 - in_file :], ""]), "utf-8")
    settings = {"external_ids": [*subscribers[: 120 - in_file], "nobody"], "external_ids_file": str(file)}
    run = run_tap(
        "subscription_states", "subscription_group_states", subscriptions={**settings, "groups": list(GROUPS)}
    )
    assert run.exit_code == 0, run.stderr
    expected = [
        {
            "external_id": user,
            "email": f"{number}@x.example",
            "phone": "(none)",
            "subscription_group_id": group,
            "subscription_group_name": "News" if group == "g-news" else "Offers",
            "channel": "email",
            "status": "Subscribed" if group == "g-news" else "Unsubscribed",
        }
        for number, user in enumerate(subscribers)
        for group in GROUPS
        if number and (group == "g-news" or number % 3 == 0)
    ]
    states = run.records("subscription_states")
    assert sorted(states, key=str) == sorted(expected, key=str)
    of_groups = {
        (record["subscription_group_id"], record["external_id"]): record["status"]
        for record in run.records("subscription_group_states")
    }
    assert len(of_groups) == len(run.records("subscription_group_states")) == 2 * 121
    for record in expected:
        assert of_groups.pop((record["subscription_group_id"], record["external_id"])) == record["status"]
    assert set(of_groups.values()) == {"Unknown"}
    assert len([r for r in sandbox.requests if r.path == "/subscription/user/status"]) == 3
    assert len([r for r in sandbox.requests if r.path == "/subscription/status/get"]) == 6


@pytest.fixture
def people(sandbox: Sandbox) -> None:
    """Two users without an external ID who share an address, one with, and a group for each channel."""
    profiles = sandbox.instance.profiles
    sandbox.workspace.subscription_groups = {
        "g-news": SubscriptionGroup(id="g-news", name="News"),
        "g-texts": SubscriptionGroup(id="g-texts", name="Texts", channel="sms"),
    }
    states = (
        {"g-news": "subscribed"},
        {"g-news": "unsubscribed", "g-texts": "subscribed"},
        {"g-texts": "unsubscribed"},
    )
    for number, groups in enumerate(states):
        name = ("external_id", "known") if number == 2 else ("alias", ("crm", f"a{number}"))
        profile = profiles.create(*name)
        profile.attributes["subscription_groups"] = groups
        profiles.readdress(profile, "email", f"{number // 2}@x.example")
        profiles.readdress(profile, "phone", f"+1555000000{number}")


@pytest.mark.usefixtures("people")
def test_subscriptions_by_address_and_number(run_tap: RunTap) -> None:
    named = {"external_ids": ["known"], "emails": ["0@x.example", "1@x.example", "nobody@x.example"]}
    named["phones"] = ["+15550000001", "+15550000002"]
    run = run_tap(
        "subscription_states", "subscription_group_states", subscriptions={**named, "groups": ["g-news", "g-texts"]}
    )
    assert run.exit_code == 0, run.stderr
    states = {
        (row["external_id"], row["email"], row["phone"], row["subscription_group_id"]): row["status"]
        for row in run.records("subscription_states")
    }
    assert len(run.records("subscription_states")) == len(states)
    assert states == {
        ("(none)", "0@x.example", "+15550000000", "g-news"): "Subscribed",
        ("(none)", "0@x.example", "+15550000001", "g-news"): "Unsubscribed",
        ("(none)", "0@x.example", "+15550000001", "g-texts"): "Subscribed",
        ("known", "1@x.example", "+15550000002", "g-texts"): "Unsubscribed",
    }
    of_groups = {
        (row["subscription_group_id"], row["external_id"], row["email"], row["phone"]): row["status"]
        for row in run.records("subscription_group_states")
    }
    assert of_groups == {
        ("g-news", "known", "(none)", "(none)"): "Unknown",
        ("g-news", "(none)", "0@x.example", "(none)"): "Unsubscribed",
        ("g-news", "(none)", "1@x.example", "(none)"): "Unknown",
        ("g-news", "(none)", "nobody@x.example", "(none)"): "Unknown",
        ("g-texts", "known", "(none)", "(none)"): "Unsubscribed",
        ("g-texts", "(none)", "(none)", "+15550000001"): "Subscribed",
        ("g-texts", "(none)", "(none)", "+15550000002"): "Unsubscribed",
    }
    # A group for texts takes no address, which is no reason to keep rows that are gone.
    activated = {message["stream"] for message in run.messages if message["type"] == "ACTIVATE_VERSION"}
    assert activated == {"subscription_states", "subscription_group_states"}
    assert "refused" not in run.stderr.split("stream  ")[0]


@pytest.mark.usefixtures("people")
def test_a_group_that_takes_neither_addresses_nor_numbers_is_refused(run_tap: RunTap) -> None:
    named = {"emails": ["0@x.example"], "phones": ["+15550000001"]}
    run = run_tap("subscription_group_states", subscriptions={**named, "groups": ["g-news", "gone"]})
    assert len(run.records("subscription_group_states")) == 1
    assert "subscription_group_id 'gone', identifier_type 'email' was refused" in run.stderr
    assert "'g-news'" not in run.stderr
    assert "x.example" not in run.stderr
    assert "ACTIVATE_VERSION" not in {message["type"] for message in run.messages}


def test_a_page_that_may_count_groups_is_followed_by_another(
    sandbox: Sandbox, run_tap: RunTap, subscribers: list[str]
) -> None:
    profile = sandbox.profile(subscribers[0])
    assert profile is not None
    profile.attributes["subscription_groups"] = {f"g-{number}": "subscribed" for number in range(130)}
    run = run_tap("subscription_states", subscriptions={"external_ids": subscribers[:1]})
    assert len(run.records("subscription_states")) == 130
    assert len(sandbox.requests) == 2


def test_no_message_names_a_user(sandbox: Sandbox, run_tap: RunTap, subscribers: list[str]) -> None:
    body = {"message": f"{subscribers[0]} is not known"}
    sandbox.fault(path="/subscription/*", do="status", status=400, body=body)
    subscriptions = {"external_ids": subscribers, "groups": list(GROUPS)}
    for stream in ("subscription_states", "subscription_group_states"):
        run = run_tap(stream, subscriptions=subscriptions)
        assert "HTTP 400" in run.stderr
        assert "user 0" not in run.stderr


def test_subscriptions_of_nobody(sandbox: Sandbox, run_tap: RunTap) -> None:
    for stream in ("subscription_states", "subscription_group_states"):
        run = run_tap(stream)
        assert run.exit_code == 0
        assert f"stream '{stream}' reads nothing: setting 'subscriptions' names no user" in run.stderr
    assert sandbox.requests == []


def test_a_file_of_users_that_is_not_there(run_tap: RunTap) -> None:
    run = run_tap("subscription_states", subscriptions={"external_ids_file": "nowhere.txt"})
    assert run.exit_code == 1
    assert run.errors == ["setting 'subscriptions.external_ids_file': 'nowhere.txt' cannot be read"]
