"""Exports of segments and of the Global Control Group: by download and into a bucket."""

from __future__ import annotations

import gzip
import io
import json
import re
import subprocess
import sys
import threading
import time
import zipfile
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, HTTPServer
from typing import TYPE_CHECKING, Any

import fsspec
import pytest
import requests
from braze_sandbox.testing import Sandbox
from moto.server import ThreadedMotoServer
from typing_extensions import override

from tests.sandbox.conftest import TODAY, Client

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

SEGMENT, CONTROL_GROUP = "/users/export/segment", "/users/export/global_control_group"
KEY = re.compile(
    r"segment-export/(?P<segment>[0-9a-f-]{36})/\d{4}-\d\d-\d\d/(?P<prefix>[0-9a-f-]{36}-\d{10})/[0-9a-f-]{36}\.(zip|gz)"
)


@contextmanager
def serving(**options: Any) -> Iterator[tuple[Sandbox, Client]]:
    given: dict[str, Any] = {"users": 60, "today": TODAY, "export_seconds": 0.02} | options
    with Sandbox(**given) as sandbox:
        client = Client(sandbox)
        yield sandbox, client
        client.close()


@pytest.fixture
def people() -> Iterator[tuple[Sandbox, Client]]:
    with serving(export_file_users=25) as both:
        yield both


def start(client: Client, segment: str, *fields: str, **body: Any) -> Any:
    """The decoded answer of an export that is not refused."""
    wanted = {"segment_id": segment, "fields_to_export": ["braze_id", *fields], **body}
    answer = client.post(SEGMENT, wanted)
    assert answer.status_code == 201, answer.text
    assert answer.json()["message"] == "success"
    return answer.json()


def fetch(url: str) -> bytes:
    """The file of an export, once it is ready."""
    until = time.monotonic() + 10
    while (answer := requests.get(url, timeout=10)).status_code == 403:
        assert time.monotonic() < until, answer.text
        time.sleep(0.01)
    assert answer.status_code == 200
    return answer.content


def unzipped(content: bytes) -> list[list[dict[str, Any]]]:
    """The users of each file of a zip."""
    with zipfile.ZipFile(io.BytesIO(content)) as archive:
        return [[json.loads(line) for line in archive.read(name).splitlines()] for name in archive.namelist()]


def exported(client: Client, segment: str, *fields: str, **body: Any) -> list[dict[str, Any]]:
    """The users of a segment, in no order."""
    files = unzipped(fetch(start(client, segment, *fields, **body)["url"]))
    return [user for file in files for user in file]


def everybody(sandbox: Sandbox) -> str:
    """The id of the segment that holds all users."""
    return next(iter(sandbox.workspace.segments))


def soon(happens: Callable[[], Any]) -> Any:
    until = time.monotonic() + 10
    while not (found := happens()):
        assert time.monotonic() < until
        time.sleep(0.005)
    return found


def objects(folder: Path) -> dict[str, bytes]:
    found = (folder / "segment-export").rglob("*.*")
    return {path.relative_to(folder).as_posix(): path.read_bytes() for path in found}


def test_a_zip_of_files_of_lines(people: tuple[Sandbox, Client]) -> None:
    sandbox, client = people
    answer = start(client, everybody(sandbox), "external_id")
    assert re.fullmatch(r"[0-9a-f-]{36}-\d{10}", answer["object_prefix"])
    files = unzipped(fetch(answer["url"]))
    assert [len(file) for file in files] == [25, 25, 10]
    told = sorted((user["braze_id"], user.get("external_id", "")) for file in files for user in file)
    assert told == sorted((user.braze_id, user.external_id or "") for user in sandbox.profiles())


PLAIN = [
    *("attributed_ad", "attributed_adgroup", "attributed_campaign", "attributed_source", "braze_id", "country"),
    *("created_at", "created_from", "dob", "email", "email_subscribe", "external_id", "first_name", "gender"),
    *("home_city", "language", "last_coordinates", "last_name", "phone", "push_opted_in_at", "push_subscribe"),
    *("random_bucket", "time_zone", "total_revenue", "uninstalled_at"),
]
NESTED = {
    "apps": {"name", "platform", "version", "sessions", "first_used", "last_used"},
    "campaigns_received": {
        *("name", "api_campaign_id", "last_received", "engaged", "converted", "multiple_converted"),
        *("variation_name", "variation_api_id", "in_control"),
    },
    "canvases_received": {
        *("name", "api_canvas_id", "variation_name", "last_received_message", "last_entered", "last_exited"),
        *("last_entered_control_at", "in_control", "steps_received"),
    },
    "cards_clicked": {"name"},
    "custom_events": {"name", "first", "last", "count"},
    "devices": {
        *("model", "os", "carrier", "idfv", "idfa", "device_id", "google_ad_id", "roku_ad_id", "ad_tracking_enabled"),
    },
    "purchases": {"name", "first", "last", "count"},
    "push_tokens": {"app", "platform", "token", "device_id", "notifications_enabled", "provisionally_opted_in"},
    "user_aliases": {"alias_name", "alias_label"},
}


SHOWN_EMPTY = ("user_aliases", "total_revenue")


@pytest.mark.parametrize("seed", ["small", "demo"])
def test_every_field_that_braze_knows_is_there_and_none_is_empty(seed: str) -> None:
    with serving(seed=seed) as (sandbox, client):
        users = exported(client, everybody(sandbox), *PLAIN, *NESTED, "custom_attributes")
    assert {name for user in users for name in user} == {*PLAIN, *NESTED, "custom_attributes"}
    for name, inner in NESTED.items():
        assert {key for user in users for row in user.get(name, ()) for key in row} == inner, name
    assert not [
        name
        for user in users
        for name, value in user.items()
        if value in (None, [], {}, "") and name not in SHOWN_EMPTY
    ]
    kinds = {(name, type(value)) for user in users for name, value in user.get("custom_attributes", {}).items()}
    assert {kind for _, kind in kinds} == {str, int, float, bool, list, dict}
    assert {("legacy_score", int), ("legacy_score", str)} <= kinds
    assert any("external_id" not in user and not user["user_aliases"] for user in users)
    assert any("external_id" not in user and user["user_aliases"] for user in users)


def test_both_exports_show_the_same_users(people: tuple[Sandbox, Client]) -> None:
    sandbox, client = people
    body = {"external_ids": ["user-007"], "fields_to_export": [*PLAIN, *NESTED, "custom_attributes"]}
    (by_id,) = client.post("/users/export/ids", body).json()["users"]
    users = exported(client, everybody(sandbox), *PLAIN, *NESTED, "custom_attributes")
    assert by_id == next(user for user in users if user.get("external_id") == "user-007")
    (device,) = by_id["devices"]
    found = client.post("/users/export/ids", {"device_id": device["device_id"], "fields_to_export": ["external_id"]})
    assert found.json()["users"] == [{"external_id": "user-007"}]


def test_what_is_written_adds_to_what_was_seen_before(people: tuple[Sandbox, Client]) -> None:
    sandbox, client = people
    sandbox.workspace.segments[everybody(sandbox)].members = {"user-001"}
    fields = ("custom_events", "purchases", "total_revenue")
    (before,) = exported(client, everybody(sandbox), *fields)
    (event,), (bought,) = before["custom_events"], before["purchases"]
    at = "2026-03-20T10:00:00.000Z"
    client.track(
        events=[{"external_id": "user-001", "name": event["name"], "time": at}],
        purchases=[
            {"external_id": "user-001", "product_id": product, "currency": "EUR", "price": 2, "quantity": 2, "time": at}
            for product in (bought["name"], "new")
        ],
    )
    (after,) = exported(client, everybody(sandbox), *fields)
    assert after["custom_events"] == [event | {"count": event["count"] + 1, "last": at}]
    assert after["purchases"] == [
        bought | {"count": bought["count"] + 2, "last": at},
        {"name": "new", "first": at, "last": at, "count": 2},
    ]
    assert after["total_revenue"] == before["total_revenue"] + 8


def test_a_download_is_a_zip_whatever_the_format(people: tuple[Sandbox, Client]) -> None:
    sandbox, client = people
    assert len(exported(client, everybody(sandbox), output_format="gzip")) == 60


def test_custom_attributes_by_name_or_all(people: tuple[Sandbox, Client]) -> None:
    sandbox, client = people
    sandbox.workspace.segments[everybody(sandbox)].members = {"user-001"}
    named = {"custom_attributes_to_export": ["plan", "joined_at", "nothing"]}
    (user,) = exported(client, everybody(sandbox), **named)
    assert user["custom_attributes"] == {"joined_at": "2024-02-02T08:00:00.000Z", "plan": "plus"}
    (user,) = exported(client, everybody(sandbox), "custom_attributes", **named)
    assert user["custom_attributes"].keys() > {"plan", "orders"}
    (user,) = exported(client, everybody(sandbox), custom_attributes_to_export=["nothing"])
    assert user.keys() == {"braze_id"}


@pytest.mark.parametrize(
    ("path", "body", "text"),
    [
        (SEGMENT, {}, "Segment"),
        (SEGMENT, {"segment_id": "unknown"}, "Segment"),
        (SEGMENT, {"segment_id": ["a"]}, "Segment"),
        (SEGMENT, {"fields_to_export": None}, "fields_to_export"),
        (SEGMENT, {"fields_to_export": []}, "fields_to_export"),
        (SEGMENT, {"fields_to_export": ["nonsense"]}, "nonsense"),
        (SEGMENT, {"custom_attributes_to_export": "plan"}, "custom_attributes_to_export"),
        (SEGMENT, {"custom_attributes_to_export": [f"a{n}" for n in range(501)]}, "500"),
        (SEGMENT, {"output_format": "csv"}, "output_format"),
        (SEGMENT, {"callback_endpoint": "ftp://here"}, "callback_endpoint"),
        (CONTROL_GROUP, {"fields_to_export": None}, "fields_to_export"),
        (CONTROL_GROUP, {"output_format": "csv"}, "output_format"),
    ],
)
def test_bad_requests(sandbox: Sandbox, client: Client, path: str, body: dict[str, Any], text: str) -> None:
    good = {"segment_id": everybody(sandbox), "fields_to_export": ["braze_id"]} if body else {}
    answer = client.post(path, good | body)
    assert answer.status_code == 400
    assert text in answer.text


def test_one_export_of_a_segment_at_a_time() -> None:
    with serving(export_seconds=60) as (sandbox, client):
        first, second = list(sandbox.workspace.segments)[:2]
        start(client, first)
        refused = client.post(SEGMENT, {"segment_id": first, "fields_to_export": ["braze_id"]})
        assert refused.status_code == 429
        assert "already running" in refused.text
        assert int(refused.headers["x-ratelimit-remaining"]) > 0
        start(client, second)
        sandbox.reset()
        start(client, first)


def test_a_hundred_exports_at_a_time(tmp_path: Path) -> None:
    (tmp_path / "segments.json").write_text(json.dumps({f"s-{number}": [] for number in range(101)}))
    with serving(export_seconds=60, data=tmp_path) as (_, client):
        for number in range(100):
            start(client, f"s-{number}")
        assert client.post(SEGMENT, {"segment_id": "s-100", "fields_to_export": ["braze_id"]}).status_code == 429


def test_a_finished_export_makes_room_for_the_next(people: tuple[Sandbox, Client]) -> None:
    sandbox, client = people
    for _ in range(3):
        fetch(start(client, everybody(sandbox))["url"])


def test_the_url_is_not_valid_before_the_export_is_ready() -> None:
    with serving(export_seconds=60) as (sandbox, client):
        answer = requests.get(start(client, everybody(sandbox))["url"], timeout=5)
    assert answer.status_code == 403
    assert answer.headers["content-type"] == "application/xml"
    assert "<Code>AccessDenied</Code>" in answer.text
    assert "x-ratelimit-limit" not in answer.headers


def test_the_url_takes_no_key_and_no_other_signature(people: tuple[Sandbox, Client]) -> None:
    sandbox, client = people
    url = start(client, everybody(sandbox))["url"]
    fetch(url)
    assert sandbox.violations == []
    refused = requests.get(url, headers={"Authorization": f"Bearer {sandbox.api_key}"}, timeout=5)
    assert refused.status_code == 400
    assert "Only one auth mechanism allowed" in refused.text
    (violation,) = sandbox.violations
    assert "API key was sent to a download URL" in violation["reason"]
    for other in (url[:-1] + ("0" if url[-1] != "0" else "1"), url.partition("?")[0]):
        assert requests.get(other, timeout=5).status_code == 403


def test_the_url_expires() -> None:
    with serving(export_url_seconds=0) as (sandbox, client):
        url = start(client, everybody(sandbox))["url"]
        soon(lambda: "<Code>ExpiredToken</Code>" in requests.get(url, timeout=5).text)
        assert requests.get(url, timeout=5).status_code == 403


def test_downloads_are_recorded_and_meet_faults(people: tuple[Sandbox, Client]) -> None:
    sandbox, client = people
    url = start(client, everybody(sandbox))["url"]
    whole = fetch(url)
    assert {(one.method, one.status) for one in sandbox.requests if one.path.startswith("/sandbox/exports/")} >= {
        ("GET", 200)
    }
    sandbox.fault(path="/sandbox/exports/*", do="drop_during", times=1)
    half = len(whole) // 2
    with pytest.raises(requests.exceptions.ChunkedEncodingError, match=rf"IncompleteRead\({half} bytes read"):
        requests.get(url, timeout=5)
    assert fetch(url) == whole


def test_a_download_can_be_gone_on_with(people: tuple[Sandbox, Client]) -> None:
    sandbox, client = people
    url = start(client, everybody(sandbox))["url"]
    whole = fetch(url)
    for asked, told, content in [
        ("bytes=10-", f"bytes 10-{len(whole) - 1}/{len(whole)}", whole[10:]),
        ("bytes=10-19", f"bytes 10-19/{len(whole)}", whole[10:20]),
    ]:
        part = requests.get(url, headers={"Range": asked}, timeout=5)
        assert (part.status_code, part.headers["content-range"], part.content) == (206, told, content)
    assert requests.get(url, headers={"Range": f"bytes={len(whole)}-"}, timeout=5).status_code == 416
    assert requests.get(url, headers={"Range": "lines=1-"}, timeout=5).content == whole


@pytest.mark.parametrize("form", ["zip", "gzip"])
def test_objects_in_a_folder(tmp_path: Path, form: str) -> None:
    with serving(export_to=str(tmp_path), export_file_users=25) as (sandbox, client):
        answer = start(client, everybody(sandbox), output_format=form)
        assert answer.keys() == {"message", "object_prefix"}
        soon(lambda: len(objects(tmp_path)) == 3)
        found = objects(tmp_path)
        told = {user.braze_id for user in sandbox.profiles()}
    for key in found:
        match = KEY.fullmatch(key)
        assert match, key
        assert (match["segment"], match["prefix"], match[3]) == (
            everybody(sandbox),
            answer["object_prefix"],
            "gz" if form == "gzip" else "zip",
        )
    users: list[dict[str, Any]] = []
    for content in found.values():
        if form == "gzip":
            users += map(json.loads, gzip.decompress(content).splitlines())
        else:
            (file,) = unzipped(content)
            users += file
    assert len(users) == len(told)
    assert {user["braze_id"] for user in users} == told


def test_objects_come_one_by_one(tmp_path: Path) -> None:
    with serving(export_to=str(tmp_path), export_file_users=1, export_seconds=30) as (sandbox, client):
        start(client, everybody(sandbox))
        soon(lambda: objects(tmp_path))
        assert len(objects(tmp_path)) < 60
        body = {"segment_id": everybody(sandbox), "fields_to_export": ["braze_id"]}
        assert client.post(SEGMENT, body).status_code == 429


def test_objects_in_an_s3_bucket() -> None:
    server = ThreadedMotoServer(port=0)
    server.start()
    try:
        host, port = server.get_host_and_port()
        storage = {"endpoint_url": f"http://{host}:{port}", "key": "a", "secret": "b"}
        s3 = fsspec.filesystem("s3", **storage)
        s3.mkdir("sandbox-exports")
        with serving(export_to="s3://sandbox-exports/braze/", export_storage=storage, export_file_users=25) as (
            sandbox,
            client,
        ):
            start(client, everybody(sandbox))
            found = soon(lambda: keys if len(keys := s3.find("sandbox-exports", refresh=True)) == 3 else None)
        assert all(KEY.fullmatch(key.removeprefix("sandbox-exports/braze/")) for key in found)
    finally:
        server.stop()


@pytest.mark.parametrize("kind", ["file", "s3"])
def test_a_bucket_that_cannot_be_written_is_told(tmp_path: Path, kind: str) -> None:
    file = tmp_path / "file"
    file.touch()
    storage: dict[str, Any] = {}
    if kind == "s3":
        storage = {"endpoint_url": "http://127.0.0.1:1", "key": "id", "secret": "hidden"}
        storage["config_kwargs"] = {"retries": {"max_attempts": 0}}
    with serving(export_to="s3://exports" if storage else str(file), export_storage=storage) as (sandbox, client):
        start(client, everybody(sandbox))
        (violation,) = soon(lambda: sandbox.violations)
        assert violation["reason"].startswith("an export failed: ")
        assert "hidden" not in str(violation)
        body = {"segment_id": everybody(sandbox), "fields_to_export": ["braze_id"]}
        soon(lambda: client.post(SEGMENT, body).status_code == 201)


@pytest.mark.parametrize("cloud", [False, True])
def test_an_export_that_fails_is_never_ready_and_makes_room(tmp_path: Path, cloud: bool) -> None:  # noqa: FBT001
    to = str(tmp_path) if cloud else None
    with serving(export_to=to, export_file_users=10) as (sandbox, client):
        sandbox.fault(path=SEGMENT, do="export_fails", times=1)
        url = start(client, everybody(sandbox)).get("url")
        body = {"segment_id": everybody(sandbox), "fields_to_export": ["braze_id"]}
        again = soon(lambda: answer if (answer := client.post(SEGMENT, body)).status_code == 201 else None).json()
        if cloud:
            soon(lambda: len(objects(tmp_path)) == 3 + 6)
        else:
            assert url
            fetch(again["url"])
            assert requests.get(url, timeout=5).status_code == 403


def test_a_truncated_zip(people: tuple[Sandbox, Client]) -> None:
    sandbox, client = people
    sandbox.fault(path=SEGMENT, do="export_truncated")
    with pytest.raises(zipfile.BadZipFile):
        unzipped(fetch(start(client, everybody(sandbox))["url"]))


def test_a_truncated_object(tmp_path: Path) -> None:
    with serving(export_to=str(tmp_path), export_file_users=25) as (sandbox, client):
        sandbox.fault(path=SEGMENT, do="export_truncated")
        start(client, everybody(sandbox), output_format="gzip")
        soon(lambda: len(objects(tmp_path)) == 3)
    assert sorted(map(readable, objects(tmp_path).values())) == [False, True, True]


def readable(content: bytes) -> bool:
    try:
        gzip.decompress(content)
    except EOFError:
        return False
    return True


def test_a_broken_line(people: tuple[Sandbox, Client]) -> None:
    sandbox, client = people
    sandbox.fault(path=SEGMENT, do="export_bad_line")
    with zipfile.ZipFile(io.BytesIO(fetch(start(client, everybody(sandbox))["url"]))) as archive:
        first, *others = [archive.read(name).splitlines() for name in archive.namelist()]
    broken, *good = first
    with pytest.raises(ValueError, match=r"Unterminated string|Expecting"):
        json.loads(broken)
    assert all(json.loads(line) for file in (good, *others) for line in file)
    assert len(first) == 25


def test_the_control_group(people: tuple[Sandbox, Client]) -> None:
    sandbox, client = people
    group = sandbox.workspace.control_group
    assert group
    group.members = {"user-001", "user-002"}
    body = {"fields_to_export": ["external_id", "push_tokens", "created_from", "devices"]}
    users = unzipped(fetch(client.post(CONTROL_GROUP, body).json()["url"]))[0]
    assert {user["external_id"] for user in users} == {"user-001", "user-002"}
    assert {name for user in users for name in user} == {"external_id", "devices"}
    assert sandbox.violations == []
    assert client.post(CONTROL_GROUP, body | {"custom_attributes_to_export": ["plan"]}).status_code == 201
    assert {violation["path"] for violation in sandbox.violations} == {"custom_attributes_to_export"}
    sandbox.workspace.control_group = None
    assert client.post(CONTROL_GROUP, body).status_code == 400


def test_segments_have_their_share_of_all_users(people: tuple[Sandbox, Client]) -> None:
    sandbox, client = people
    sizes = [len(exported(client, segment)) for segment in sandbox.workspace.segments]
    assert sizes[0] == 60
    assert sizes[0] > sizes[1] > sizes[2] > 0
    first, second = list(sandbox.workspace.segments)[:2]
    members = {user["braze_id"] for user in exported(client, second)}
    client.track(attributes=[{"external_id": "new", "plan": "plus"}])
    assert members <= {user["braze_id"] for user in exported(client, second)}
    assert len(exported(client, first)) == 61


def test_a_segment_without_users_has_a_file_without_lines(sandbox: Sandbox, client: Client) -> None:
    assert unzipped(fetch(start(client, everybody(sandbox))["url"])) == [[]]


def test_the_data_directory_says_who_is_in_a_segment(tmp_path: Path) -> None:
    path = tmp_path / "segments.json"
    path.write_text(json.dumps({"vips": ["user-003", "user-004", "nobody"]}))
    for _ in ("planted", "read back"):
        with serving(data=tmp_path) as (_, client):
            users = exported(client, "vips", "external_id", "devices", "custom_events")
            assert {user["external_id"] for user in users} == {"user-003", "user-004"}
            assert all(user["devices"] for user in users)
            assert "vips" in {segment["id"] for segment in client.get("/segments/list").json()["segments"]}


@pytest.mark.parametrize("text", ["{", "[]", '{"vips": "user-003"}', '{"vips": [3]}'])
def test_a_file_of_segments_that_is_none(tmp_path: Path, text: str) -> None:
    (tmp_path / "segments.json").write_text(text)
    with pytest.raises(ValueError, match=r"segments\.json"):
        Sandbox(data=tmp_path)


def test_the_callback_says_that_it_is_ready() -> None:
    bodies: list[Any] = []

    class Listener(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            bodies.append(json.loads(self.rfile.read(int(self.headers["Content-Length"]))))
            self.send_response(200)
            self.end_headers()

        @override
        def log_message(self, *_: object) -> None: ...

    with HTTPServer(("127.0.0.1", 0), Listener) as listener, serving() as (sandbox, client):
        thread = threading.Thread(target=listener.handle_request)
        thread.start()
        here = f"http://127.0.0.1:{listener.server_port}/done"
        url = start(client, everybody(sandbox), callback_endpoint=here)["url"]
        thread.join(10)
    assert bodies == [{"success": True, "url": url}]


COMMAND = [sys.executable, "-c", "from braze_sandbox.cli import main; main()", "serve", "--port", "0"]


def test_the_command_exports_into_a_folder(tmp_path: Path) -> None:
    options = ["--seed", "small", "--users", "5", "--export-file-users", "2", "--export-to", str(tmp_path)]
    with subprocess.Popen([*COMMAND, *options], stdout=subprocess.PIPE, text=True) as process:
        try:
            assert process.stdout
            url = process.stdout.readline().split(" on ")[1].split()[0]
            key = {"Authorization": "Bearer sandbox-key"}
            segment = requests.get(f"{url}/segments/list", headers=key, timeout=5).json()["segments"][0]["id"]
            body = {"segment_id": segment, "fields_to_export": ["braze_id"]}
            assert requests.post(url + SEGMENT, json=body, headers=key, timeout=5).status_code == 201
            soon(lambda: len(objects(tmp_path)) == 3)
        finally:
            process.terminate()


@pytest.mark.parametrize(
    ("options", "text"),
    [
        (["--export-to", "nowhere://a"], "exports cannot go there: Protocol not known: nowhere"),
        (["--export-storage", '["secret"]'], "not a JSON object"),
        (["--export-file-users", "0"], "at least 1"),
        (["--users", "-1"], "at least 1"),
    ],
)
def test_options_that_cannot_be(options: list[str], text: str) -> None:
    done = subprocess.run([*COMMAND, *options], capture_output=True, text=True, timeout=10, check=False)
    assert done.returncode
    assert text in done.stderr
    assert "Traceback" not in done.stderr
    assert "secret" not in done.stderr.replace('"secret": …', "")
