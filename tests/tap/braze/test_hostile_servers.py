"""Servers that drip or unpack into gigabytes: reads and downloads end in time, and their memory is bounded."""

from __future__ import annotations

import gzip
import json
import os
import signal
import subprocess
import sys
import zipfile
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tap_braze.exports import decoder, user_exports
from tap_braze.storage import without_credentials
from tap_braze.streams import STREAMS

from tests.support.hostile import DRIPS, Hostile, whole
from tests.tap.support.singer import catalog_of, wait_for

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    RunTap = Callable[..., Any]

# Braze counts these together: https://www.braze.com/docs/api/api_limits/ and the notice on their own pages.
SLOW = {
    "/events",
    "/events/list",
    "/custom_attributes",
    "/purchases/product_list",
    "/purchases/quantity_series",
    "/purchases/revenue_series",
}
KEY = "6d9f1a34-55c2-4e7b-9a0c-secret"
SEGMENT = "segment-1"
# Text that does not compress, so that the file is long enough to break off in.
PROFILES = "".join(
    json.dumps({"braze_id": f"b-{n}", "home_city": os.urandom(500).hex()}) + "\n" for n in range(300)
).encode()
SETTINGS: dict[str, Any] = {
    "users": {"segment_ids": [SEGMENT], "export_timeout": 5},
    "include_profiles": True,
    "api_key": KEY,
}


def braze(download: Callable[[str], Iterator[bytes]]) -> Hostile:
    """Braze with one segment, whose export is on the same server."""
    server: Hostile

    def answer(request: str) -> Iterator[bytes]:
        if "/users/export/segment" in request:
            yield whole("200 OK", json.dumps({"message": "success", "url": f"{server.url}/file.zip"}).encode())
        elif "/segments/list" in request:
            yield whole("200 OK", b'{"segments": [{"id": "segment-1", "name": "all"}], "message": "success"}')
        else:
            yield from download(request)

    server = Hostile(answer)
    return server


def downloads(server: Hostile) -> int:
    return sum("/file.zip" in request for request in server.requests)


@pytest.mark.parametrize("headers", [True, False], ids=["headers", "body"])
def test_a_download_that_drips_is_broken_off_and_taken_up_again(run_tap: RunTap, *, headers: bool) -> None:
    packed = gzip.compress(PROFILES)

    def download(_: str) -> Iterator[bytes]:
        if downloads(server) > 1:
            yield whole("200 OK", packed)
        elif headers:
            yield b"HTTP/1.1 200 OK\r\n"
            yield from server.drip(b"x-filler: something\r\n")
        else:
            yield b"HTTP/1.1 200 OK\r\ncontent-length: %d\r\n\r\n" % len(packed) + packed[:100]
            yield from server.drip(packed[100:])

    with braze(download) as server:
        run = run_tap("users", endpoint=server.url, request_timeout=0.5, **SETTINGS)
        assert run.exit_code == 0, run.stderr
        assert [record["braze_id"] for record in run.records("users")] == [f"b-{n}" for n in range(300)]
        assert downloads(server) == 2


def test_a_download_that_always_drips_is_given_up(run_tap: RunTap, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(user_exports, "_BREAKS", 2)

    def download(_: str) -> Iterator[bytes]:
        yield b"HTTP/1.1 200 OK\r\n\r\n"
        yield from server.drip(gzip.compress(PROFILES))

    with braze(download) as server:
        run = run_tap("users", endpoint=server.url, request_timeout=0.3, **SETTINGS)
    assert run.exit_code == 1
    assert "the download broke off 2 times" in run.errors[0]
    assert "too slow" in run.stderr


@pytest.mark.parametrize("packed", ["gzip", "zip"])
def test_a_line_that_does_not_end_is_one_error(
    run_tap: RunTap, monkeypatch: pytest.MonkeyPatch, tmp_path: Path, packed: str
) -> None:
    monkeypatch.setattr(decoder, "_MOST_LINE", 1_000_000)
    bomb = bytes(50_000_000)
    if packed == "zip":
        path = tmp_path / "bomb.zip"
        with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as file:
            file.writestr("bomb.txt", bomb)
        content = path.read_bytes()
    else:
        content = gzip.compress(bomb)
    with braze(lambda _: iter([whole("200 OK", content)])) as server:
        run = run_tap("users", endpoint=server.url, **SETTINGS)
    assert run.exit_code == 1
    assert "line 1 does not end in 1 MB" in run.errors[0]


@pytest.mark.parametrize("where", ["/campaigns/list", "/file.zip"])
def test_a_signal_ends_the_run_though_a_server_drips(where: str, tmp_path: Path) -> None:
    """In a process of its own, with the timeouts of a user, which are longer than any server drips here."""

    def download(_: str) -> Iterator[bytes]:
        yield b"HTTP/1.1 200 OK\r\n"
        yield from server.drip(b"x-filler: something\r\n")

    with braze(download) as server:
        stream = "users" if where == "/file.zip" else "campaigns"
        settings = {"endpoint": server.url, "request_timeout": 600, "start_date": "2026-01-01", **SETTINGS}
        (tmp_path / "config.json").write_text(json.dumps(settings))
        (tmp_path / "catalog.json").write_text(json.dumps(catalog_of(settings, (stream,))))
        command = [sys.executable, "-m", "tap_braze", "--config", "config.json", "--catalog", "catalog.json"]
        process = subprocess.Popen(command, cwd=tmp_path, stdout=subprocess.PIPE, stderr=subprocess.PIPE)
        wait_for(lambda: any(where in request for request in server.requests))
        process.send_signal(signal.SIGTERM)
        _, said = process.communicate(timeout=40)
        assert process.returncode == 128 + signal.SIGTERM, said
        assert server.drips < DRIPS
    assert b"Traceback" not in said


def test_what_braze_counts_together_shares_a_window() -> None:
    slow = {stream.pool for stream in STREAMS if stream.path in SLOW}
    assert {stream.path for stream in STREAMS} >= SLOW
    assert len(slow) == 1
    assert not slow & {stream.pool for stream in STREAMS if stream.path not in SLOW}


def test_deep_nesting_is_no_answer_and_no_traceback(run_tap: RunTap, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("time.sleep", lambda _: None)
    with Hostile(lambda _: iter([whole("200 OK", b"[" * 500_000)])) as server:
        run = run_tap("segments", endpoint=server.url, api_key=KEY)
    assert run.exit_code == 1
    assert "no 'segments' in the answer" in run.errors[0]


def test_what_braze_adds_to_an_answer_is_shown_without_the_key(run_tap: RunTap) -> None:
    body = {"segments": [], "errors": [f"{KEY} of jane.doe@example.com"], "message": "success"}
    with Hostile(lambda _: iter([whole("200 OK", json.dumps(body).encode())])) as server:
        run = run_tap("segments", endpoint=server.url, api_key=KEY)
    assert run.exit_code == 0, run.stderr
    assert "*** of <email>" in run.stderr


@pytest.mark.parametrize(
    "url",
    [
        "ftp://jane:pa55word@127.0.0.1:1/currents",
        "ftp://jane:pa55%77ord@127.0.0.1:1/currents",
        "nothing://jane:pa55word/@bucket/currents",
        "https://127.0.0.1:1/currents?token=pa55word",
    ],
)
def test_credentials_in_the_url_of_a_bucket_are_not_shown(url: str, cli: Callable[..., Any], tmp_path: Path) -> None:
    config = tmp_path / "config.json"
    config.write_text(json.dumps({"api_key": KEY, "endpoint": "US-01", "currents": {"url": url}}))
    run = cli(["--config", str(config), "--discover"])
    assert "setting 'currents.url'" in run.stderr
    assert "pa55" not in run.stdout + run.stderr


@given(st.text("abc/@:?%", min_size=4), st.text("xyz", min_size=1))
def test_of_a_url_the_bucket_is_shown_and_no_password(password: str, bucket: str) -> None:
    shown = without_credentials(f"s3://key:{password}@{bucket}/folder?token=no")
    assert shown == f"s3://{bucket}/folder"


@pytest.mark.parametrize("levels", [300, 900, 950, 985, 100_000])
def test_an_answer_nested_too_deep_costs_one_parent(
    levels: int, run_tap: RunTap, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("time.sleep", lambda _: None)
    campaigns = [{"id": each, "name": each} for each in ("c-1", "c-2", "c-3")]
    deep = b'{"a":' * levels + b"1" + b"}" * levels

    def answer(request: str) -> Iterator[bytes]:
        row = deep if "campaign_id=c-2" in request else b"{}"
        if "/campaigns/list" in request:
            yield whole("200 OK", json.dumps({"campaigns": campaigns, "message": "success"}).encode())
        else:
            yield whole("200 OK", b'{"message": "success", "data": [{"time": "2026-06-30", "messages": %s}]}' % row)

    with Hostile(answer) as server:
        run = run_tap("campaigns_analytics", endpoint=server.url, api_key=KEY, start_date="2026-06-01", concurrency=2)
    read = {record["campaign_id"] for record in run.records("campaigns_analytics")}
    assert read >= {"c-1", "c-3"}
    if "c-2" in read:  # what this Python can write is not lost
        assert levels < 100_000
        assert run.exit_code == 0, run.stderr
    else:
        assert levels > 300
        assert run.exit_code == 1
        assert "'c-2' failed" in run.errors[0]
        assert "Everything else was read" in run.errors[0]
