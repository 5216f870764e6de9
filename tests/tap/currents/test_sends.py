"""`sends_analytics` finds its sends in the event files."""

from __future__ import annotations

from datetime import datetime, timedelta, timezone
from typing import TYPE_CHECKING, Any

import pytest
from braze_sandbox.model.objects import Send
from tap_braze.currents.hours import hour_of
from tap_braze.currents.sends import sends_in

from tests.tap.support.currents import FIELDS, Bucket, avro, event

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from braze_sandbox.testing import Sandbox

    from tests.tap.support.singer import Run

SENT = "users.messages.email.Send"
NOW = datetime.now(timezone.utc)


def ago(**span: float) -> str:
    return hour_of(NOW - timedelta(**span))


def messages(*sends: tuple[str | None, str | None]) -> bytes:
    fields = FIELDS | {"campaign_id": ["null", "string"], "send_id": ["null", "string"]}
    return avro([event("e", campaign_id=campaign, send_id=send) for campaign, send in sends], fields)


@pytest.fixture
def bucket(tmp_path: Path, sandbox: Sandbox) -> Bucket:
    (tmp_path / "bucket").mkdir()
    dates = {"start_date": f"{NOW - timedelta(days=20):%Y-%m-%d}"}
    return Bucket(tmp_path / "bucket", config={"endpoint": sandbox.url, "api_key": sandbox.api_key, **dates})


@pytest.fixture
def campaigns(sandbox: Sandbox) -> list[str]:
    """An API campaign with three sends, and another campaign."""
    found = sandbox.workspace.campaigns.values()
    campaign = next(each for each in found if each.is_api_campaign)
    other = next(each for each in found if not each.is_api_campaign)
    for number in range(3):
        send = Send(id=f"s-{number}", campaign_id=campaign.id, sent_at=NOW - timedelta(days=number + 1))
        sandbox.workspace.sends[send.id] = send
    return [campaign.id, other.id]


def run(bucket: Bucket, **settings: Any) -> Run:
    return bucket.run("sends_analytics", event_types=[], find_sends=True, **settings)


def sends(found: Run) -> set[tuple[str, str]]:
    return {(record["campaign_id"], record["send_id"]) for record in found.records("sends_analytics")}


def asked(sandbox: Sandbox) -> set[str]:
    return {request.query["send_id"] for request in sandbox.requests if request.path == "/sends/data_series"}


def test_sends_are_found_once_and_remembered_for_14_days(
    sandbox: Sandbox, bucket: Bucket, campaigns: list[str]
) -> None:
    api, other = campaigns
    bucket.write(messages((api, "s-0"), (api, "s-0"), (api, None), (None, "x")), hour=ago(hours=20), event_type=SENT)
    bucket.write(
        messages((other, "not tracked"), (api, "s-1")), hour=ago(days=2), event_type=SENT.replace("email", "sms")
    )
    bucket.write(messages((api, "too old")), hour=ago(days=15), event_type=SENT)
    bucket.write(messages((api, "opened")), hour=ago(days=1), event_type="users.messages.email.Open")
    first = run(bucket)
    assert first.exit_code == 0, first.stderr
    assert sends(first) == {(api, "s-0"), (api, "s-1")}
    assert asked(sandbox) == {"s-0", "s-1"}
    for path in bucket.folder.rglob("*.avro"):
        path.unlink()
    bucket.write(messages((api, "s-2")), hour=ago(hours=1), event_type=SENT)
    assert sends(run(bucket)) == {(api, "s-0"), (api, "s-1"), (api, "s-2")}
    assert bucket.state is not None
    kept = bucket.state["bookmarks"]["sends_analytics"]["currents"]
    assert {each["send_id"] for each in kept["sends"]} == {"s-0", "s-1", "s-2", "not tracked"}
    for each in kept["sends"]:
        each["hour"] = ago(days=15)
    assert sends(run(bucket)) == set()


def test_a_broken_file_is_read_by_the_next_run(bucket: Bucket, campaigns: list[str]) -> None:
    path = bucket.write(messages((campaigns[0], "s-0"))[:-9], hour=ago(hours=3), event_type=SENT)
    bucket.write(messages((campaigns[0], "s-1")), hour=ago(hours=2), event_type=SENT)
    first = run(bucket)
    assert first.exit_code == 1
    assert path.name in first.stderr
    assert sends(first) == {(campaigns[0], "s-1")}
    path.write_bytes(messages((campaigns[0], "s-0")))
    second = run(bucket)
    assert second.exit_code == 0, second.stderr
    assert sends(second) == {(campaigns[0], "s-0"), (campaigns[0], "s-1")}


def test_state_names_few_broken_files(bucket: Bucket, campaigns: list[str], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("tap_braze.currents.position.MOST_ASIDE", 2)
    broken = [bucket.write(b"no Avro", hour=ago(hours=9 - number), event_type=SENT) for number in range(4)]
    bucket.write(messages((campaigns[0], "s-0")), hour=ago(hours=1), event_type=SENT)
    assert sends(run(bucket)) == set()
    assert bucket.state is not None
    kept = bucket.state["bookmarks"]["sends_analytics"]["currents"]["event_types"][SENT]
    assert kept["pending"] == [bucket.relative(path) for path in broken[:2]]
    for path in broken:
        path.unlink()
    assert sends(run(bucket)) == {(campaigns[0], "s-0")}


def test_a_send_that_braze_refuses_leaves_state_when_it_is_too_old(bucket: Bucket, campaigns: list[str]) -> None:
    bucket.write(messages((campaigns[0], "unknown")), hour=ago(hours=3), event_type=SENT)
    assert "send_id 'unknown' was refused" in run(bucket).stderr
    assert bucket.state is not None
    kept = bucket.state["bookmarks"]["sends_analytics"]
    assert [gap["send_id"] for gap in kept["missing"]] == ["unknown"]
    kept["currents"]["sends"][0]["hour"] = ago(days=15)
    run(bucket)
    assert "missing" not in bucket.state["bookmarks"]["sends_analytics"]


def test_what_cannot_be_read_is_said(bucket: Bucket, campaigns: list[str], run_tap: Callable[..., Run]) -> None:
    empty = run(bucket)
    assert empty.exit_code == 1
    assert "the listing of all files" in empty.stderr
    bucket.write(messages((campaigns[0], "s-0")), hour=ago(hours=3), event_type=SENT)
    bucket.state = {"bookmarks": {"sends_analytics": {"currents": {"sends": [3]}}}}
    wrong = run(bucket)
    assert wrong.errors == [
        "stream 'sends_analytics': 'currents' in the state is wrong: it is no list of sends (TypeError); remove it"
    ]
    assert run_tap("sends_analytics", currents={"find_sends": True}).errors == [
        "setting 'currents.find_sends': set 'currents.url' too, the bucket with the files to read"
    ]


def test_a_file_without_the_fields_has_no_sends() -> None:
    assert sends_in(avro([event("e")])) == set()
