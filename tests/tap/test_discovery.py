"""What the tap says of itself without a network: catalog, schemas, settings, README."""

from __future__ import annotations

import json
import socket
import subprocess
import sys
from typing import TYPE_CHECKING, Any

import pytest
from tap_braze.docs import with_tables
from tap_braze.tap import TapBraze

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    Discover = Callable[..., dict[str, dict[str, Any]]]

KEYS = {
    "campaigns": (["id"], "last_edited"),
    "campaigns_analytics": (["campaign_id", "time"], "time"),
    "canvases": (["id"], "last_edited"),
    "canvases_analytics": (["canvas_id", "time"], "time"),
    "cards": (["id"], None),
    "cards_analytics": (["card_id", "time"], "time"),
    "events": (["event_name"], None),
    "events_analytics": (["event_name", "time"], "time"),
    "kpi_daily_active_users": (["time"], "time"),
    "kpi_daily_app_uninstalls": (["time"], "time"),
    "kpi_daily_new_users": (["time"], "time"),
    "kpi_monthly_active_users": (["time"], "time"),
    "products": (["product_id"], None),
    "segments": (["id"], None),
    "segments_analytics": (["segment_id", "time"], "time"),
}
PER_APP = {"events_analytics", *(name for name in KEYS if name.startswith("kpi_"))}


@pytest.fixture
def _no_network(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_args: Any, **_more: Any) -> None:
        raise AssertionError("discovery used the network")

    monkeypatch.setattr(socket.socket, "connect", refuse)
    monkeypatch.setattr(socket, "getaddrinfo", refuse)


@pytest.fixture
def discover(cli: Callable[..., Any], tmp_path: Path) -> Discover:
    def discover(**settings: Any) -> dict[str, dict[str, Any]]:
        config = tmp_path / "config.json"
        config.write_text(json.dumps(settings))
        run = cli(["--config", str(config), "--discover"])
        assert run.exit_code == 0, run.stderr
        return {entry["tap_stream_id"]: entry for entry in json.loads(run.stdout)["streams"]}

    return discover


@pytest.mark.usefixtures("_no_network")
@pytest.mark.parametrize("settings", [{}, {"api_key": "k", "endpoint": "US-01"}], ids=["no settings", "settings"])
def test_discovery_needs_no_network(discover: Discover, settings: dict[str, Any]) -> None:
    found = discover(**settings)
    assert {name: (entry["key_properties"], entry.get("replication_key")) for name, entry in found.items()} == KEYS


def test_app_ids_become_part_of_the_key(discover: Discover) -> None:
    for name, entry in discover(app_ids=["app-1"]).items():
        assert entry["key_properties"] == ([*["app_id"] * (name in PER_APP), *KEYS[name][0]])
        assert ("app_id" in entry["schema"]["properties"]) == (name in PER_APP)


def test_only_the_cards_are_not_selected_by_default(discover: Discover) -> None:
    found = discover()
    roots = {name: entry["metadata"] for name, entry in found.items()}
    selected = {
        name: next(item["metadata"] for item in items if not item["breadcrumb"])["selected-by-default"]
        for name, items in roots.items()
    }
    assert {name for name, by_default in selected.items() if not by_default} == {"cards", "cards_analytics"}


def described(schema: dict[str, Any], path: str) -> Iterator[tuple[str, bool]]:
    for name, field in schema.get("properties", {}).items():
        yield f"{path}.{name}", bool(field.get("description"))
        yield from described(field, f"{path}.{name}")
    for inner in ("items", "additionalProperties"):
        if isinstance(schema.get(inner), dict):
            yield from described(schema[inner], f"{path}[]")


def test_every_field_has_a_description(discover: Discover) -> None:
    fields = [field for name, entry in discover().items() for field in described(entry["schema"], name)]
    assert len(fields) > 300
    assert [path for path, has_one in fields if not has_one] == []


def test_time_is_a_date(discover: Discover) -> None:
    for entry in discover().values():
        if entry.get("replication_key") == "time":
            assert entry["schema"]["properties"]["time"]["format"] == "date"


def test_about(cli: Callable[..., Any]) -> None:
    run = cli(["--about", "--format", "json"])
    about = json.loads(run.stdout)
    assert set(about["capabilities"]) == {
        "about",
        "catalog",
        "discover",
        "state",
        "stream-maps",
        "schema-flattening",
        "structured-logging",
    }
    assert about["settings"]["properties"]["api_key"]["secret"]
    assert set(about["settings"]["required"]) == {"api_key", "endpoint"}
    for name, setting in about["settings"]["properties"].items():
        assert setting.get("description"), name


@pytest.mark.parametrize(
    ("name", "tables"), [("tap-braze/README.md", ["settings", "streams"]), ("README.md", ["streams"])]
)
def test_the_tables_of_the_readmes_are_fresh(root: Path, name: str, tables: list[str]) -> None:
    readme = (root / name).read_text("utf-8")
    assert with_tables(readme) == readme, f"run: python -m tap_braze.docs {name}"
    for table in tables:
        assert f"<!-- {table}:begin -->\n|" in readme


def test_the_command_is_installed() -> None:
    done = subprocess.run(
        [sys.executable, "-m", "tap_braze", "--version"], capture_output=True, text=True, check=True, timeout=60
    )
    assert done.stdout.startswith(f"tap-braze v{TapBraze.plugin_version}")
