"""What tests of a client's exactness turn: hours, changes between pages, forms of limits."""

from __future__ import annotations

from datetime import date
from typing import Any

import pytest
from braze_sandbox.testing import Sandbox

from tests.sandbox.conftest import TODAY, Client


def data(client: Client, path: str, **query: Any) -> list[dict[str, Any]]:
    answer = client.get(path, **query)
    assert answer.status_code == 200, answer.text
    found: list[dict[str, Any]] = answer.json()["data"]
    return found


@pytest.mark.parametrize(
    ("today", "ending_at", "times"),
    [
        (
            date(2026, 3, 29),
            "2026-03-29T02:30:00Z",
            ["2026-03-29T01:00:00+01:00", "2026-03-29T03:00:00+02:00", "2026-03-29T04:00:00+02:00"],
        ),
        (
            date(2026, 10, 25),
            "2026-10-25T02:30:00Z",
            ["2026-10-25T02:00:00+02:00", "2026-10-25T02:00:00+01:00", "2026-10-25T03:00:00+01:00"],
        ),
    ],
)
def test_hours_of_the_days_on_which_clocks_change(today: date, ending_at: str, times: list[str]) -> None:
    with Sandbox(time_zone="Europe/Berlin", today=today) as sandbox:
        client = Client(sandbox)
        for path, query in [
            ("/sessions/data_series", {}),
            ("/events/data_series", {"event": "event 001"}),
            ("/purchases/revenue_series", {"product": "sku-1001"}),
            ("/purchases/quantity_series", {}),
        ]:
            rows = data(client, path, length=3, unit="hour", ending_at=ending_at, **query)
            assert [row["time"] for row in rows] == times
        client.close()


def test_filters_of_series_go_together(sandbox: Sandbox, client: Client) -> None:
    app = next(iter(sandbox.workspace.apps))
    segment = next(s for s in sandbox.workspace.segments.values() if s.analytics_tracking_enabled)
    both: dict[str, Any] = {"length": 1, "ending_at": "2026-03-10T10:30:00Z", "app_id": app, "segment_id": segment.id}
    (row,) = data(client, "/events/data_series", event="event 001", **both)
    (whole,) = data(client, "/events/data_series", event="event 001", length=1, ending_at=both["ending_at"])
    assert 0 < row["count"] < whole["count"]
    segment.analytics_tracking_enabled = False
    assert client.get("/sessions/data_series", **both).status_code == 400
    assert client.get("/purchases/revenue_series", length=1, product="no such").status_code == 400


def test_each_product_has_a_series_of_its_own(client: Client) -> None:
    query = {"length": 5, "ending_at": "2026-03-10T00:00:00Z"}
    one, other = (data(client, "/purchases/revenue_series", product=p, **query) for p in ("sku-1001", "sku-1002"))
    assert one != other
    assert [row["time"] for row in one] == [row["time"] for row in other]


def test_a_hook_runs_between_two_pages() -> None:
    with Sandbox(seed="demo", today=TODAY) as sandbox:
        client = Client(sandbox)
        campaigns = sandbox.workspace.campaigns
        seen: list[tuple[str, int | None]] = []

        def archive_the_first(request: Any) -> None:
            seen.append((request.path, request.status))
            sandbox.workspace.archive("campaigns", next(iter(campaigns)))

        sandbox.after_request("/campaigns/*", archive_the_first, times=1)
        pages = [client.get("/campaigns/list", page=page).json()["campaigns"] for page in (0, 1)]
        fresh = client.get("/campaigns/list", page=0).json()["campaigns"]
        assert seen == [("/campaigns/list", 200)]
        # The hundred-and-first row has moved to the first page, and is in neither of the two that were read.
        moved = {row["id"] for row in fresh} - {row["id"] for row in pages[0]}
        assert len(moved) == 1
        assert not moved & {row["id"] for page in pages for row in page}
        client.close()


def test_hooks_always_run_unless_counted_and_end_with_a_reset(sandbox: Sandbox, client: Client) -> None:
    hits: list[str] = []
    sandbox.after_request("*", lambda request: hits.append(request.path))
    for _ in range(3):
        client.get("/segments/list")
    assert client.get("/nothing").status_code == 404
    assert hits == ["/segments/list"] * 3 + ["/nothing"]
    sandbox.reset()
    client.get("/segments/list")
    assert len(hits) == 4


def test_all_endpoints_can_tell_their_limits_as_seconds() -> None:
    with Sandbox(reset="seconds", limits={"catalogs": (1, 3600)}) as sandbox:
        client = Client(sandbox)
        assert int(client.get("/campaigns/list").headers["x-ratelimit-reset"]) <= 3600
        assert int(client.get("/catalogs").headers["x-ratelimit-reset"]) <= 3600
        over = client.get("/catalogs")
        assert over.status_code == 429
        assert 0 < int(over.headers["x-ratelimit-retry-after"]) <= 3600
        client.close()
