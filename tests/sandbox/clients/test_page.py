"""The table of real clients is of the clients that the script calls. Running them needs PyPI, so no test does."""

from __future__ import annotations

import re

from braze_sandbox.endpoints.registry import ENDPOINTS

from tests.sandbox.clients.__main__ import CLIENTS, PAGE


def test_the_page_has_every_client_in_its_version() -> None:
    rows = re.findall(r"^\| (\S+) (\S+) \| `", PAGE.read_text(encoding="utf-8"), re.MULTILINE)
    assert {f"{name}=={version}" for name, version in rows} == set(CLIENTS)


def test_clients_call_endpoints_that_the_sandbox_has() -> None:
    known = {(one.method, re.sub(r"{\w+}", "…", one.path)) for one in ENDPOINTS}
    made = re.findall(r"`(GET|POST|PUT|PATCH|DELETE) (\S+) (\d{3})`", PAGE.read_text(encoding="utf-8"))
    assert made
    assert {(method, path) for method, path, _ in made} <= known
    assert {status for *_, status in made} <= {"200", "201", "202", "400"}
