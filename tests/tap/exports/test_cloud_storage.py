"""Exports that Braze writes to cloud storage: a folder, and a bucket that moto serves."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
import time
from typing import TYPE_CHECKING, Any

import fsspec
import pytest
from braze_sandbox.testing import Sandbox
from moto.server import ThreadedMotoServer

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    RunTap = Callable[..., Any]

EXPORT = "/users/export/segment"
QUIET = {"quiet_seconds": 1.5, "export_timeout": 20}


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "bucket").mkdir()
    return tmp_path / "bucket"


@pytest.fixture
def sandbox(folder: Path) -> Iterator[Sandbox]:
    """60 users, all of them in the first of three segments; three files of each export appear one by one."""
    with Sandbox(users=60, export_to=str(folder), export_seconds=0.2, export_file_users=25) as sandbox:
        yield sandbox


@pytest.fixture
def segments(sandbox: Sandbox) -> list[str]:
    return list(sandbox.workspace.segments)


def ids(run: Any, stream: str = "users") -> list[str]:
    return sorted(record["braze_id"] for record in run.records(stream))


def everybody(sandbox: Sandbox) -> list[str]:
    return sorted(profile.braze_id for profile in sandbox.profiles())


@pytest.mark.parametrize("form", ["zip", "gzip"])
def test_files_are_read_while_they_appear(sandbox: Sandbox, run_tap: RunTap, folder: Path, form: str) -> None:
    streams = ("users", "segment_members", "global_control_group_users")
    run = run_tap(*streams, users={"url": str(folder), "output_format": form, **QUIET})
    assert run.exit_code == 0, run.stderr
    assert ids(run) == everybody(sandbox)
    assert len(run.records("segment_members")) > 60
    assert run.records("global_control_group_users")
    suffixes = {path.suffix for path in folder.rglob("*.*")}
    assert suffixes == {".zip" if form == "zip" else ".gz"}


def test_exports_of_before_are_not_read(sandbox: Sandbox, run_tap: RunTap, folder: Path, segments: list[str]) -> None:
    settings = {"url": str(folder), "segment_ids": segments[:1], **QUIET}
    run_tap("users", users=settings)
    gone = sandbox.profiles()[0]
    sandbox.instance.profiles.remove(gone)
    assert gone.braze_id not in ids(run_tap("users", users=settings))


def test_the_setting_that_is_missing_is_named(sandbox: Sandbox, run_tap: RunTap) -> None:
    run = run_tap("users")
    assert run.exit_code == 1
    (error,) = run.errors
    assert error.startswith("stream 'users', segment_id '")
    assert "'users.url'" in error
    assert sandbox.requests


@pytest.mark.parametrize(
    ("fault", "said"), [("export_truncated", " is truncated"), ("export_bad_line", ", line 1 is not a profile")]
)
def test_a_broken_file_is_named(
    sandbox: Sandbox, run_tap: RunTap, folder: Path, segments: list[str], *, fault: str, said: str
) -> None:
    sandbox.fault(path=EXPORT, contains=segments[1], do=fault)
    run = run_tap("users", users={"url": str(folder), "output_format": "gzip", **QUIET})
    assert run.exit_code == 1
    (error,) = run.errors
    assert f"stream 'users': segment_id '{segments[1]}' failed: segment-export/{segments[1]}/" in error
    assert f".gz{said}" in error
    assert ids(run) == everybody(sandbox)


@pytest.mark.parametrize("url", ["elsewhere", "there"])
def test_a_wrong_or_empty_folder(sandbox: Sandbox, run_tap: RunTap, tmp_path: Path, url: str) -> None:
    (tmp_path / "there").mkdir()
    run = run_tap("users", "segments", users={"url": str(tmp_path / url), "quiet_seconds": 0, "export_timeout": 0.3})
    assert run.exit_code == 1
    assert "there is nothing yet in" in run.stderr
    assert "no file of the export appeared within 0 s under segment-export/" in run.errors[0]
    assert "'users.url'" in run.errors[0]
    assert len(run.records("segments")) == 3
    assert len([r for r in sandbox.requests if r.path == EXPORT]) == 3


def test_a_kind_of_storage_that_nobody_knows(sandbox: Sandbox, run_tap: RunTap) -> None:
    run = run_tap("users", users={"url": "nowhere://bucket"})
    assert run.exit_code == 1
    assert "stream 'users': setting 'users.url': nowhere://bucket cannot be opened" in run.errors[0]
    assert [r for r in sandbox.requests if r.path == EXPORT] == []


# S3


@pytest.fixture(scope="module")
def s3() -> Iterator[dict[str, Any]]:
    """What opens an S3 with an empty bucket `exports`."""
    server = ThreadedMotoServer(port=0)
    server.start()
    host, port = server.get_host_and_port()
    options = {"endpoint_url": f"http://{host}:{port}", "key": "AKIA-our-key", "secret": "our-secret-part"}
    fsspec.filesystem("s3", **options).mkdir("exports")
    yield options
    server.stop()


def test_a_bucket(run_tap: RunTap, s3: dict[str, Any]) -> None:
    where = "s3://exports/braze"
    with Sandbox(users=60, export_to=where, export_storage=s3, export_file_users=25, export_seconds=0.2) as sandbox:
        users = {"url": where, "storage_options": s3, "quiet_seconds": 1.5, "export_timeout": 30}
        run = run_tap("users", "user_devices", endpoint=sandbox.url, api_key=sandbox.api_key, users=users)
        assert run.exit_code == 0, run.stderr
        assert ids(run) == everybody(sandbox)
        assert run.records("user_devices")


@pytest.mark.parametrize(
    ("bucket", "change", "said"),
    [
        ("exports", {"endpoint_url": "http://127.0.0.1:9"}, "cannot be listed (EndpointConnectionError"),
        ("not-there", {}, "cannot be listed (FileNotFoundError: The specified bucket does not exist)"),
    ],
)
def test_a_bucket_that_cannot_be_read(
    run_tap: RunTap, s3: dict[str, Any], *, bucket: str, change: dict[str, Any], said: str
) -> None:
    options = {**s3, **change, "config_kwargs": {"retries": {"max_attempts": 0}, "connect_timeout": 1}}
    with Sandbox(users=6) as sandbox:
        run = run_tap(
            "users",
            endpoint=sandbox.url,
            api_key=sandbox.api_key,
            users={"url": f"s3://{bucket}", "storage_options": options},
        )
        assert run.exit_code == 1
        assert f"stream 'users': setting 'users.url': s3://{bucket} {said}" in run.errors[0]
        assert s3["secret"] not in run.stderr
        assert s3["key"] not in run.stderr
        assert [r for r in sandbox.requests if r.path == EXPORT] == []


# A run that is cut off.


def test_a_run_that_is_stopped_goes_on_with_what_was_not_exported(
    sandbox: Sandbox, run_tap: RunTap, tmp_path: Path, folder: Path, segments: list[str]
) -> None:
    sandbox.fault(path=EXPORT, contains=segments[1], do="status", status=429, headers={"x-ratelimit-remaining": "9"})
    users = {"url": str(folder), **QUIET, "export_timeout": 600}
    config = {"api_key": sandbox.api_key, "endpoint": sandbox.url, "users": users, "include_profiles": True}
    (tmp_path / "stop.json").write_text(json.dumps(config))
    catalog = tmp_path / "catalog.json"
    run_tap("users", "segment_members", options=("--test=schema",))  # writes the catalog
    command = [sys.executable, "-m", "tap_braze", "--config", str(tmp_path / "stop.json"), "--catalog", str(catalog)]
    output = tmp_path / "output"
    with output.open("w") as stdout:
        process = subprocess.Popen(command, stdout=stdout, stderr=subprocess.PIPE, text=True)
    try:
        deadline = time.monotonic() + 40
        while segments[0] not in _exported(output) or segments[2] not in _exported(output):
            assert time.monotonic() < deadline
            assert process.poll() is None
            time.sleep(0.05)
        process.send_signal(signal.SIGTERM)
        _, stderr = process.communicate(timeout=60)  # the export that it waits for never ends
    finally:
        process.kill()
        process.wait()
    assert process.returncode == 128 + signal.SIGTERM
    assert "Traceback" not in stderr
    messages = [json.loads(line) for line in output.read_text().splitlines()]
    state = [message["value"] for message in messages if message["type"] == "STATE"][-1]
    assert sorted(state["bookmarks"]["users"]["exported"]) == sorted([segments[0], segments[2]])

    sandbox.clear_faults()
    started = len([r for r in sandbox.requests if r.path == EXPORT and r.status == 201])
    rest = run_tap("users", "segment_members", state=state, users=users)
    assert rest.exit_code == 0, rest.stderr
    assert [r.body["segment_id"] for r in sandbox.requests if r.path == EXPORT and r.status == 201][started:] == [
        segments[1]
    ]
    assert {record["segment_id"] for record in rest.records("segment_members")} == {segments[1]}
    anew = run_tap("users", state=rest.state, users=users)
    assert ids(anew) == everybody(sandbox)


def _exported(output: Path) -> list[str]:
    """The segments that the last STATE names."""
    states = [line for line in output.read_text().splitlines() if line.startswith('{"type":"STATE"')]
    found: list[str] = (
        json.loads(states[-1])["value"]["bookmarks"].get("users", {}).get("exported", []) if states else []
    )
    return found
