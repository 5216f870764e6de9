"""The Currents streams: their catalog, their records, and the messages if there is nothing to read."""

from __future__ import annotations

import builtins
import json
import os
import subprocess
import sys
from typing import TYPE_CHECKING, Any

import pytest
from moto.server import ThreadedMotoServer
from tap_braze.currents import dedupe, workers
from tap_braze.currents.schemas import EVENT_TYPES
from tap_braze.singer.tap import TapBraze
from tap_braze.storage import Storage

from tests.tap.support.currents import (
    CLICK,
    CLICKS,
    FIELDS,
    NAME,
    OPEN,
    OPENS,
    PURCHASE,
    PURCHASES,
    Bucket,
    avro,
    event,
    events,
    ids,
)
from tests.tap.support.singer import catalog_of, run_cli

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from braze_sandbox.testing import Sandbox

UNKNOWN, UNKNOWNS = "users.messages.hologram.Wave2Seen", "currents_users_messages_hologram_wave2_seen"


@pytest.fixture
def bucket(tmp_path: Path) -> Bucket:
    folder = tmp_path / "bucket"
    folder.mkdir()
    return Bucket(folder)


def discovered(bucket: Bucket, **settings: Any) -> dict[str, dict[str, Any]]:
    catalog = TapBraze(config=bucket.settings(**settings), setup_mapper=False).catalog_dict
    return {
        entry["tap_stream_id"]: entry for entry in catalog["streams"] if entry["tap_stream_id"].startswith("currents_")
    }


def root(entry: dict[str, Any]) -> dict[str, Any]:
    found: dict[str, Any] = next(item["metadata"] for item in entry["metadata"] if not item["breadcrumb"])
    return found


def schemas(run: Any, stream: str) -> list[dict[str, Any]]:
    return [
        message["schema"] for message in run.messages if message["type"] == "SCHEMA" and message["stream"] == stream
    ]


def test_there_are_streams_of_all_types_that_are_known_or_there(bucket: Bucket) -> None:
    bucket.write(events("a"))
    bucket.write(events("b"), event_type=UNKNOWN)
    found = discovered(bucket, event_types=[])
    assert len(EVENT_TYPES) == 100
    assert len(found) == 100 + len([UNKNOWNS]) + len(["currents_events"])
    assert {name for name, entry in found.items() if root(entry)["selected-by-default"]} == {OPENS, UNKNOWNS}
    assert {tuple(entry["key_properties"]) for name, entry in found.items() if name != "currents_events"} == {("id",)}
    assert tuple(found["currents_events"]["key_properties"]) == ("event_type", "id")
    assert {entry["replication_method"] for entry in found.values()} == {"INCREMENTAL"}
    assert {"currents_users_canvas_exit_matched_audience", "currents_agentconsole_tool_invocation"} < set(found)
    assert {"currents_users_user_delete_request", "currents_contentoptimizer_component_store"} < set(found)


def test_the_setting_names_the_types(bucket: Bucket) -> None:
    bucket.write(events("a"))
    found = discovered(bucket, event_types=["users.messages.email.*", PURCHASE])
    assert OPENS in found
    assert PURCHASES in found
    assert all(name.startswith((OPENS[:29], PURCHASES, "currents_events")) for name in found)


def test_a_type_that_nobody_knows(bucket: Bucket) -> None:
    bucket.write(events("a"), event_type=UNKNOWN)
    run = bucket.run(UNKNOWNS, event_types=["users.messages.hologram.*", "*.Opne"])
    assert ids(run, UNKNOWNS) == ["a"]
    warnings = [line.split(" | ")[-1] for line in run.stderr.splitlines() if "| WARNING" in line]
    assert warnings == ["setting 'currents.event_types': '*.Opne' matches no known event type and no folder of files"]


def test_without_the_setting_there_are_none(bucket: Bucket) -> None:
    catalog = TapBraze(config={**bucket.settings(), "currents": {}}, setup_mapper=False).catalog_dict
    assert not [entry for entry in catalog["streams"] if entry["tap_stream_id"].startswith("currents_")]


def test_what_is_known_of_the_fields(bucket: Bucket) -> None:
    bucket.write(events("a"))
    found = {name: entry["schema"] for name, entry in discovered(bucket, event_types=[]).items()}
    purchase = found[PURCHASES]["properties"]
    assert purchase["price"]["type"] == ["number", "null"]
    assert purchase["properties"]["type"] == ["string", "null"]
    assert purchase["ad_tracking_enabled"]["type"] == ["boolean", "null"]
    assert purchase["time"]["type"] == ["integer"]
    assert found["currents_users_messages_sms_inbound_receive"]["properties"]["media_urls"]["type"] == ["array", "null"]
    for name, schema in found.items():
        assert schema["required"][-2:] == ["id", "time"], name
        for field, described in schema["properties"].items():
            assert ("null" in described["type"]) != (field in schema["required"]), (name, field)


VALUES = {
    "id": "1f0c",
    "user_id": "5f1e",
    "external_user_id": None,
    "device_id": "d-1",
    "time": 2_524_608_000_000,
    "name": 'a "quoted"\nline\t\\ \U0001f600 \x00',
    "properties": '{"size": 1.50}',
    "flag": True,
    "count": -(2**62),
    "price": 9.989999771118164,
    "precise": 0.1,
    "nothing": None,
    "texts": ["a", "", "b"],
    "gaps": ["a", None],
    "other": None,
}
TYPES = {
    "id": "string",
    "user_id": "string",
    "external_user_id": ["null", "string"],
    "device_id": ["null", "string"],
    "time": "long",
    "name": {"type": "string", "avro.java.string": "String"},
    "properties": "string",
    "flag": "boolean",
    "count": ["null", "long"],
    "price": "float",
    "precise": ["double", "null"],
    "nothing": "null",
    "texts": {"type": "array", "items": "string"},
    "gaps": ["null", {"type": "array", "items": ["null", "string"]}],
    "other": ["null", "string"],
}


@pytest.mark.parametrize(
    "more", [{}, {"raw": "bytes", "map": {"type": "map", "values": "int"}}], ids=["own", "fastavro"]
)
@pytest.mark.parametrize("codec", ["null", "deflate"])
def test_values_come_as_they_are_in_the_file(bucket: Bucket, more: dict[str, Any], codec: str) -> None:
    types = {name: kind for name, kind in TYPES.items() if name != "nothing" or more} | more
    values = {**VALUES, "raw": b"\x00\xff", "map": {"a": 1}}
    bucket.write(avro([{name: values[name] for name in types}], types, codec=codec), event_type=PURCHASE)
    run = bucket.run(PURCHASES)
    (record,) = run.records(PURCHASES)
    expected = {**values, "raw": "AP8="}
    assert record == {name: expected[name] for name in types}
    properties = schemas(run, PURCHASES)[-1]["properties"]
    assert set(record) <= set(properties)
    assert properties["texts"]["type"] == ["array", "null"]


def test_a_number_that_is_none_is_null(bucket: Bucket) -> None:
    bucket.write(avro([event("a", price=float("nan"))], {**FIELDS, "price": "float"}), event_type=PURCHASE)
    assert bucket.run(PURCHASES).records(PURCHASES)[0]["price"] is None


def test_a_field_that_a_file_brings_is_described_before_its_records(bucket: Bucket) -> None:
    bucket.write(events("a"), "2026-03-01-00")
    bucket.write(avro([event("b", trace="t", stars=5)], {**FIELDS, "trace": ["null", "string"], "stars": "int"}))
    bucket.write(events("c"), "2026-03-01-23")
    run = bucket.run()
    kinds = [(each["type"], each.get("record", {}).get("id")) for each in run.messages if each["type"] != "STATE"]
    assert kinds == [("SCHEMA", None), ("RECORD", "a"), ("SCHEMA", None), ("RECORD", "b"), ("RECORD", "c")]
    before, after = schemas(run, OPENS)
    assert "trace" not in before["properties"]
    assert after["properties"]["trace"] == {"type": ["string", "null"]}
    assert after["properties"]["stars"] == {"type": ["integer", "null"]}
    assert [record.get("stars") for record in run.records(OPENS)] == [None, 5, None]


def test_a_field_of_another_type_widens_the_schema(bucket: Bucket) -> None:
    fields = {**FIELDS, "machine_open": ["null", "boolean"], "time": "long"}
    bucket.write(avro([event("a", machine_open=True)], fields))
    _, after = schemas(bucket.run(), OPENS)
    assert after["properties"]["machine_open"]["type"] == ["boolean", "string", "null"]


def test_an_old_catalog_keeps_up_with_new_fields(bucket: Bucket) -> None:
    bucket.write(avro([event("a", trace="t")], {**FIELDS, "trace": "string"}))
    catalog = catalog_of(bucket.settings(), (OPENS,))
    entry = next(entry for entry in catalog["streams"] if entry["tap_stream_id"] == OPENS)
    del entry["schema"]["properties"]["email_address"]
    entry["metadata"] = [item for item in entry["metadata"] if "email_address" not in item["breadcrumb"]]
    run = bucket.run(catalog=catalog)
    assert {"email_address", "trace"} < set(schemas(run, OPENS)[-1]["properties"])
    assert run.records(OPENS)[0]["email_address"] == "a@example.com"


def test_an_unknown_event_type_is_read(bucket: Bucket) -> None:
    bucket.write(events("a"), event_type=UNKNOWN)
    run = bucket.run(UNKNOWNS, "currents_events", event_types=[])
    assert run.records(UNKNOWNS) == events("a")
    assert [record["event_type"] for record in run.records("currents_events")] == [UNKNOWN]


def test_all_events_in_one_stream(bucket: Bucket) -> None:
    bucket.write([event("a", external_user_id=None)])
    fields = {**FIELDS, "device_id": "string", "price": "float", "app_id": "string"}
    bucket.write(avro([event("a", device_id="d", price=1.5, app_id="x")], fields), event_type=PURCHASE)
    run = bucket.run("currents_events")
    assert len(schemas(run, "currents_events")) == 1
    columns = dict.fromkeys(("device_id", "app_id", "app_group_id", "campaign_id", "canvas_id"))
    known = {**columns, "id": "a", "time": 1_772_359_200, "user_id": "5f1e"}
    assert run.records("currents_events") == [
        {
            **known,
            "event_type": PURCHASE,
            "external_user_id": "u-1",
            "device_id": "d",
            "app_id": "x",
            "payload": {"email_address": "a@example.com", "price": 1.5},
        },
        {
            **known,
            "event_type": OPEN,
            "external_user_id": None,
            "payload": {"email_address": "a@example.com"},
        },
    ]


def deselect(catalog: dict[str, Any], *fields: str) -> dict[str, Any]:
    for entry in catalog["streams"]:
        for item in entry["metadata"]:
            if item["breadcrumb"][1:] and item["breadcrumb"][1] in fields:
                item["metadata"]["selected"] = False
    return catalog


def test_deselected_columns_stay_out(bucket: Bucket) -> None:
    bucket.write(avro([event("a", trace="t")], {**FIELDS, "trace": "string"}))
    catalog = deselect(catalog_of(bucket.settings(), (OPENS, "currents_events")), "email_address", "payload", "id")
    run = bucket.run(catalog=catalog)
    (record,) = run.records(OPENS)
    assert set(record) == {*FIELDS, "trace"} - {"email_address"}
    assert set(schemas(run, OPENS)[-1]["properties"]) >= set(record)
    assert "email_address" not in schemas(run, OPENS)[-1]["properties"]
    assert "payload" not in run.records("currents_events")[0]


def test_a_field_that_only_the_metadata_of_a_catalog_names_is_deselected_too(bucket: Bucket) -> None:
    bucket.write(avro([event("a", trace="t")], {**FIELDS, "trace": "string"}))
    catalog = catalog_of(bucket.settings(), (OPENS,))
    (entry,) = (entry for entry in catalog["streams"] if entry["tap_stream_id"] == OPENS)
    entry["metadata"].append({"breadcrumb": ["properties", "trace"], "metadata": {"selected": False}})
    run = bucket.run(catalog=catalog)
    assert set(run.records(OPENS)[0]) == set(FIELDS)
    assert "trace" not in schemas(run, OPENS)[-1]["properties"]


@pytest.mark.parametrize(
    "config",
    [
        {"stream_maps": {OPENS: {"hashed": "md5(email_address)"}}, "stream_map_config": {}},
        {"flattening_enabled": True, "flattening_max_depth": 2},
    ],
    ids=["stream map", "flattening"],
)
def test_the_sdk_may_change_the_records(bucket: Bucket, config: dict[str, Any]) -> None:
    bucket.write(events("a", "b"), "2026-03-01-00")
    bucket.write(avro([event("c", trace="t")], {**FIELDS, "trace": "string"}))
    plain = bucket.run(OPENS, "currents_events")
    bucket.config, bucket.state = config, None
    run = bucket.run(OPENS, "currents_events")
    assert ids(run) == ["a", "b", "c"]
    for record, known in zip(run.records(OPENS), plain.records(OPENS), strict=True):
        assert {name: record[name] for name in known} == known
    if "stream_maps" in config:
        assert len(run.records(OPENS)[0]["hashed"]) == 32
        assert "hashed" in schemas(run, OPENS)[-1]["properties"]
    else:
        (payload,) = {record["payload"] for record in run.records("currents_events")[:1]}
        assert json.loads(payload) == {"email_address": "a@example.com"}
    assert run.state == plain.state
    assert ids(bucket.run()) == []


def test_a_stream_map_may_leave_the_stream_out(bucket: Bucket) -> None:
    bucket.write(events("a"))
    bucket.config = {"stream_maps": {OPENS: None}}
    run = bucket.run()
    assert (ids(run), schemas(run, OPENS), run.exit_code) == ([], [], 0)


def test_a_stream_map_may_have_a_glob_over_streams_that_are_not_selected(bucket: Bucket) -> None:
    bucket.write(events("a"))
    bucket.config = {"stream_maps": {"currents_*": {"email_address": None}}}
    run = bucket.run()
    assert (ids(run), run.exit_code) == (["a"], 0)
    assert "email_address" not in run.records(OPENS)[0]
    assert "email_address" not in schemas(run, OPENS)[-1]["properties"]


def test_events_that_come_again_are_left_out_on_demand(bucket: Bucket) -> None:
    bucket.write(events("a", "b", "a"), "2026-03-01-00")
    bucket.write(events("b", "c"), "2026-03-01-01")
    bucket.write(events("a"), event_type=CLICK)
    run = bucket.run(OPENS, CLICKS, "currents_events", deduplicate=True)
    assert ids(run) == ["a", "b", "c"]
    assert ids(run, CLICKS) == ["a"]
    assert [(each["event_type"], each["id"]) for each in run.records("currents_events")] == [
        (CLICK, "a"),
        (OPEN, "a"),
        (OPEN, "b"),
        (OPEN, "c"),
    ]
    assert f"stream '{OPENS}': 2 files, 3 events, 2 duplicates left out in " in run.stderr
    bucket.state = None
    assert ids(bucket.run()) == ["a", "b", "a", "b", "c"]


def test_what_is_remembered_of_events_is_bounded(bucket: Bucket, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(dedupe, "_MOST", 2)
    for number, event_id in enumerate("abacbda"):
        bucket.write(events(event_id), f"2026-03-01-0{number}")
    assert ids(bucket.run(deduplicate=True)) == ["a", "b", "c", "b", "d", "a"]


@pytest.mark.parametrize("deduplicate", [False, True])
def test_processes_bring_the_same(bucket: Bucket, monkeypatch: pytest.MonkeyPatch, deduplicate: Any) -> None:
    for number in range(8):
        bucket.write(events(*(f"{number}-{each % 700}" for each in range(1000))), f"2026-03-01-0{number}")
    bucket.write(avro(events("x", "y"))[:-5], "2026-03-01-03")
    alone = bucket.run(deduplicate=deduplicate)
    monkeypatch.setattr(workers, "_WORTH_IT", 1)
    bucket.state = None
    run = bucket.run(deduplicate=deduplicate)
    assert len(ids(run)) == (5600 if deduplicate else 8000)
    assert run.records(OPENS) == alone.records(OPENS)
    assert run.state == alone.state
    assert run.errors == alone.errors


def test_a_process_that_dies_loses_nothing(bucket: Bucket, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(workers, "_WORTH_IT", 1)
    asked = workers._request_frames
    calls = []

    def killed(process: Any, *given: Any) -> Any:
        calls.append(process)
        if len(calls) == 2:
            process.kill()
        return asked(process, *given)

    monkeypatch.setattr(workers, "_request_frames", killed)
    for number in range(4):
        bucket.write(events(str(number)), f"2026-03-01-0{number}")
    run = bucket.run()
    assert run.exit_code == 1
    assert len(ids(run)) == 3
    assert "the process that decoded it died" in run.errors[0]
    assert sorted(ids(run) + ids(bucket.run())) == ["0", "1", "2", "3"]


NONE = (
    "setting 'currents.url': no folder at {url} is called event_type=…; give the folder path of the Currents connector "
    "in Braze, or a folder above it"
)
NOTHING = (
    "setting 'currents.url': there is nothing at {url}; check the bucket and the folder path against the "
    "Currents connector in Braze"
)


@pytest.mark.parametrize(("below", "text"), [("", NONE), ("exports", NONE), ("missing", NOTHING), ("empty", NOTHING)])
def test_a_place_without_events_is_named(bucket: Bucket, below: str, text: str) -> None:
    (bucket.folder / "exports" / "2026").mkdir(parents=True)
    (bucket.folder / "empty").mkdir()
    url = f"{bucket.folder}/{below}"
    run = bucket.run(url=url)
    assert run.exit_code == 1
    assert run.errors == [
        (
            f"stream 'currents_events': the listing of all files failed: {text.format(url=url)}. Everything else was "
            "read. Run again later to read what is missing"
        )
    ]


def test_the_rest_of_the_run_goes_on_without_the_bucket(run_tap: Callable[..., Any], tmp_path: Path) -> None:
    run = run_tap("segments", OPENS, currents={"url": str(tmp_path / "missing")})
    assert run.exit_code == 1
    assert run.records("segments")
    assert len(run.errors) == 1


def test_a_kind_of_bucket_that_is_not_installed(bucket: Bucket, monkeypatch: pytest.MonkeyPatch) -> None:
    known = builtins.__import__

    def without(name: str, *more: Any) -> Any:
        if name.startswith("gcsfs"):
            raise ImportError(name)
        return known(name, *more)

    monkeypatch.setattr(builtins, "__import__", without)
    run = bucket.run(url="gs://bucket/currents")
    assert run.exit_code == 1
    assert "setting 'currents.url': gs:// needs another package: pip install 'tap-braze[gcs]'" in run.errors[0]


def test_the_test_tells_what_is_there(bucket: Bucket, sandbox: Sandbox) -> None:
    bucket.write(events("a"))
    bucket.write(events("a"), event_type=UNKNOWN)
    bucket.config = {"endpoint": sandbox.url, "api_key": sandbox.api_key}

    def first_line(**currents: Any) -> str:
        return str(
            run_cli([*bucket.arguments({"config": bucket.settings(**currents)}), "--test"]).stdout.split("\n")[0]
        )

    assert first_line(event_types=[]).split(maxsplit=1) == [
        "currents_…",
        f"can be listed; 2 event types: {OPEN}, {UNKNOWN}",
    ]
    assert "  not readable: setting 'currents.url': there is nothing at " in first_line(url="/nowhere/at/all")


def test_wrong_settings(bucket: Bucket) -> None:
    run = run_cli(bucket.arguments({"config": bucket.settings(storage_options="s3cr3t-text")}))
    assert run.exit_code == 1
    assert "s3cr3t-text" not in run.stderr
    run = run_cli(bucket.arguments({"config": bucket.settings() | {"currents": "s3cr3t-text"}}))
    assert run.errors == ["setting 'currents': it must be an object"]
    run = run_cli(bucket.arguments({"config": bucket.settings(start_date="soon")}))
    assert run.errors == [
        (
            "setting 'currents.start_date': 'soon' is neither a date (2026-01-31) nor a date and time "
            "(2026-01-31T00:00:00Z)"
        )
    ]
    run = run_cli([*bucket.arguments({"config": bucket.settings(lookback_hours=-1)}), "--discover"])
    assert run.exit_code == 1
    assert run.errors == ["setting 'currents.lookback_hours': -1 is less than the minimum of 0"]


@pytest.fixture(scope="module")
def s3() -> Iterator[dict[str, Any]]:
    server = ThreadedMotoServer(port=0, verbose=False)
    server.start()
    try:
        host, port = server.get_host_and_port()
        yield {"endpoint_url": f"http://{host}:{port}", "key": "AKIDEXAMPLE01", "secret": "s3cr3t-of-the-bucket"}
    finally:
        server.stop()


@pytest.fixture
def in_s3(bucket: Bucket, s3: dict[str, Any], monkeypatch: pytest.MonkeyPatch) -> Bucket:
    from s3fs import S3FileSystem  # noqa: PLC0415 - takes a while, and few tests need it

    monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")
    monkeypatch.setenv("AWS_CONFIG_FILE", "/nowhere")
    monkeypatch.setenv("AWS_SHARED_CREDENTIALS_FILE", "/nowhere")
    files = S3FileSystem(**s3, skip_instance_cache=True)
    if not files.exists("events"):
        files.mkdir("events")
    for number in range(3):
        path = f"events/currents/{NAME}/event_type={OPEN}/date=2026-03-01-0{number}/version=12/us-01"
        files.pipe_file(f"{path}/{NAME}+0+{number}.avro", avro(events(str(number))))
    return bucket


def test_a_bucket_of_s3(in_s3: Bucket, s3: dict[str, Any]) -> None:
    where: dict[str, Any] = {"url": "s3://events/currents", "storage_options": s3}
    assert ids(in_s3.run(**where)) == ["0", "1", "2"]
    again = in_s3.run(**where)
    assert (ids(again), again.exit_code) == ([], 0)


def test_a_bucket_of_s3_is_listed_by_day(in_s3: Bucket, s3: dict[str, Any], monkeypatch: pytest.MonkeyPatch) -> None:
    from s3fs import S3FileSystem  # noqa: PLC0415

    where: dict[str, Any] = {"url": "s3://by-day/currents", "storage_options": s3, "event_types": [OPEN]}
    files = S3FileSystem(**s3, skip_instance_cache=True)
    files.mkdir("by-day")
    hours = [f"2026-03-{day:02}-{hour:02}" for day in range(1, 5) for hour in range(0, 24, 3)]
    folder = f"by-day/currents/{NAME}/event_type={OPEN}"

    def write(hour: str, name: str) -> None:
        files.pipe_file(f"{folder}/date={hour}/version=12/us-01/{name}.avro", avro(events(name)))

    for hour in hours:
        write(hour, hour)
    assert ids(in_s3.run(**where)) == hours
    write("2026-03-02-00", "too late")
    write("2026-03-02-21", "late")
    write("2026-03-03-01", "late, in a new hour")
    listed = []
    sizes = Storage.sizes_by_prefix

    def counted(self: Storage, start: str) -> dict[str, int]:
        listed.append(start.rpartition("=")[2])
        return sizes(self, start)

    monkeypatch.setattr(Storage, "sizes_by_prefix", counted)
    assert ids(in_s3.run(**where, lookback_hours=48)) == ["late", "late, in a new hour"]
    assert sorted(listed) == ["2026-03-02", "2026-03-03", "2026-03-04"]


def test_the_log_shows_no_credentials_at_any_level(in_s3: Bucket, s3: dict[str, Any]) -> None:
    secrets = {"secret": s3["secret"], "token": "t0ken-of-a-session"}
    config = in_s3.settings(url="s3://events/currents", storage_options=s3 | secrets)
    arguments = in_s3.arguments({"config": config, "catalog": catalog_of(config, (OPENS,))})
    command = [sys.executable, "-m", "tap_braze", *arguments]
    env = {**os.environ, "TAP_BRAZE_LOGLEVEL": "DEBUG"}
    run = subprocess.run(command, capture_output=True, text=True, check=True, env=env)
    assert "DEBUG" in run.stderr
    assert not [secret for secret in [*secrets.values(), "Signature="] if secret in run.stderr]


@pytest.mark.parametrize(
    ("change", "text"),
    [
        ({"url": "s3://events/other"}, "there is nothing at s3://events/other"),
        (
            {"url": "s3://no-such-bucket/currents"},
            "s3://no-such-bucket/currents cannot be listed (FileNotFoundError: The specified bucket does not exist)",
        ),
        ({"key": None, "secret": None}, "s3://events/currents cannot be listed (NoCredentialsError: "),
    ],
    ids=["wrong prefix", "wrong bucket", "no credentials"],
)
def test_a_bucket_that_cannot_be_read_is_named(
    in_s3: Bucket, s3: dict[str, Any], change: dict[str, Any], text: str
) -> None:
    url = change.get("url", "s3://events/currents")
    options = {name: value for name, value in (s3 | change).items() if value is not None and name != "url"}
    run = in_s3.run(url=url, storage_options=options)
    assert run.exit_code == 1
    assert f"setting 'currents.url': {text}" in run.errors[0]
    assert json.dumps(run.messages).count("RECORD") == 0
    assert s3["secret"] not in run.stderr
