"""Profiles: of segments by exports with a URL, by id, of the control group; and the rows of what they hold."""

from __future__ import annotations

import json
import time
from itertools import chain
from typing import TYPE_CHECKING, Any

import pytest
import requests
from braze_sandbox.testing import Sandbox
from tap_braze.exports import decoder

from tests.tap.support.singer import catalog_of

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    RunTap = Callable[..., Any]

EXPORT, FILES = "/users/export/segment", "/sandbox/exports/*"
SIDE = {
    "user_devices": "devices",
    "user_custom_events": "custom_events",
    "user_purchases": "purchases",
    "user_campaigns_received": "campaigns_received",
    "user_canvases_received": "canvases_received",
}
HEAVY = {"campaigns_received", "canvases_received", "cards_clicked"}


@pytest.fixture
def sandbox() -> Iterator[Sandbox]:
    """60 users, all of them in the first of three segments, some in the others too, exported in three files."""
    with Sandbox(users=60, export_seconds=0.02, export_file_users=25) as sandbox:
        yield sandbox


@pytest.fixture
def segments(sandbox: Sandbox) -> list[str]:
    return list(sandbox.workspace.segments)


def started(sandbox: Sandbox) -> list[dict[str, Any]]:
    """The bodies of the requests that began an export."""
    return [request.body for request in sandbox.requests if request.path == EXPORT and request.status == 201]


def ids(run: Any, stream: str = "users") -> list[str]:
    return [record["braze_id"] for record in run.records(stream)]


def everybody(sandbox: Sandbox) -> set[str]:
    return {profile.braze_id for profile in sandbox.profiles()}


def without_moment(record: dict[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in record.items() if name != "exported_at"}


def test_each_user_once_and_as_by_id(sandbox: Sandbox, run_tap: RunTap) -> None:
    external = [profile.external_id for profile in sandbox.profiles() if profile.external_id]
    run = run_tap("users", "users_by_id", users={"external_ids": external})
    assert run.exit_code == 0, run.stderr
    assert sorted(ids(run)) == sorted(everybody(sandbox))
    by_id = {record["braze_id"]: without_moment(record) for record in run.records("users_by_id")}
    assert len(by_id) == len(external) == 50
    for record in run.records("users"):
        assert record["exported_at"].endswith("Z")
        assert record["created_at"].startswith("2024-")
        assert record["created_at"].endswith("Z")
        assert not record.keys() & HEAVY
        if "external_id" in record:
            assert without_moment(record) == by_id[record["braze_id"]]
    assert {type(r["custom_attributes"].get("legacy_score")) for r in by_id.values()} >= {int, str}
    assert sandbox.violations == []  # such as the key sent to the download


def test_one_export_for_all_streams_and_with_only_what_they_need(
    sandbox: Sandbox, run_tap: RunTap, segments: list[str]
) -> None:
    run_tap("segment_members", "user_devices")
    assert sorted(body["segment_id"] for body in started(sandbox)) == sorted(segments)
    assert {tuple(sorted(body["fields_to_export"])) for body in started(sandbox)} == {
        ("braze_id", "devices", "external_id")
    }


def test_members_of_segments(sandbox: Sandbox, run_tap: RunTap, segments: list[str]) -> None:
    run = run_tap("segment_members", "users", users={"segment_ids": segments[1:]})
    members = {(record["segment_id"], record["braze_id"]): record for record in run.records("segment_members")}
    assert len(members) == len(run.records("segment_members"))
    assert {segment for segment, _ in members} == set(segments[1:])
    assert len(ids(run)) == len(set(ids(run))) < len(members)
    assert {user for _, user in members} == set(ids(run)) < everybody(sandbox)
    known = {profile.braze_id: profile.external_id for profile in sandbox.profiles()}
    for (_, user), record in members.items():
        assert record["external_id"] == known[user]
        assert record["exported_at"]


def test_rows_of_what_profiles_hold(run_tap: RunTap, segments: list[str]) -> None:
    fields = ["external_id", *SIDE.values()]
    run = run_tap("users", *SIDE, users={"segment_ids": segments[:1], "fields": fields})
    for stream, field in SIDE.items():
        rows = run.records(stream)
        assert rows
        (schema,) = [message for message in run.messages if message["type"] == "SCHEMA" and message["stream"] == stream]
        named = [tuple(row[name] for name in schema["key_properties"]) for row in rows]
        assert len(named) == len(set(named))
        assert None not in chain(*named)
        held = [(user["braze_id"], entry) for user in run.records("users") for entry in user.get(field, ())]
        assert len(rows) == len(held)
        for row, (user, entry) in zip(rows, held, strict=True):
            assert row["braze_id"] == user
            flat = {**entry.pop("engaged", {}), **entry}
            assert {name: row[name] for name in flat if "last_" not in name} == {
                name: value for name, value in flat.items() if "last_" not in name
            }
    received = run.records("user_campaigns_received")
    assert {"opened_email", "clicked_email", "converted"} <= {*chain(*received)}
    assert {row["variation_api_id"] == "(none)" for row in received} == {True, False}
    assert all(row["last_entered"].endswith("Z") for row in run.records("user_canvases_received"))


def test_what_other_streams_need_is_not_in_the_profiles(run_tap: RunTap, sandbox: Sandbox) -> None:
    run = run_tap("users", "user_devices", "user_campaigns_received", users={"fields": ["email"]})
    assert {*chain(*run.records("users"))} == {"braze_id", "email", "exported_at"}
    assert run.records("user_devices")
    assert set(started(sandbox)[0]["fields_to_export"]) == {
        *("braze_id", "email", "external_id", "devices", "campaigns_received")
    }


def test_columns_that_are_not_selected_are_not_asked_for(run_tap: RunTap, sandbox: Sandbox) -> None:
    catalog = catalog_of({}, ("users",))
    entry = next(entry for entry in catalog["streams"] if entry["tap_stream_id"] == "users")
    for item in entry["metadata"]:
        if item["breadcrumb"] in (["properties", "phone"], ["properties", "custom_attributes"]):
            item["metadata"]["selected"] = False
    run = run_tap(catalog=catalog)
    assert not {*chain(*run.records("users"))} & {"phone", "custom_attributes"}
    assert not {"phone", "custom_attributes"} & set(started(sandbox)[0]["fields_to_export"])
    assert "email" in started(sandbox)[0]["fields_to_export"]


@pytest.mark.parametrize("fields", [[], ["email"]])
def test_some_custom_attributes(sandbox: Sandbox, run_tap: RunTap, fields: list[str]) -> None:
    external = [profile.external_id for profile in sandbox.profiles() if profile.external_id]
    settings = {"custom_attributes": ["plan", "orders", "nobodys"], "fields": fields, "external_ids": external}
    streams = ("users", "users_by_id", "global_control_group_users")
    run = run_tap(*streams, users=settings)
    assert run.exit_code == 0, run.stderr
    for stream in streams:
        found = [record["custom_attributes"] for record in run.records(stream) if "custom_attributes" in record]
        assert {*chain(*found)} == {"plan", "orders"}, stream
    assert started(sandbox)[0]["custom_attributes_to_export"] == settings["custom_attributes"]
    assert "custom_attributes" not in started(sandbox)[0]["fields_to_export"]


def test_flattening_keeps_custom_attributes_as_json(run_tap: RunTap, segments: list[str]) -> None:
    plain = run_tap("users", users={"segment_ids": segments[:1]})
    flat = run_tap("users", users={"segment_ids": segments[:1]}, flattening_enabled=True, flattening_max_depth=2)
    (schema,) = [message["schema"] for message in flat.messages if message["type"] == "SCHEMA"]
    of_user = {record["braze_id"]: record["custom_attributes"] for record in plain.records("users")}
    for record in flat.records("users"):
        assert record.keys() <= schema["properties"].keys()
        assert json.loads(record["custom_attributes"]) == of_user[record["braze_id"]]


def test_the_control_group(sandbox: Sandbox, run_tap: RunTap) -> None:
    run = run_tap("global_control_group_users")
    assert 0 < len(ids(run, "global_control_group_users")) < 60
    (request,) = [r for r in sandbox.requests if r.path == "/users/export/global_control_group"]
    assert not {"push_subscribe", "created_from"} & set(request.body["fields_to_export"])
    sandbox.workspace.control_group = None
    without = run_tap("global_control_group_users", "segments")
    assert without.exit_code == 0
    assert "the global control group was refused and is skipped" in without.stderr
    assert len(without.records("segments")) == 3


@pytest.mark.parametrize(
    ("settings", "said"),
    [
        ({"fields": ["custom_attributes"], "custom_attributes": ["plan"]}, "'custom_attributes' in 'fields'"),
        ({"custom_attributes": [str(number) for number in range(501)]}, "Braze takes at most 500 names"),
        ({"storage_options": "our-secret"}, "setting 'users.storage_options': its value has the wrong type"),
        ({"output_format": "rar"}, "setting 'users.output_format': "),
        ({"segments": []}, "setting 'users.segments' does not exist; did you mean 'segment_ids'?"),
    ],
)
def test_settings_that_cannot_be(run_tap: RunTap, settings: dict[str, Any], said: str) -> None:
    run = run_tap("users", users=settings)
    assert run.exit_code == 1
    assert said in run.errors[0]
    assert "our-secret" not in run.stderr


def test_what_braze_adds_to_profiles_comes_through(
    run_tap: RunTap, segments: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    profile = {"braze_id": "b-1", "new": {"deep": [1]}, "devices": [{"os": "x", "new": 1}, {"os": "x", "new": 1}]}
    monkeypatch.setattr(decoder, "profiles", lambda *_: iter([[profile]]))
    run = run_tap("users", "user_devices", users={"segment_ids": segments[:1]})
    (user,) = run.records("users")
    assert user["_extra"] == {"new": {"deep": [1]}}
    assert "stream 'users': these fields have no column of their own and are in '_extra': 'new'" in run.stderr
    devices = run.records("user_devices")
    assert [(device["position"], device["_extra"], device["external_id"]) for device in devices] == [
        (0, {"new": 1}, None),
        (1, {"new": 1}, None),
    ]


# By id.


@pytest.mark.parametrize("in_file", [0, 1, 120])
def test_ids_from_a_list_and_a_file(sandbox: Sandbox, run_tap: RunTap, tmp_path: Path, in_file: int) -> None:
    wanted = [f"new {number}" for number in range(118)] + ["nobody", "no one"]
    for user in wanted[:118]:
        sandbox.instance.profiles.create(external_id=user)
    file = tmp_path / "ids.txt"
    file.write_text("\n".join(["\ufeff", *wanted[120 - in_file :], ""]), "utf-8")
    run = run_tap("users_by_id", users={"external_ids": wanted[: 120 - in_file], "external_ids_file": str(file)})
    assert run.exit_code == 0, run.stderr
    assert {record["external_id"] for record in run.records("users_by_id")} == set(wanted[:118])
    assert "stream 'users_by_id': 2 of 120 IDs match nobody" in run.stderr
    assert "no one" not in run.stderr
    assert len([r for r in sandbox.requests if r.path == "/users/export/ids"]) == 3


def test_users_by_every_kind_of_identifier(sandbox: Sandbox, run_tap: RunTap) -> None:
    profiles = sandbox.instance.profiles
    alias = {"alias_name": "a/1 ä", "alias_label": "crm"}
    both = profiles.create(external_id="twice")
    anonymous = profiles.create("alias", ("crm", "a/1 ä"))
    for profile in (both, anonymous):
        profiles.readdress(profile, "email", "shared@x.example")
    profiles.readdress(both, "phone", "+15550000001")
    device = profiles.create(external_id="phone user")
    device.observed["devices"] = [{"device_id": "d-1"}]
    run = run_tap(
        "users_by_id",
        users={
            "external_ids": ["twice"],
            "user_aliases": [alias, alias, {"alias_name": "nobody", "alias_label": "crm"}],
            "emails": ["shared@x.example", "nobody@x.example"],
            "phones": ["+15550000001"],
            "braze_ids": [device.braze_id],
            "device_ids": ["d-1"],
        },
    )
    assert run.exit_code == 0, run.stderr
    found = [record["braze_id"] for record in run.records("users_by_id")]
    assert sorted(found) == sorted({both.braze_id, anonymous.braze_id, device.braze_id})
    assert "stream 'users_by_id': 2 of 8 IDs match nobody" in run.stderr
    assert "x.example" not in run.stderr
    assert len([r for r in sandbox.requests if r.path == "/users/export/ids"]) == 7


def test_ids_of_nobody(sandbox: Sandbox, run_tap: RunTap) -> None:
    run = run_tap("users_by_id")
    assert run.exit_code == 0
    assert "stream 'users_by_id' reads nothing: setting 'users' names no user" in run.stderr
    assert sandbox.requests == []
    run = run_tap("users_by_id", users={"external_ids_file": "nowhere.txt"})
    assert run.errors == ["setting 'users.external_ids_file': 'nowhere.txt' cannot be read"]


def test_no_message_about_ids_names_a_user(sandbox: Sandbox, run_tap: RunTap) -> None:
    body = {"message": "user-001 is not known"}
    sandbox.fault(path="/users/export/ids", do="status", status=400, body=body)
    run = run_tap("users_by_id", users={"external_ids": ["user-001"]})
    assert run.errors == ["stream 'users_by_id': POST /users/export/ids: HTTP 400"]


# What goes wrong.


def test_it_waits_until_an_export_is_ready(run_tap: RunTap) -> None:
    with Sandbox(users=10, export_seconds=0.3) as slow:
        run = run_tap("users", endpoint=slow.url, api_key=slow.api_key)
        assert sorted(ids(run)) == sorted(everybody(slow))
        early = [r for r in slow.requests if r.path.startswith("/sandbox/exports/") and r.status == 403]
        assert len(early) > 3
        # The URL gives access like a key.
        assert "Signature" not in run.stderr + run.stdout
        assert "/sandbox/exports/" not in run.stderr + run.stdout


def test_it_waits_while_another_export_of_the_segment_runs(run_tap: RunTap) -> None:
    with Sandbox(users=10, export_seconds=1.5) as slow:
        (segment, *_) = slow.workspace.segments
        body = {"segment_id": segment, "fields_to_export": ["braze_id"]}
        requests.post(slow.url + EXPORT, json=body, headers={"Authorization": f"Bearer {slow.api_key}"}, timeout=5)
        run = run_tap("users", endpoint=slow.url, api_key=slow.api_key, users={"segment_ids": [segment]})
        assert run.exit_code == 0, run.stderr
        assert sorted(ids(run)) == sorted(everybody(slow))
        assert run.stderr.count("waiting until an export can start") == 1


def test_busy_is_not_waited_for_until_the_rate_limit_is_reset(sandbox: Sandbox, run_tap: RunTap) -> None:
    headers = {"limit": 250_000, "remaining": 249_000, "reset": int(time.time()) + 3000}
    named = {f"X-RateLimit-{name}": str(value) for name, value in headers.items()}
    sandbox.fault(path=EXPORT, do="status", status=429, headers=named, times=3)
    run = run_tap("users", "segments")
    assert run.exit_code == 0, run.stderr
    assert sorted(ids(run)) == sorted(everybody(sandbox))


def test_a_segment_that_stays_busy(sandbox: Sandbox, run_tap: RunTap, segments: list[str]) -> None:
    sandbox.fault(path=EXPORT, do="status", status=429, contains=segments[1])
    run = run_tap("users", users={"export_timeout": 3})
    assert run.exit_code == 1
    assert f"stream 'users': segment_id '{segments[1]}' failed" in run.errors[0]
    assert "HTTP 429" in run.errors[0]
    assert sorted(ids(run)) == sorted(everybody(sandbox))


def test_a_download_that_breaks_off_goes_on(sandbox: Sandbox, run_tap: RunTap, segments: list[str]) -> None:
    sandbox.fault(path=FILES, do="drop_during", times=6)
    run = run_tap("users", users={"segment_ids": segments[:1]})
    assert run.exit_code == 0, run.stderr
    assert sorted(ids(run)) == sorted(everybody(sandbox))
    assert len(started(sandbox)) == 1


def test_a_download_that_always_breaks_off(sandbox: Sandbox, run_tap: RunTap, segments: list[str]) -> None:
    sandbox.fault(path=FILES, do="drop_during")
    run = run_tap("users", users={"segment_ids": segments[:1], "export_timeout": 20})
    assert run.exit_code == 1
    assert f"segment_id '{segments[0]}' failed: the download broke off 5 times after " in run.errors[0]


def test_an_expired_url_is_followed_by_one_more_export(sandbox: Sandbox, run_tap: RunTap, segments: list[str]) -> None:
    expired = {"do": "status", "status": 403, "body": "<Code>ExpiredToken</Code>"}
    sandbox.fault(path=FILES, times=1, **expired)
    settings = {"segment_ids": segments[:1]}
    run = run_tap("users", users=settings)
    assert run.exit_code == 0, run.stderr
    assert sorted(ids(run)) == sorted(everybody(sandbox))
    assert len(started(sandbox)) == 2
    assert run.stderr.count("starting the export again") == 1
    sandbox.fault(path=FILES, **expired)
    run = run_tap("users", users=settings)
    assert run.exit_code == 1
    assert "expired 2 times" in run.errors[0]
    assert run.stderr.count("starting the export again") == 1
    assert len(started(sandbox)) == 4


def test_a_url_that_expires_amid_the_download_doubles_no_row(run_tap: RunTap) -> None:
    with Sandbox(users=1000, export_seconds=0.02, export_file_users=100) as large:
        (segment, *_) = large.workspace.segments
        large.fault(path=FILES, do="drop_during")

        def expire(request: Any) -> None:
            if request.status == 200:
                large.clear_faults()
                large.fault(path=FILES, do="status", status=403, times=1)

        large.after_request(FILES, expire)
        settings = {"endpoint": large.url, "api_key": large.api_key, "users": {"segment_ids": [segment]}}
        run = run_tap("users", "user_devices", **settings)
        assert run.exit_code == 0, run.stderr
        assert len(started(large)) == 2
        assert "its URL has expired; starting the export again" in run.stderr
        assert sorted(ids(run)) == sorted(everybody(large))
        devices = [(row["braze_id"], row["position"]) for row in run.records("user_devices")]
        assert len(devices) == len(set(devices))


@pytest.mark.parametrize(
    ("fault", "said"),
    [
        ("export_truncated", "the download is truncated"),
        ("export_bad_line", "line 1 is not a profile"),
        ("export_fails", "the export was not ready after 4 s (its URL: HTTP 403)"),
    ],
)
def test_an_export_that_fails_leaves_the_others(
    sandbox: Sandbox, run_tap: RunTap, segments: list[str], *, fault: str, said: str
) -> None:
    sandbox.fault(path=EXPORT, contains=segments[1], do=fault)
    settings = {"export_timeout": 4.0}
    first = run_tap("users", "segment_members", "segments", users=settings)
    assert first.exit_code == 1
    (error,) = first.errors
    assert f"stream 'users': segment_id '{segments[1]}' failed" in error
    assert said in error
    assert sorted(ids(first)) == sorted(everybody(sandbox))
    assert len(first.records("segments")) == 3
    for stream in ("users", "segment_members"):
        assert sorted(first.state["bookmarks"][stream]["exported"]) == sorted([segments[0], segments[2]])

    # A later run reads only what is missing; a lasting failure does not make it read the others again.
    second = run_tap("users", "segment_members", users=settings, state=first.state)
    assert second.exit_code == 1
    assert [body["segment_id"] for body in started(sandbox)][3:] == [segments[1]]
    sandbox.clear_faults()
    third = run_tap("users", "segment_members", users=settings, state=first.state)
    assert third.exit_code == 0
    assert {record["segment_id"] for record in third.records("segment_members")} == {segments[1]}
    assert "exported" not in third.state["bookmarks"]["users"]
    fourth = run_tap("users", users=settings, state=second.state)
    assert sorted(ids(fourth)) == sorted(everybody(sandbox))


def test_a_stream_that_was_not_selected_before_lacks_nothing(run_tap: RunTap, segments: list[str]) -> None:
    state = {"bookmarks": {"users": {"exported": [segments[0]]}}}
    run = run_tap("users", "segment_members", state=state)
    assert {record["segment_id"] for record in run.records("segment_members")} == set(segments)
    assert len(ids(run)) < 60


def test_a_state_that_was_written_by_hand(run_tap: RunTap) -> None:
    run = run_tap("users", state={"bookmarks": {"users": {"exported": 5}}})
    assert run.exit_code == 1
    assert "stream 'users': 'exported' in the state is not a list" in run.errors[0]


def test_an_unknown_segment_is_passed_over(sandbox: Sandbox, run_tap: RunTap, segments: list[str]) -> None:
    run = run_tap("users", users={"segment_ids": ["unknown", segments[0]]})
    assert run.exit_code == 0
    assert "stream 'users': segment_id 'unknown' was refused and is skipped" in run.stderr
    assert sorted(ids(run)) == sorted(everybody(sandbox))
    assert "exported" not in run.state["bookmarks"]["users"]


@pytest.mark.parametrize(
    ("users", "reason"),
    [
        ({"segment_ids": ["unknown"]}, "HTTP 400: Invalid Segment ID"),
        ({"fields": ["email", "emial"]}, "HTTP 400: 'fields_to_export' names unknown fields: emial"),
    ],
)
def test_no_segment_that_can_be_exported_is_no_success(run_tap: RunTap, users: dict[str, Any], reason: str) -> None:
    run = run_tap("users", "segments", users=users)
    assert run.exit_code == 1
    assert f"stream 'users': every segment failed: POST /users/export/segment: {reason}" in run.errors[0]
    assert len(run.records("segments")) == 3


@pytest.mark.parametrize("missing", ["users.export.segment", "segments.list"])
def test_a_missing_permission(sandbox: Sandbox, run_tap: RunTap, missing: str) -> None:
    sandbox.add_key("k-9", {"users.export.segment", "users.export.ids", "segments.list"} - {missing})
    settings = {"api_key": "k-9", "users": {"external_ids": ["user-001"]}}
    streams = ("users", "segment_members", "users_by_id")
    run = run_tap(*streams, **settings)
    assert run.exit_code == 1
    assert f"permission '{missing}'" in run.errors[0]
    skipped = run_tap(*streams, on_missing_permission="skip", **settings)
    assert skipped.exit_code == 0
    assert "2 streams in total were skipped: segment_members; users" in skipped.stderr
    assert len(skipped.records("users_by_id")) == 1
