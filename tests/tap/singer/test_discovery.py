"""What the tap says of itself without a network: catalog, schemas, settings."""

from __future__ import annotations

import json
import socket
import subprocess
import sys
from typing import TYPE_CHECKING, Any

import pytest
from tap_braze.singer.tap import TapBraze

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    Discover = Callable[..., dict[str, dict[str, Any]]]

KEYS = {
    "campaigns": (["id"], "last_edited"),
    "campaigns_analytics": (["campaign_id", "time"], "time"),
    "campaigns_details": (["campaign_id"], "updated_at"),
    "campaigns_drafts": (["campaign_id"], None),
    "campaigns_links": (["campaign_id", "message_variation_id", "link_id"], None),
    "campaigns_messages_analytics": (["campaign_id", "time", "channel", "variation"], "time"),
    "campaigns_translations": (["campaign_id", "message_variation_id", "locale_uuid"], None),
    "campaigns_translations_source": (["campaign_id", "message_variation_id"], None),
    "canvases": (["id"], "last_edited"),
    "canvases_analytics": (["canvas_id", "time"], "time"),
    "canvases_details": (["canvas_id"], "updated_at"),
    "canvases_drafts": (["canvas_id"], None),
    "canvases_links": (["canvas_id", "canvas_step_id", "message_variation_id", "link_id"], None),
    "canvases_messages_analytics": (["canvas_id", "time", "step_id", "channel", "variation"], "time"),
    "canvases_steps_analytics": (["canvas_id", "time", "step_id"], "time"),
    "canvases_summary": (["canvas_id", "time"], "time"),
    "canvases_translations": (["canvas_id", "canvas_step_id", "message_variation_id", "locale_uuid"], None),
    "canvases_translations_source": (["canvas_id", "canvas_step_id", "message_variation_id"], None),
    "canvases_variants_analytics": (["canvas_id", "time", "variant_id"], "time"),
    "cards": (["id"], None),
    "cards_analytics": (["card_id", "time"], "time"),
    "cards_details": (["card_id"], "updated_at"),
    "catalog_items": (["catalog_name", "id"], None),
    "catalogs": (["name"], None),
    "cdi_integrations": (["integration_id"], None),
    "cdi_sync_runs": (["integration_id", "sync_start_time"], "sync_start_time"),
    "content_blocks": (["content_block_id"], "last_edited"),
    "content_blocks_details": (["content_block_id"], "last_edited"),
    "content_blocks_translations": (["content_block_id", "locale_uuid"], None),
    "content_blocks_translations_source": (["content_block_id"], None),
    "custom_attributes": (["name"], None),
    "dashboard_users": (["id"], None),
    "dashboard_users_details": (["id"], None),
    "data_object_relationship_types": (["type_name", "rel_kind", "to_type_name"], None),
    "data_object_relationships": (["type_name", "object_id", "rel_kind", "to_type_name", "to_object_id"], None),
    "data_object_types": (["type_name"], None),
    "data_object_types_details": (["type_name"], None),
    "data_object_user_relationship_types": (["type_name", "rel_kind"], None),
    "data_object_user_relationships": (["type_name", "object_id", "rel_kind", "braze_id"], None),
    "data_objects": (["type_name", "object_id"], None),
    "email_templates": (["email_template_id"], "updated_at"),
    "email_templates_details": (["email_template_id"], "updated_at"),
    "email_templates_translations": (["email_template_id", "locale_uuid"], None),
    "email_templates_translations_source": (["email_template_id"], None),
    "events": (["event_name"], None),
    "events_analytics": (["event_name", "time"], "time"),
    "events_details": (["name"], None),
    "global_control_group_users": (["braze_id"], None),
    "hard_bounces": (["email", "hard_bounced_at"], "hard_bounced_at"),
    "invalid_phone_numbers": (["phone", "invalid_detected_at", "reason"], "invalid_detected_at"),
    "kpi_daily_active_users": (["time"], "time"),
    "kpi_daily_app_uninstalls": (["time"], "time"),
    "kpi_daily_new_users": (["time"], "time"),
    "kpi_monthly_active_users": (["time"], "time"),
    "preference_centers": (["preference_center_api_id"], "updated_at"),
    "preference_centers_details": (["preference_center_api_id"], "updated_at"),
    "products": (["product_id"], None),
    "purchases_quantity": (["time"], "time"),
    "purchases_revenue": (["time"], "time"),
    "scheduled_broadcasts": (["type", "id", "next_send_time"], None),
    "sdk_authentication_keys": (["app_id", "id"], None),
    "segment_members": (["segment_id", "braze_id"], None),
    "segments": (["id"], None),
    "segments_analytics": (["segment_id", "time"], "time"),
    "segments_details": (["segment_id"], "updated_at"),
    "sends_analytics": (["campaign_id", "send_id", "time"], "time"),
    "sessions_analytics": (["time"], "time"),
    "subscription_group_states": (["subscription_group_id", "external_id", "email", "phone"], None),
    "subscription_states": (["external_id", "email", "phone", "subscription_group_id"], None),
    "unsubscribes": (["email"], "unsubscribed_at"),
    "user_aliases": (["braze_id", "alias_label", "alias_name"], None),
    "user_campaigns_received": (["braze_id", "api_campaign_id", "variation_api_id"], None),
    "user_canvases_received": (["braze_id", "api_canvas_id"], None),
    "user_custom_events": (["braze_id", "name"], None),
    "user_devices": (["braze_id", "position"], None),
    "user_purchases": (["braze_id", "name"], None),
    "users": (["braze_id"], None),
    "users_by_id": (["braze_id"], None),
}
PER_APP = {
    "events_analytics",
    "purchases_quantity",
    "purchases_revenue",
    "sessions_analytics",
    *(name for name in KEYS if name.startswith("kpi_")),
}
# Obsolete, slow, in need of a setting or of a feature that few have, or about people.
NOT_BY_DEFAULT = {
    "campaigns_links",
    "canvases_links",
    "canvases_summary",
    "cards",
    "cards_analytics",
    "cards_details",
    "catalog_items",
    "global_control_group_users",
    "sdk_authentication_keys",
    "segment_members",
    "subscription_group_states",
    "subscription_states",
    *(name for name in KEYS if name.startswith("user")),
    *(name for name in KEYS if "translations" in name),
    *(name for name in KEYS if name.startswith(("dashboard_", "data_object")) or name.endswith("_drafts")),
}


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


def without_columns(schema: dict[str, Any]) -> bool:
    properties = schema.get("properties")
    return properties == {} or any(map(without_columns, (properties or {}).values()))


def test_flattening_finds_a_column_for_every_object(discover: Discover) -> None:
    """With `properties` that are empty it would find none, and lose what the object holds."""
    assert not [name for name, entry in discover().items() if without_columns(entry["schema"])]


def test_app_ids_become_part_of_the_key(discover: Discover) -> None:
    for name, entry in discover(app_ids=["app-1"]).items():
        assert entry["key_properties"] == ([*["app_id"] * (name in PER_APP), *KEYS[name][0]])
        assert ("app_id" in entry["schema"]["properties"]) == (name in {*PER_APP, "sdk_authentication_keys"})


def test_what_is_not_selected_by_default(discover: Discover) -> None:
    found = discover()
    roots = {name: entry["metadata"] for name, entry in found.items()}
    selected = {
        name: next(item["metadata"] for item in items if not item["breadcrumb"])["selected-by-default"]
        for name, items in roots.items()
    }
    assert {name for name, by_default in selected.items() if not by_default} == NOT_BY_DEFAULT


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


def test_by_the_hour_time_is_a_date_and_time(discover: Discover) -> None:
    hourly = {"cards_analytics", "events_analytics", "purchases_quantity", "purchases_revenue", "sessions_analytics"}
    for name, entry in discover(series_unit="hour").items():
        if entry.get("replication_key") == "time":
            form = entry["schema"]["properties"]["time"]["format"]
            assert form == ("date-time" if name in hourly else "date"), name


def test_the_long_forms_are_flat(discover: Discover) -> None:
    found = discover()
    names = [name for name in found if name.endswith("_analytics") and name.count("_") == 2]
    assert len(names) == 4
    for name in names:
        properties = dict(found[name]["schema"]["properties"])
        assert properties.pop("other_metrics")["type"] == ["object", "null"]
        for field in properties.values():
            assert not {"object", "array"} & {*field["type"]}, name


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


def test_the_command_is_installed() -> None:
    done = subprocess.run(
        [sys.executable, "-m", "tap_braze", "--version"], capture_output=True, text=True, check=True, timeout=60
    )
    assert done.stdout.startswith(f"tap-braze v{TapBraze.plugin_version}")
