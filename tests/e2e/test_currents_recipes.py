"""docs/currents-recipes.md: its SQL on what the tap has read and target-postgres has loaded."""

from __future__ import annotations

import json
import re
from collections import defaultdict
from datetime import date, datetime, timezone
from typing import TYPE_CHECKING, Any

import psycopg
import pytest
from braze_sandbox.currents import files as currents
from braze_sandbox.testing import Sandbox
from psycopg.rows import dict_row

from demo import machinery
from tests.e2e.support import blocks, pipe, plugins, tap

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

SCHEMA = "braze"
MESSAGES = ("Send", "Impression")
ENGAGED = ("Open", "Click", "ShortLinkClick")


class Loaded:
    """A database with the rows that were read, and the events written for them."""

    def __init__(self, uri: str, events: list[dict[str, Any]], page: Path) -> None:
        self.events = events
        self._uri = uri
        self._page = page

    def answers(
        self, *numbers: int, first: str = "select", then: str = "", instead: tuple[str, str] = ("", "")
    ) -> list[dict[str, Any]]:
        """What the last of these SQLs of the page answers, or a query after them; `first` is run before them.

        `instead` is a number in them and another that takes its place.
        """
        with psycopg.connect(self._uri, row_factory=dict_row) as connection:
            connection.execute(f"set search_path to {SCHEMA}")
            connection.execute(first.encode())
            pages = [page.replace(*instead) if instead[0] else page for page in blocks(self._page, "sql")]
            for number in numbers:
                rows = connection.execute(pages[number].encode())
            if then:
                rows = connection.execute(then.encode())
            found = rows.fetchall()
            connection.rollback()
        return found


@pytest.fixture
def loaded(root: Path, tmp_path: Path) -> Iterator[Loaded]:
    page = root / "docs" / "currents-recipes.md"
    (extractor,) = plugins(page)["extractors"]
    with Sandbox(seed="small", users=20, today=date(2026, 3, 20)) as braze, machinery.postgres(tmp_path) as database:
        options = currents.Options(hours=48, duplicates=0.1)
        files = currents.write(tmp_path, braze.instance, options)
        machinery.Meltano(tmp_path, machinery.Sandbox(braze.url, braze.api_key), database).install()
        config = {
            **extractor["config"],
            "api_key": braze.api_key,
            "endpoint": braze.url,
            "start_date": "2026-03-01",
            "end_date": "2026-03-04",
            "currents": {"url": str(tmp_path / "currents")},
        }
        loader = {
            "sqlalchemy_url": database.sqlalchemy_url,
            "default_target_schema": SCHEMA,
            "add_record_metadata": False,
            "activate_version": False,
        }
        (tmp_path / "postgres.json").write_text(json.dumps(loader), "utf-8")
        writes = [str(machinery.ROOT / ".meltano/loaders/target-postgres/venv/bin/target-postgres")]
        pipe(tap(tmp_path, config, extractor["select"]), [*writes, "--config", str(tmp_path / "postgres.json")])
        told = {record["id"]: {**record, "event_type": file.event_type} for file in files for record in file.records}
        yield Loaded(database.uri, list(told.values()), page)


# One test, because each would first load everything.
def test_the_recipes(loaded: Loaded) -> None:
    amplitudes_event_model(loaded)
    amplitudes_requests_keep_its_limits(loaded)
    the_totals_of_a_campaign_beside_its_people(loaded)
    who_got_a_campaign_and_did_nothing(loaded)


def amplitudes_event_model(loaded: Loaded) -> None:
    rows = {row["insert_id"]: row for row in loaded.answers(0, then="select * from amplitude_events")}
    expected = {
        event["id"]: event for event in loaded.events if event.get("external_user_id") or event.get("device_id")
    }
    assert rows.keys() == expected.keys()
    assert len(rows) < len(loaded.events)
    for key, row in rows.items():
        event = expected[key]
        assert row["user_id"] == event["external_user_id"]
        assert row["device_id"] == event.get("device_id")
        assert row["time"] == event["time"] * 1000
        if properties := event.get("properties"):
            assert row["event_properties"].items() >= json.loads(properties).items()
        assert row["event_properties"].get("campaign_id") == event.get("campaign_id")
    names = {(expected[key]["event_type"], row["event_type"]) for key, row in rows.items()}
    assert ("users.messages.email.Send", "[Braze] email Send") in names
    assert ("users.behaviors.app.SessionStart", "[Braze] app SessionStart") in names
    assert {name for event_type, name in names if event_type == "users.behaviors.CustomEvent"} <= {
        event["name"] for event in loaded.events if event["event_type"] == "users.behaviors.CustomEvent"
    }
    bought = [event for event in loaded.events if event["event_type"] == "users.behaviors.Purchase"]
    assert bought
    for event in bought:
        row = rows[event["id"]]
        assert (row["productId"], row["quantity"]) == (event["product_id"], 1)
        assert float(row["revenue"]) == event["price"]


def amplitudes_requests_keep_its_limits(loaded: Loaded) -> None:
    # One device with 700 events in a second, and 2,500 devices with one each. To be quick, a day takes 500 of a device.
    first = """
        insert into currents_events (event_type, id, time, device_id, payload)
        select 'users.behaviors.app.SessionStart', 'busy' || n, 1772323200, 'busy', '{}'::jsonb
        from generate_series(1, 700) as n
        union all
        select 'users.behaviors.app.SessionStart', 'one' || n, 1772323200, 'device' || n, '{}'::jsonb
        from generate_series(1, 2500) as n
    """
    daily = ("500000", "500")
    (request,) = loaded.answers(0, 1, first=first, then="select * from amplitude_requests limit 1", instead=daily)
    for event in request["events"]:
        assert {"insert_id", "event_type", "time", "event_properties"} <= event.keys()
        assert event.keys() & {"user_id", "device_id"}
        assert None not in event.values()
    query = """
        with sent as (
            select day, second, request, event, coalesce(event ->> 'device_id', event ->> 'user_id') as who
            from amplitude_requests, jsonb_array_elements(events) as event
        )
        select
            (select max(jsonb_array_length(events)) from amplitude_requests) as in_a_request,
            (select max(n) from (select count(*) as n from sent group by day, second, who) as seconds) as in_a_second,
            (select max(n) from (select count(*) as n from sent group by day, who) as days) as in_a_day,
            (select count(*) from sent) as sent,
            (select count(distinct event ->> 'insert_id') from sent) as events
    """
    people = [event for event in loaded.events if event.get("external_user_id") or event.get("device_id")]
    (found,) = loaded.answers(0, 1, first=first, then=query, instead=daily)
    assert found == {
        "in_a_request": 1000,
        "in_a_second": 30,
        "in_a_day": 500,
        "sent": len(people) + 3200,
        "events": len(people) + 3200,
    }


def the_totals_of_a_campaign_beside_its_people(loaded: Loaded) -> None:
    people: defaultdict[tuple[str, date], list[dict[str, Any]]] = defaultdict(list)
    for event in loaded.events:
        if event.get("campaign_id"):
            day = datetime.fromtimestamp(event["time"], timezone.utc).date()
            people[event["campaign_name"], day].append(event)
    rows = loaded.answers(2)
    assert len(rows) > 3
    # The analytics were read from the first of March on; some of the events happened before.
    assert {(row["name"], row["day"]) for row in rows} == {key for key in people if key[1] >= date(2026, 3, 1)}
    for row in rows:
        events = people[row["name"], row["day"]]
        assert row["recipients"] == len({event["user_id"] for event in events if kind(event) in MESSAGES})
        assert row["engaged"] == len({event["user_id"] for event in events if kind(event) in ENGAGED})
        assert row["conversions"] == sum(event["event_type"] == "users.campaigns.Conversion" for event in events)
        assert row["recipients_in_braze"] > 0
    assert sum(row["engaged"] for row in rows)
    assert sum(row["conversions"] for row in rows)


def who_got_a_campaign_and_did_nothing(loaded: Loaded) -> None:
    kinds: defaultdict[tuple[str, str], set[str]] = defaultdict(set)
    for event in loaded.events:
        if event.get("campaign_id"):
            kinds[event["campaign_id"], event["user_id"]].add(kind(event))
    idle = {who for who, had in kinds.items() if "Send" in had and not had & {*ENGAGED}}
    assert idle
    assert {(row["campaign_id"], row["user_id"]) for row in loaded.answers(3)} == idle


def kind(event: dict[str, Any]) -> str:
    return re.split(r"\.", event["event_type"])[-1]
