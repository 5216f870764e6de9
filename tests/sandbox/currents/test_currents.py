"""Currents files: their paths, their contents, and their possible faults."""

from __future__ import annotations

import json
import re
from collections import Counter
from datetime import datetime, timedelta, timezone
from typing import TYPE_CHECKING, Any

import fastavro
import fsspec
import pytest
from braze_sandbox.cli import main
from braze_sandbox.currents.files import BEGINNING, INTEGRATION, Options, write
from braze_sandbox.currents.types import EVENT_TYPES
from braze_sandbox.state.instance import Instance
from braze_sandbox.state.options import Options as InstanceOptions
from moto.server import ThreadedMotoServer

from tests.sandbox.conftest import TODAY, Client

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from braze_sandbox.testing import Sandbox


DAY = timedelta(days=1)
OPEN = "users.messages.email.Open"


@pytest.fixture(scope="module")
def workspace() -> Instance:
    return Instance(InstanceOptions(seed="demo", today=TODAY))


def found(folder: Path) -> dict[str, list[Any]]:
    """The records of each file, by its path in the folder."""
    files = {}
    for path in sorted(folder.rglob("*.avro")):
        with path.open("rb") as file:
            files[path.relative_to(folder).as_posix()] = list(fastavro.reader(file))
    return files


def ids(files: dict[str, list[Any]]) -> Counter[str]:
    return Counter(record["id"] for records in files.values() for record in records)


def hour(path: str) -> datetime:
    match = re.search(r"/date=(\d{4}-\d\d-\d\d-\d\d)/", path)
    assert match
    return datetime.strptime(match[1], "%Y-%m-%d-%H").replace(tzinfo=timezone.utc)


def test_the_keys_of_the_newer_layout(workspace: Instance, tmp_path: Path) -> None:
    write(tmp_path, workspace, Options(hours=6, event_types=(OPEN,)))
    name = rf"dataexport\.prod-01\.S3\.integration\.{INTEGRATION}"
    folder = OPEN.lower()
    form = rf"currents/{name}/event_type={folder}/date=2026-03-01-0[0-5]/version=10/prod-01/{name}\+0\+[1-9]\d+\.avro"
    files = found(tmp_path)
    assert files
    assert all(re.fullmatch(form, path) for path in files)


def test_the_keys_of_the_older_layout(workspace: Instance, tmp_path: Path) -> None:
    options = Options(
        hours=6,
        event_types=(OPEN,),
        prefix="",
        cluster="prod-05",
        integrations=("a1", "b2"),
        layout="schema-id",
        padded=True,
    )
    write(tmp_path, workspace, options)
    name = r"dataexport\.prod-05\.S3\.integration\.(a1|b2)"
    form = rf"{name}/event_type={OPEN.lower()}/date=[\d-]+/\d+/prod-05/{name}\+0\+0\d{{9}}\.avro"
    files = found(tmp_path)
    assert files
    assert all(re.fullmatch(form, path) for path in files)
    assert set(ids(files).values()) == {2}, "both connectors have every event"


def test_a_header_names_a_schema_and_no_codec(workspace: Instance, tmp_path: Path) -> None:
    written = write(tmp_path, workspace, Options(hours=6, event_types=(OPEN,)))
    with (tmp_path / written[0].path).open("rb") as file:
        reader = fastavro.reader(file)
        assert set(reader.metadata) == {"avro.schema"}
        declared = json.loads(reader.metadata["avro.schema"])
        assert list(reader) == written[0].records
    assert declared["name"] == f"dataexport.S3.inner.{OPEN}"
    fields = {field["name"]: field for field in declared["fields"]}
    assert fields["time"] == {"name": "time", "type": "int"}
    assert fields["machine_open"] == {"name": "machine_open", "type": ["null", "string"], "default": None}


def test_every_event_type_happens_within_days(workspace: Instance, tmp_path: Path) -> None:
    written = write(tmp_path, workspace, Options(hours=96))
    assert {file.event_type for file in written} == set(EVENT_TYPES)
    assert max(ids(found(tmp_path)).values()) == 1


def test_the_same_seed_has_the_same_files_and_windows_agree(workspace: Instance, tmp_path: Path) -> None:
    write(tmp_path / "once", workspace, Options(hours=4))
    write(tmp_path / "again", Instance(InstanceOptions(seed="demo", today=TODAY)), Options(hours=4))
    for first in (0, 2):
        write(tmp_path / "halves", workspace, Options(start=BEGINNING + timedelta(hours=first), hours=2))
    once, again, halves = (
        {path.relative_to(folder): path.read_bytes() for path in folder.rglob("*.avro")}
        for folder in (tmp_path / "once", tmp_path / "again", tmp_path / "halves")
    )
    assert once == again == halves


def test_events_are_of_the_seeds_people_campaigns_and_canvases(workspace: Instance, tmp_path: Path) -> None:
    records = [record for file in write(tmp_path, workspace, Options()) for record in file.records]
    known = {profile.braze_id: profile for profile in workspace.profiles}
    anonymous = []
    for record in records:
        if user := record.get("user_id"):
            assert record["external_user_id"] == known[user].external_id
            if record["external_user_id"] is None:
                anonymous.append(record)
        if record.get("email_address"):
            assert record["email_address"] == known[record["user_id"]].email
        if campaign := record.get("campaign_id"):
            assert record["message_variation_id"] in workspace.workspace.campaigns[campaign].messages
        if canvas := record.get("canvas_id"):
            variants = {variant["id"] for variant in workspace.workspace.canvases[canvas].variants}
            assert record["canvas_variation_id"] in variants
    assert anonymous
    devices = {
        device.get("device_id") or device.get("idfv") for user in known.values() for device in user.observed["devices"]
    }
    assert {record["device_id"] for record in anonymous if record.get("device_id")} & devices


def test_a_folder_is_the_hour_of_queueing_which_can_be_long_after(workspace: Instance, tmp_path: Path) -> None:
    behind = [
        hour(file.path) - datetime.fromtimestamp(record["time"], timezone.utc)
        for file in write(tmp_path, workspace, Options())
        for record in file.records
    ]
    assert max(behind) > timedelta(hours=12)
    assert min(behind) > timedelta(hours=-1), "nothing is queued before it happens"


def test_an_hour_can_have_many_files(workspace: Instance, tmp_path: Path) -> None:
    chosen = Options(hours=6, event_types=("users.behaviors.*",))
    write(tmp_path / "one", workspace, chosen)
    write(tmp_path / "many", workspace, Options(hours=6, event_types=chosen.event_types, files_per_hour=3))
    one, many = found(tmp_path / "one"), found(tmp_path / "many")
    folders = Counter(path.rpartition("/")[0] for path in many)
    assert max(folders.values()) == 3
    assert set(Counter(path.rpartition("/")[0] for path in one).values()) == {1}
    assert ids(one) == ids(many)


def test_late_files_have_the_rest_of_the_same_hours(workspace: Instance, tmp_path: Path) -> None:
    write(tmp_path / "whole", workspace, Options(hours=12))
    held = write(tmp_path / "late", workspace, Options(hours=12, late_files="hold"))
    sent = write(tmp_path / "late", workspace, Options(hours=12, late_files="send"))
    assert not {file.path for file in held} & {file.path for file in sent}
    assert any(hour(file.path) < BEGINNING + timedelta(hours=6) for file in sent)
    assert ids(found(tmp_path / "late")) == ids(found(tmp_path / "whole"))


def test_duplicates_come_in_the_next_hour(workspace: Instance, tmp_path: Path) -> None:
    write(tmp_path, workspace, Options(hours=12, duplicates=0.1))
    files = found(tmp_path)
    twice = {one for one, count in ids(files).items() if count == 2}
    assert 0.05 < len(twice) / len(ids(files)) < 0.2
    hours: dict[str, list[datetime]] = {}
    for path, records in files.items():
        for record in records:
            hours.setdefault(record["id"], []).append(hour(path))
    assert all(abs(hours[one][0] - hours[one][1]) == timedelta(hours=1) for one in twice)


@pytest.mark.parametrize("layout", ["version", "schema-id"])
def test_schemas_change_in_the_middle(workspace: Instance, tmp_path: Path, layout: Any) -> None:
    written = write(tmp_path, workspace, Options(event_types=(OPEN,), schema_change=True, layout=layout))
    before = {name for file in written for name in file.records[0] if not file.changed}
    after = {name for file in written for name in file.records[0] if file.changed}
    assert after - before == {"send_time", "trace_id"}
    assert {file.changed for file in written if hour(file.path) < BEGINNING + DAY / 2} == {False}
    assert {file.changed for file in written if hour(file.path) >= BEGINNING + DAY / 2} == {True}
    releases = {(file.path.split("/")[4], file.changed) for file in written}
    assert len(releases) == 2
    # Required fields may be null.
    with (tmp_path / written[-1].path).open("rb") as file:
        schema: Any = fastavro.reader(file).writer_schema
    assert {"name": "email_address", "type": ["null", "string"], "default": None} in schema["fields"]


def test_the_last_file_can_be_cut_off(workspace: Instance, tmp_path: Path) -> None:
    *whole, last = write(tmp_path, workspace, Options(hours=2, truncated=True))
    for file in whole:
        with (tmp_path / file.path).open("rb") as body:
            assert len(list(fastavro.reader(body))) == len(file.records)
    with (tmp_path / last.path).open("rb") as body, pytest.raises(EOFError):
        list(fastavro.reader(body))
    write(tmp_path, workspace, Options(hours=2))
    assert len(found(tmp_path)[last.path]) == len(last.records), "as a file that grows"


def test_events_and_purchases_that_users_have_with_nothing_made_up(
    sandbox: Sandbox, client: Client, tmp_path: Path
) -> None:
    event = {"external_id": "u-1", "name": "signed up", "time": "2026-03-01T08:00:00Z", "properties": {"plan": "pro"}}
    bought = {"product_id": "sku", "price": 9.5, "currency": "EUR", "quantity": 2, "time": "2026-03-01T09:30:00Z"}
    client.track(events=[event], purchases=[{"external_id": "u-1", **bought}])
    profile = sandbox.profile("u-1")
    assert profile
    write(tmp_path, sandbox.instance, Options(made_up=False))
    files = found(tmp_path)
    (told,), pieces = files.values()
    assert (told["user_id"], told["external_user_id"]) == (profile.braze_id, "u-1")
    assert (told["name"], told["time"], told["device_id"]) == ("signed up", 1772352000, None)
    assert json.loads(told["properties"]) == {"plan": "pro"}
    assert [(piece["product_id"], piece["price"], piece["currency"]) for piece in pieces] == [("sku", 9.5, "EUR")] * 2
    assert len(ids(files)) == 3
    assert [hour(path).hour for path in files] == [8, 9]


@pytest.fixture(scope="module")
def storage() -> Iterator[dict[str, Any]]:
    """Fsspec's options for an S3 of our own."""
    server = ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
    server.start()
    host, port = server.get_host_and_port()
    yield {
        "endpoint_url": f"http://{host}:{port}",
        "key": "k",
        "secret": "s",
    }
    server.stop()


def test_a_bucket_by_the_command(
    workspace: Instance, storage: dict[str, Any], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    filesystem = fsspec.filesystem("s3", **storage, skip_instance_cache=True)
    filesystem.mkdir("bucket")
    arguments = [
        "--start",
        "2026-03-02T04",
        "--hours",
        "1",
        "--event-types",
        "users.behaviors.*",
        "--cluster",
        "prod-02",
    ]
    main(["currents", "--out", "s3://bucket/deep", "--storage", json.dumps(storage), *arguments])
    start = datetime(2026, 3, 2, 4, tzinfo=timezone.utc)
    options = Options(start=start, hours=1, event_types=("users.behaviors.*",), cluster="prod-02")
    expected = {f"bucket/deep/{file.path}" for file in write(tmp_path, workspace, options)}
    assert expected
    assert set(filesystem.find("bucket")) == expected
    assert " files, below s3://bucket/deep\n" in capsys.readouterr().out


NOBODY = json.dumps(
    {
        "endpoint_url": "http://127.0.0.1:1",
        "key": "k",
        "secret": "s",
        "config_kwargs": {"retries": {"max_attempts": 0}},
    }
)


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (
            ["--event-types", "users.messages.pigeon.*"],
            "no events of type 'users.messages.pigeon.*', only agentconsole.AgentExecuted, ",
        ),
        (["--start", "yesterday"], "'yesterday' is not an hour; use 2026-03-01 or 2026-03-01T07"),
        (["--duplicates", "7"], "'7' is not a share from 0 to 1"),
        (["--out", "/proc/nowhere"], "braze-sandbox: cannot write to /proc/nowhere: "),
        (["--out", "nothing://x"], "braze-sandbox: cannot write to nothing://x: "),
        (["--out", "s3://bucket", "--hours", "1", "--storage", NOBODY], "braze-sandbox: cannot write to s3://bucket: "),
    ],
)
def test_what_the_command_refuses(
    arguments: list[str], said: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit) as stopped:
        main(["currents", "--out", str(tmp_path), "--hours", "1", *arguments])
    assert said in f"{stopped.value}{capsys.readouterr().err}"


def test_a_seed_without_users_says_so(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    main(["currents", "--out", str(tmp_path), "--seed", "small"])
    assert "seed 'small' has no users" in capsys.readouterr().out
