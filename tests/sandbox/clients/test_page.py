"""The table of real clients is of the clients that the script calls. Running them needs PyPI, so no test does."""

from __future__ import annotations

import re

from braze_sandbox.endpoints.registry import ENDPOINTS

from tests.sandbox.clients.__main__ import CLIENTS, PAGE


def test_the_page_has_every_client_in_its_version() -> None:
    rows = re.findall(r"^\| (\S+) (\S+) \| `", PAGE.read_text(encoding="utf-8"), re.MULTILINE)
    assert {f"{name}=={version}" for name, version in rows} == {one.rpartition(":")[2] for one in CLIENTS}


def test_clients_call_endpoints_that_the_sandbox_has() -> None:
    known = [(one.method, re.compile(re.sub(r"{\w+}", "[^/]+", one.path))) for one in ENDPOINTS]
    made = set(re.findall(r"`(GET|POST|PUT|PATCH|DELETE) (\S+) (\d{3})`", PAGE.read_text(encoding="utf-8")))
    unknown = {
        (method, path, status)
        for method, path, status in made
        if not any(method == one and form.fullmatch(path) for one, form in known)
    }
    assert unknown == {("POST", "/messages/scheduled_broadcasts", "404")}, "braze_ruby's mistake"
    assert {status for *_, status in made - unknown} == {"200", "201", "202", "400"}
