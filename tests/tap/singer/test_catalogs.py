"""Catalogs that other tools wrote or kept: what they select, and what they lack."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest
from meltano.core.plugin.singer.catalog import SelectExecutor, visit

from tests.tap.support.currents import CLICK, CLICKS, OPENS, PURCHASE, PURCHASES, Bucket, events

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    RunTap = Callable[..., Any]

STREAM = "campaigns_analytics"


@pytest.fixture
def bucket(tmp_path: Path) -> Bucket:
    return Bucket(tmp_path / "events")


def selected(catalog: dict[str, Any], *rules: str) -> dict[str, Any]:
    """Return a catalog as Meltano writes it for these rules."""
    visit(catalog, SelectExecutor(["!*.*"]))  # Meltano's first step
    visit(catalog, SelectExecutor(list(rules)))
    return catalog


@pytest.mark.parametrize(
    ("rules", "channels"),
    [
        (["messages"], {"email", "ios_push"}),
        (["messages.email"], {"email"}),
        (["messages.*", "!messages.email"], {"ios_push"}),
        (["*", "!messages"], None),
        (["*"], {"email", "ios_push"}),
        (["revenue"], None),
    ],
)
def test_a_column_selected_by_name_comes_with_its_content(
    run_tap: RunTap, cli: Callable[..., Any], rules: list[str], channels: set[str] | None
) -> None:
    catalog = json.loads(cli(["--discover"]).stdout)
    names = [f"!{STREAM}.{rule[1:]}" if rule.startswith("!") else f"{STREAM}.{rule}" for rule in rules]
    run = run_tap(catalog=selected(catalog, *names), start_date="2026-06-01")
    records = run.records(STREAM)
    assert records
    sent = [record["messages"].keys() for record in records if "messages" in record]
    (schema,) = [message["schema"] for message in run.messages if message["type"] == "SCHEMA"]
    if channels is None:
        assert not sent
        assert "messages" not in schema["properties"]
    else:
        assert {channel for each in sent for channel in each} & {"email", "ios_push"} == channels
        assert schema["properties"]["messages"]["properties"].keys() & {"email", "ios_push"} == channels


WARNING = "not read, because the catalog was made before these event types had files: "


def catalog_of(bucket: Bucket, cli: Callable[..., Any]) -> dict[str, Any]:
    found: dict[str, Any] = json.loads(cli([*bucket.arguments({"config": bucket.settings()}), "--discover"]).stdout)
    return {"streams": [each for each in found["streams"] if each["stream"].startswith("currents_")]}


@pytest.mark.parametrize("known", [True, False])
def test_event_types_newer_than_the_catalog_are_named_once(
    bucket: Bucket, cli: Callable[..., Any], *, known: bool
) -> None:
    bucket.write(events("1"))
    catalog = catalog_of(bucket, cli)
    late = [PURCHASE, CLICK]
    if not known:  # by the version that made the catalog
        catalog["streams"] = [each for each in catalog["streams"] if each["stream"] not in {CLICKS, PURCHASES}]
    assert WARNING not in bucket.run(catalog=catalog).stderr
    for each in late:
        bucket.write(events("2"), event_type=each)
    run = bucket.run(catalog=catalog)
    assert run.stderr.count(WARNING) == 1
    assert f"{WARNING}{', '.join(sorted(late))}. Discover it again (--discover; with Meltano" in run.stderr
    assert WARNING not in bucket.run(catalog=catalog_of(bucket, cli)).stderr


def test_event_types_that_are_deselected_or_read_together_are_not_named(
    bucket: Bucket, cli: Callable[..., Any]
) -> None:
    bucket.write(events("1"))
    bucket.write(events("2"), event_type=CLICK)
    for rule in ("!*.*", f"{OPENS}.*"):
        assert WARNING not in bucket.run(catalog=selected(catalog_of(bucket, cli), rule)).stderr
    old = {"streams": [each for each in catalog_of(bucket, cli)["streams"] if each["stream"] == "currents_events"]}
    assert WARNING not in bucket.run(catalog=selected(old, "currents_events.*")).stderr
