"""`--test`: what the key may do for the mapping, found out without sending anything."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import threading
import time
from email.utils import formatdate
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
import yaml
from target_braze.mapping.kinds import KINDS
from typing_extensions import override

from tests.target.support.singer import TEXT, Run, customers, run_cli

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from braze_sandbox.testing import Sandbox

EVERYTHING: dict[str, Any] = {
    "streams": {
        **{kind: {"to": kind} for kind in KINDS},
        "people": {"on_delete": "delete_user"},
        "parts": {"to": "catalog_items", "catalog": {"partial": True}},
        "old ids": {"to": "external_ids", "external_ids": {"remove": "id"}},
    },
    "preflight": True,
    "ledger_path": "ledger.db",
    "ledger_verify": 10,
}
# As documented: https://www.braze.com/docs/api/basics/#rest-api-key, and the pages of the endpoints.
PERMISSIONS = {
    "users.track",
    "users.delete",
    "users.alias.new",
    "users.alias.update",
    "users.identify",
    "users.merge",
    "users.external_ids.rename",
    "users.external_ids.remove",
    "users.export.ids",
    "subscription.status.set",
    "email.status",
    "email.blacklist",
    "email.bounce.remove",
    "email.spam.remove",
    "sms.invalid_phone_numbers.remove",
    "catalogs.get",
    "catalogs.get_items",
    "catalogs.create",
    "catalogs.create_fields",
    "catalogs.replace_items",
    "catalogs.update_items",
    "catalogs.delete_items",
    "catalogs.create_selection",
    "catalogs.delete_fields",
    "catalogs.delete",
    "campaigns.trigger.send",
    "canvas.trigger.send",
    "transactional.send",
    "cdi.integration_sync",
    "sends.id.create",
    "campaigns.trigger.schedule.update",
    "canvas.trigger.schedule.update",
    "messages.schedule.update",
    "data_objects.read",
    "data_objects.bulk_upsert",
    "data_objects.user_relationships.bulk_upsert",
    "data_objects.object_relationships.bulk_upsert",
    "campaigns.translations.update",
    "canvas.translations.update",
    "templates.translations.update",
    "content_blocks.translations.update",
    "preference_center.list",
    "preference_center.get",
    "preference_center.update",
    "content_blocks.list",
    "content_blocks.info",
    "content_blocks.create",
    "content_blocks.update",
    "templates.email.list",
    "templates.email.info",
    "templates.email.create",
    "templates.email.update",
    "custom_attributes.get",
}


@pytest.fixture
def check(sandbox: Sandbox, tmp_path: Path) -> Callable[..., Run]:
    def check(*, expect: int = 0, **settings: Any) -> Run:
        path = tmp_path / "config.json"
        path.write_text(json.dumps({"api_key": sandbox.api_key, "endpoint": sandbox.url, **settings}))
        run = run_cli(["--config", str(path), "--test"], secret=settings.get("api_key", sandbox.api_key))
        assert run.exit_code == expect, run.stderr
        return run

    return check


def permissions(run: Run) -> dict[str, str]:
    found = dict(line.split(maxsplit=1) for line in run.stdout.splitlines() if not line.startswith("the API key"))
    assert {"host", "clock"} <= found.keys()
    return {name: text for name, text in found.items() if name not in {"host", "clock"}}


def test_without_streams_it_needs_to_track(check: Callable[..., Run], sandbox: Sandbox) -> None:
    run = check()
    assert run.stdout == (
        f"host         {sandbox.url} answers\n"
        "clock        agrees with Braze's\n"
        "users.track  permitted\n"
        "the API key has all 1 permissions that the settings need\n"
    )


def test_every_permission_of_the_mapping_is_checked_without_an_effect(
    check: Callable[..., Run], sandbox: Sandbox, run_target: Callable[..., Run]
) -> None:
    run_target(customers({"external_id": "c-1", "plan": "gold"}, plan=TEXT))
    already = len(sandbox.requests)
    found = permissions(check(**EVERYTHING))
    assert found.keys() == PERMISSIONS
    assert {*found.values()} == {"permitted"}
    sandbox.settle()
    assert [(one.external_id, one.custom_attributes) for one in sandbox.profiles()] == [("c-1", {"plan": "gold"})]
    assert not sandbox.workspace.catalogs
    assert len(sandbox.requests) - already == len(PERMISSIONS)
    assert not any(request.body for request in sandbox.requests[already:])


@pytest.mark.parametrize("fifth", range(5))
def test_all_that_is_missing_is_named(fifth: int, check: Callable[..., Run], sandbox: Sandbox) -> None:
    missing = {*sorted(PERMISSIONS)[fifth::5]}
    sandbox.add_key("limited", sorted(PERMISSIONS - missing))
    run = check(api_key="limited", expect=1, **EVERYTHING)
    assert {name for name, text in permissions(run).items() if text != "permitted"} == missing
    assert all(text.startswith("lacking (HTTP 403: ") for text in permissions(run).values() if text != "permitted")
    (error,) = run.errors
    assert f"the API key lacks {len(missing)} of the {len(PERMISSIONS)} permissions" in error
    assert all(name in error for name in missing)


@pytest.mark.parametrize(
    ("settings", "expected"),
    [
        ({"track_endpoint": "bulk"}, {"users.track.bulk"}),
        ({"streams": {"*": {"on_delete": "unset"}, "public-events": {}}}, {"users.track"}),
        ({"streams": {"s": {"on_delete": "delete_user"}}}, {"users.track", "users.delete"}),
        ({"streams": {"s": {"to": "email_hygiene", "operation": "remove_spam"}}}, {"email.spam.remove"}),
        ({"streams": {"s": {"to": "external_ids"}}}, {"users.external_ids.rename"}),
        (
            {"streams": {"s": {"to": "content_blocks"}}},
            {f"content_blocks.{name}" for name in ("list", "info", "create", "update")},
        ),
        (
            {"streams": {"s": {"to": "catalog_items", "catalog": {"partial": True}}}},
            {"catalogs.get", "catalogs.create_fields", "catalogs.update_items"},
        ),
        (
            {"streams": {"s": {"to": "catalog_items", "on_delete": "nothing"}}},
            {"catalogs.get", "catalogs.create", "catalogs.create_fields", "catalogs.replace_items"},
        ),
        ({"preflight": "true", "dry_run": True}, {"users.track", "custom_attributes.get"}),
    ],
)
def test_only_what_the_settings_need_is_checked(
    settings: dict[str, Any], expected: set[str], check: Callable[..., Run], sandbox: Sandbox
) -> None:
    sandbox.add_key("exact", sorted(expected))
    assert permissions(check(api_key="exact", **settings)).keys() == expected


def test_a_wrong_key_is_named_and_never_shown(check: Callable[..., Run]) -> None:
    (error,) = check(api_key="not-the-key", expect=1, **EVERYTHING).errors
    assert "HTTP 401" in error
    assert "check settings 'api_key' and 'endpoint'" in error


def test_it_needs_a_key_even_before_a_dry_run(tmp_path: Path) -> None:
    path = tmp_path / "config.json"
    path.write_text(json.dumps({"dry_run": True}))
    run = run_cli(["--test", "--config", str(path)])
    assert run.exit_code != 0
    assert "api_key" in run.stderr + str(run.exception)


@pytest.mark.parametrize("command", ["explain", "ledger", "erase"])
def test_it_is_not_ignored_before_a_command(command: str) -> None:
    run = run_cli(["--test", command])
    assert run.exit_code == 2
    assert f"--test does not go with the command {command}" in run.stderr


class _Braze(BaseHTTPRequestHandler):
    """Refuses everything like Braze, at another time; with `page`, like another web server."""

    seconds = 0.0
    page = b""

    def do_POST(self) -> None:
        self.rfile.read(int(self.headers["Content-Length"]))
        body = self.page or b'{"message": "Valid data must be provided"}'
        self.send_response_only(404 if self.page else 400)
        self.send_header("Date", formatdate(time.time() + self.seconds, usegmt=True))
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    @override
    def log_message(self, *_: Any) -> None:
        """Log nothing."""


@pytest.fixture
def serve() -> Iterator[Callable[..., str]]:
    servers: list[ThreadingHTTPServer] = []

    def serve(**attributes: Any) -> str:
        server = ThreadingHTTPServer(("127.0.0.1", 0), type("Handler", (_Braze,), attributes))
        servers.append(server)
        threading.Thread(target=server.serve_forever, args=(0.01,), daemon=True).start()
        return f"http://127.0.0.1:{server.server_port}"

    yield serve
    for server in servers:
        server.shutdown()
        server.server_close()


@pytest.mark.parametrize(
    ("seconds", "text"), [(0, "agrees with Braze's"), (3600, "s behind Braze's"), (-3600, "s ahead of Braze's")]
)
def test_the_clocks_are_compared(seconds: int, text: str, serve: Callable[..., str], check: Callable[..., Run]) -> None:
    assert text in check(endpoint=serve(seconds=seconds)).stdout


def test_another_web_server_is_not_taken_for_braze(serve: Callable[..., str], check: Callable[..., Run]) -> None:
    (error,) = check(endpoint=serve(page=b"<h1>Not found</h1>"), expect=1).errors
    assert "Check that setting 'endpoint' is a host of Braze's REST API" in error


def test_it_works_through_meltano(sandbox: Sandbox, tmp_path: Path) -> None:
    binaries = Path(sys.executable).parent
    loader = {
        "name": "target-braze",
        "namespace": "target_braze",
        "executable": str(binaries / "target-braze"),
        "settings": [{"name": name} for name in ("api_key", "endpoint")],
        "config": {"api_key": sandbox.api_key, "endpoint": sandbox.url},
    }
    project = {"project_id": "test", "send_anonymous_usage_stats": False, "plugins": {"loaders": [loader]}}
    (tmp_path / "meltano.yml").write_text(yaml.safe_dump(project), "utf-8")
    kept = {name: value for name, value in os.environ.items() if not name.startswith(("TARGET_", "MELTANO"))}
    done = subprocess.run(
        [str(binaries / "meltano"), "invoke", "target-braze", "--test"],
        cwd=tmp_path,
        env={**kept, "HOME": str(tmp_path)},
        capture_output=True,
        text=True,
        check=False,
        timeout=120,
    )
    assert done.returncode == 0, done.stderr
    assert "users.track  permitted" in done.stdout
