"""Lists, details and series."""

from __future__ import annotations

from datetime import date, timedelta
from typing import TYPE_CHECKING, Any

import pytest
from braze_sandbox.testing import Sandbox

from tests.sandbox.conftest import TODAY, Client

if TYPE_CHECKING:
    import requests


def pages(client: Client, path: str, key: str, **query: Any) -> list[list[Any]]:
    found: list[list[Any]] = []
    while True:
        answer = client.get(path, page=len(found), **query)
        assert answer.status_code == 200, answer.text
        if not (rows := answer.json()[key]):
            return found
        found.append(rows)


def rows(answer: requests.Response) -> list[dict[str, Any]]:
    assert answer.status_code == 200, answer.text
    data: list[dict[str, Any]] = answer.json()["data"]
    return data


@pytest.mark.parametrize(
    ("path", "key", "sizes"),
    [
        ("/campaigns/list", "campaigns", [100, 23]),
        ("/canvas/list", "canvases", [100, 8]),
        ("/segments/list", "segments", [20]),
        ("/feed/list", "cards", [6]),
        ("/events/list", "events", [250, 12]),
        ("/purchases/product_list", "products", [14]),
    ],
)
def test_lists_page(reader: Client, path: str, key: str, sizes: list[int]) -> None:
    query = {} if key in ("segments", "events", "products") else {"include_archived": "true"}
    found = pages(reader, path, key, **query)
    assert [len(page) for page in found] == sizes
    ids = [row if isinstance(row, str) else row["id"] for page in found for row in page]
    assert len(set(ids)) == sum(sizes)


def test_archived_campaigns_are_in_the_list_on_request(reader: Client, demo: Sandbox) -> None:
    shown = {row["id"] for page in pages(reader, "/campaigns/list", "campaigns") for row in page}
    archived = {campaign.id for campaign in demo.workspace.campaigns.values() if campaign.archived}
    assert archived
    assert shown == set(demo.workspace.campaigns) - archived


def test_lists_are_in_the_order_of_creation(reader: Client, demo: Sandbox) -> None:
    ascending = [row["id"] for page in pages(reader, "/canvas/list", "canvases") for row in page]
    descending = pages(reader, "/canvas/list", "canvases", sort_direction="desc")
    assert [row["id"] for page in descending for row in page] == ascending[::-1]
    created = [demo.workspace.canvases[key].created_at for key in ascending]
    assert created == sorted(created)


def test_edited_since_is_strictly_greater(client: Client, sandbox: Sandbox) -> None:
    edits = sorted(campaign.updated_at for campaign in sandbox.workspace.campaigns.values())
    since = {"last_edit.time[gt]": edits[2].strftime("%Y-%m-%dT%H:%M:%S")}
    found = client.get("/campaigns/list", **since).json()["campaigns"]
    assert len(found) == 2
    key = found[0]["id"]
    sandbox.workspace.edit("campaigns", key, name="edited")
    since = {"last_edit.time[gt]": "2026-03-20T00:00:00+01:00"}
    assert [row["name"] for row in client.get("/campaigns/list", **since).json()["campaigns"]] == ["edited"]


@pytest.mark.parametrize(
    ("path", "query", "names"),
    [
        ("/campaigns/list", {"page": "-1"}, "page"),
        ("/campaigns/list", {"page": "x"}, "page"),
        ("/campaigns/list", {"include_archived": "yes"}, "include_archived"),
        ("/campaigns/list", {"sort_direction": "up"}, "sort_direction"),
        ("/campaigns/list", {"last_edit.time[gt]": "yesterday"}, "last_edit.time[gt]"),
        ("/campaigns/details", {}, "campaign_id"),
        ("/kpi/dau/data_series", {}, "length"),
        ("/kpi/dau/data_series", {"length": 0}, "length"),
        ("/kpi/dau/data_series", {"length": 101}, "length"),
        ("/kpi/dau/data_series", {"length": 5, "ending_at": "2026-3-1"}, "ending_at"),
        ("/kpi/dau/data_series", {"length": 5, "app_id": "nobody's"}, "App"),
        ("/sessions/data_series", {"length": 5, "unit": "week"}, "unit"),
        ("/events/data_series", {"length": 5, "event": "no such"}, "Event"),
    ],
)
def test_bad_parameters_are_named(client: Client, path: str, query: dict[str, Any], names: str) -> None:
    answer = client.get(path, **query)
    assert answer.status_code == 400
    assert names in answer.json()["message"]


def test_unknown_objects_are_refused(client: Client) -> None:
    for path, name in [("campaigns", "campaign_id"), ("canvas", "canvas_id"), ("segments", "segment_id")]:
        assert client.get(f"/{path}/details", **{name: "nobody"}).status_code == 400


def test_every_object_has_details_and_a_series(reader: Client, demo: Sandbox) -> None:
    workspace = demo.workspace
    for path, name, objects in [
        ("campaigns", "campaign_id", list(workspace.campaigns)),
        ("canvas", "canvas_id", list(workspace.canvases)),
        ("feed", "card_id", list(workspace.cards)),
    ]:
        for key in objects:
            details = reader.get(f"/{path}/details", **{name: key})
            assert details.status_code == 200
            assert key not in details.text
            assert reader.get(f"/{path}/data_series", **{name: key, "length": 2, "ending_at": "2026-03-01"}).ok


def test_a_segment_without_analytics_has_no_series(reader: Client, demo: Sandbox) -> None:
    for segment in demo.workspace.segments.values():
        answer = reader.get("/segments/data_series", segment_id=segment.id, length=3)
        assert answer.ok is segment.analytics_tracking_enabled


def test_odd_names_are_found_under_themselves(reader: Client, demo: Sandbox) -> None:
    for event in sorted(demo.workspace.events)[:30]:
        assert len(rows(reader.get("/events/data_series", event=event, length=3))) == 3


def test_windows_agree_where_they_overlap(reader: Client, demo: Sandbox) -> None:
    for campaign in list(demo.workspace.campaigns)[:20]:
        long = rows(reader.get("/campaigns/data_series", campaign_id=campaign, length=100))
        short = rows(
            reader.get("/campaigns/data_series", campaign_id=campaign, length=10, ending_at="2026-03-10T12:00:00Z")
        )
        assert long[-20:-10] == short
        assert [row["time"] for row in long] == [
            (TODAY - timedelta(days=back)).isoformat() for back in range(99, -1, -1)
        ]


def test_breakdowns_do_not_change_what_is_there_without_them(client: Client, sandbox: Sandbox) -> None:
    canvas = next(iter(sandbox.workspace.canvases.values()))
    query = {"canvas_id": canvas.id, "length": 14, "ending_at": "2026-03-20T00:00:00Z"}
    plain = client.get("/canvas/data_series", **query).json()["data"]["stats"]
    flags = dict.fromkeys(("include_variant_breakdown", "include_step_breakdown", "include_deleted_step_data"), "true")
    full = client.get("/canvas/data_series", **query, **flags).json()["data"]["stats"]
    assert len(plain) == 14
    assert all(set(row) == {"time", "total_stats"} for row in plain)
    assert [row["total_stats"] for row in full] == [row["total_stats"] for row in plain]
    assert set(full[0]["variant_stats"]) == {variant["id"] for variant in canvas.variants}
    assert set(full[0]["step_stats"]) == {step["id"] for step in canvas.steps + canvas.deleted_steps}
    summary = client.get("/canvas/data_summary", **query).json()["data"]
    assert summary["total_stats"]["entries"] == sum(row["total_stats"]["entries"] for row in plain)


@pytest.mark.parametrize(
    ("query", "status", "count"),
    [
        ({"length": 14}, 200, 14),
        ({"length": 15}, 400, 0),
        ({"length": 0}, 400, 0),
        ({}, 400, 0),
        ({"starting_at": "2026-03-01T00:00:00Z"}, 200, 10),
        ({"starting_at": "2026-02-25T00:00:00Z"}, 200, 14),
        ({"starting_at": "2026-02-24T00:00:00Z"}, 400, 0),
        ({"starting_at": "2026-03-11T00:00:00Z"}, 400, 0),
    ],
)
def test_canvas_windows(client: Client, sandbox: Sandbox, query: dict[str, Any], status: int, count: int) -> None:
    canvas = next(iter(sandbox.workspace.canvases))
    answer = client.get("/canvas/data_series", canvas_id=canvas, ending_at="2026-03-10T00:00:00Z", **query)
    assert answer.status_code == status
    if status == 200:
        assert len(answer.json()["data"]["stats"]) == count


def test_canvas_needs_an_end(client: Client, sandbox: Sandbox) -> None:
    canvas = next(iter(sandbox.workspace.canvases))
    answer = client.get("/canvas/data_series", canvas_id=canvas, length=3)
    assert answer.status_code == 400
    assert "ending_at" in answer.text


def series_days(sandbox: Sandbox, **query: Any) -> list[str]:
    client = Client(sandbox)
    days = [row["time"] for row in rows(client.get("/kpi/dau/data_series", **query))]
    client.close()
    return days


def test_days_are_those_of_the_company() -> None:
    with Sandbox(time_zone="America/New_York", today=TODAY) as sandbox:
        assert series_days(sandbox, length=2, ending_at="2026-03-11T02:00:00Z") == ["2026-03-09", "2026-03-10"]


def test_the_ending_day_may_be_left_out() -> None:
    with Sandbox(ending_day_included=False, today=TODAY, row_order="desc") as sandbox:
        assert series_days(sandbox, length=2, ending_at="2026-03-11T02:00:00Z") == ["2026-03-10", "2026-03-09"]


def test_no_day_lies_in_the_future(sandbox: Sandbox) -> None:
    assert series_days(sandbox, length=3, ending_at="2026-03-22T00:00:00Z") == ["2026-03-20"]
    assert series_days(sandbox, length=3, ending_at="2027-03-22T00:00:00Z") == []


def test_days_without_activity() -> None:
    with Sandbox(zero_rows=True, today=TODAY) as all_days, Sandbox(zero_rows=False, today=TODAY) as busy_days:
        for campaign in list(all_days.workspace.campaigns)[:3]:
            both = []
            for sandbox in (all_days, busy_days):
                client = Client(sandbox)
                both.append(rows(client.get("/campaigns/data_series", campaign_id=campaign, length=100)))
                client.close()
            assert len(both[0]) == 100
            assert both[1] == [row for row in both[0] if row["unique_recipients"]]
            assert 0 < len(both[1]) < 100


def test_figures_lie_between_first_and_last_send(sandbox: Sandbox, client: Client) -> None:
    campaign = next(iter(sandbox.workspace.campaigns.values()))
    campaign.first_sent = campaign.created_at.replace(year=2026, month=3, day=5)
    campaign.last_sent = campaign.first_sent + timedelta(days=4)
    data = rows(client.get("/campaigns/data_series", campaign_id=campaign.id, length=20))
    busy = [row["time"] for row in data if row["unique_recipients"]]
    assert busy
    assert min(busy) >= "2026-03-05"
    assert max(busy) <= "2026-03-09"


def test_hours(client: Client) -> None:
    data = rows(client.get("/sessions/data_series", length=100, unit="hour", ending_at="2026-03-10T10:30:00Z"))
    assert len(data) == 100
    assert data[-1]["time"] == "2026-03-10T10:00:00+00:00"


def test_filters_take_a_part(client: Client, sandbox: Sandbox) -> None:
    query = {"length": 1, "ending_at": "2026-03-10T10:30:00Z"}
    whole = rows(client.get("/sessions/data_series", **query))[0]["sessions"]
    app = next(iter(sandbox.workspace.apps))
    assert 0 < rows(client.get("/sessions/data_series", **query, app_id=app))[0]["sessions"] < whole


def test_a_day_can_be_restated(sandbox: Sandbox, client: Client) -> None:
    campaign = next(c for c in sandbox.workspace.campaigns.values() if c.conversion_behaviors)
    before = rows(client.get("/campaigns/data_series", campaign_id=campaign.id, length=5))
    sandbox.workspace.restate("campaigns", campaign.id, date(2026, 3, 18), +7)
    after = rows(client.get("/campaigns/data_series", campaign_id=campaign.id, length=5))
    assert [new["conversions"] - old["conversions"] for old, new in zip(before, after, strict=True)] == [0, 0, 7, 0, 0]


def test_messages_come_in_their_many_forms(reader: Client, demo: Sandbox) -> None:
    channels: dict[str, set[str]] = {}
    for campaign in demo.workspace.campaigns:
        for row in rows(reader.get("/campaigns/data_series", campaign_id=campaign, length=1)):
            for channel, elements in row["messages"].items():
                for element in elements:
                    channels.setdefault(channel, set()).update(element)
    assert {"email", "ios_push", "sms", "whats_app", "content_cards", "webhook", "trigger_in_app_message"} <= set(
        channels
    )
    assert "variation_api_id" in channels["email"]
    assert "variation_api_id" not in channels["trigger_in_app_message"]
    assert {"variation_name", "enrolled"} <= channels["trigger_in_app_message"]


def test_the_workspace_can_change_while_it_is_read(sandbox: Sandbox, client: Client) -> None:
    first, second = list(sandbox.workspace.campaigns)[:2]
    sandbox.workspace.campaigns[first].archived = True
    del sandbox.workspace.campaigns[second]
    listed = {row["id"] for row in client.get("/campaigns/list").json()["campaigns"]}
    assert not {first, second} & listed
    assert client.get("/campaigns/data_series", campaign_id=second, length=1).status_code == 400
