"""The web page as HTTP: what each page shows, what it escapes, and what it refuses. `test_browser` looks at it."""

from __future__ import annotations

import re
from html import unescape
from html.parser import HTMLParser
from typing import TYPE_CHECKING
from urllib.parse import quote

import pytest
import requests
from braze_sandbox.pages.views import PRESETS
from braze_sandbox.pages.web import NAVIGATION
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

if TYPE_CHECKING:
    from braze_sandbox.testing import Sandbox

    from tests.sandbox.conftest import Client

HOSTILE = """<script>alert(1)</script>"'><img src=x onerror=alert(1)>{{ 7*7 }}"""
AT = "2026-03-04T09:00:00Z"
FAULTS = "/sandbox/pages/faults"


class Elements(HTMLParser):
    """Counts the elements of a page, and keeps the values of their attributes."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.tags: list[str] = []
        self.attributes: list[tuple[str, str | None]] = []
        self.feed(page)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:  # type: ignore[explicit-override]
        self.tags.append(tag)
        self.attributes += attrs


def pages_of(sandbox: Sandbox) -> list[str]:
    """Return the paths of all pages, those of single things included."""
    return [
        *(path for path, _ in NAVIGATION),
        *(f"/sandbox/pages/users/{profile.braze_id}" for profile in sandbox.profiles()),
        *(f"/sandbox/pages/catalogs/{quote(name)}" for name in sandbox.workspace.catalogs),
        *(f"/sandbox/pages/requests/{number}" for number in range(len(sandbox.requests))),
        *(f"/sandbox/pages/messages/{number}" for number in range(len(sandbox.messages))),
    ]


def switch(sandbox: Sandbox, **form: object) -> requests.Response:
    return requests.post(sandbox.url + FAULTS, data=form, headers={"Origin": sandbox.url}, timeout=30)


def fill(client: Client, text: str) -> None:
    """Send a text wherever a page may show it."""
    client.track(
        attributes=[
            {"external_id": "u", "text": text, "nested": {"text": [text]}, "first_name": text, "email": "a@b.com"},
            {"external_id": "u", "Email": text},
        ],
        events=[{"external_id": "u", "name": "e" + text, "time": AT, "properties": {"p": text}}],
        purchases=[
            {
                "external_id": "u",
                "product_id": "p" + text,
                "currency": "USD",
                "price": 2,
                "time": "2026-03-04T09:00:00Z",
            }
        ],
    )
    client.get("/none", **{text: text})
    client.post("/users/track", data=text.encode("utf-8", "replace"), headers={"Content-Type": "application/json"})


def test_every_page_opens(sandbox: Sandbox, client: Client) -> None:
    fill(client, "plain")
    body = {"external_user_ids": ["u"], "messages": {"email": {"app_id": next(iter(sandbox.workspace.apps))}}}
    client.post("/messages/send", body)
    for path in pages_of(sandbox):
        answer = client.get(path)
        assert answer.status_code == 200, path
        assert "script-src 'self'" in answer.headers["content-security-policy"]
        assert answer.headers["cache-control"] == "no-store"
    for gone in ("users/nobody", "catalogs/none", "requests/99", "messages/99", "static/web.py", "nothing"):
        assert client.get(f"/sandbox/pages/{gone}").status_code == 404


def test_pages_show_what_was_sent(sandbox: Sandbox, client: Client) -> None:
    fill(client, "seen everywhere")
    profile = sandbox.profile("u")
    assert profile
    for path in (
        f"/sandbox/pages/users/{profile.braze_id}",
        "/sandbox/pages/events",
        "/sandbox/pages/violations",
        "/sandbox/pages/requests/0",
        "/",
    ):
        assert "seen everywhere" in client.get(path).text, path


@pytest.mark.parametrize(("text", "found"), [("", 3), ("C-1", 2), ("shop", 1), ("+4930", 1), ("x@y.", 1), ("no", 0)])
def test_search_finds_users_by_any_identifier(sandbox: Sandbox, client: Client, text: str, found: int) -> None:
    client.track(
        attributes=[
            {"external_id": "c-1", "email": "x@y.org"},
            {"external_id": "c-12", "phone": "+4930123456"},
            {
                "user_alias": {"alias_label": "web", "alias_name": "shop-7"},
                "_update_existing_only": False,
                "plan": "no one looks here",
            },
        ]
    )
    page = client.get("/sandbox/pages/users", q=text).text
    assert f"{found} found" in page
    assert len(sandbox.profiles()) == 3


def test_hostile_text_stays_text(sandbox: Sandbox, client: Client) -> None:
    fill(client, HOSTILE)
    sandbox.workspace.catalogs[HOSTILE] = next(iter(sandbox.workspace.catalogs.values()))
    sandbox.fault(do="status", status=503, path=HOSTILE)
    shown = 0
    for path in [*pages_of(sandbox), f"/sandbox/pages/users?q={HOSTILE}", f"/sandbox/pages/requests?q={HOSTILE}"]:
        page = client.get(path).text
        elements = Elements(page)
        assert elements.tags.count("script") == 1, path
        assert "img" not in elements.tags
        assert not [name for name, _ in elements.attributes if name.startswith("on")]
        shown += HOSTILE[:25] in unescape(page)
    assert shown > 5


@settings(max_examples=20, suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow])
@given(text=st.text(min_size=1, max_size=40))
def test_any_text_is_shown_without_an_element_of_its_own(sandbox: Sandbox, client: Client, text: str) -> None:
    sandbox.reset()
    profile = sandbox.instance.profiles.create("external_id", text)
    profile.custom_attributes[text] = [text]
    sandbox.instance.recorder.violation(text, text, {text: text})
    for path in ("/sandbox/pages/users", f"/sandbox/pages/users/{profile.braze_id}", "/sandbox/pages/violations"):
        answer = client.get(path)
        assert answer.status_code == 200
        elements = Elements(answer.text)
        assert elements.tags.count("script") == 1
        assert not [name for name, _ in elements.attributes if name.startswith("on")]


def test_half_a_surrogate_pair_can_be_looked_at(sandbox: Sandbox, client: Client) -> None:
    sandbox.instance.recorder.violation("\ud800", "\udfff", {"\ud800": "\ud800"})
    assert client.get("/sandbox/pages/violations").status_code == 200
    assert client.get("/sandbox/pages/users?q=%ed%a0%80").status_code == 200


def test_a_poll_answers_only_what_is_new(client: Client) -> None:
    path = "/sandbox/pages/users"
    first = client.get(path).text
    seen = re.search(r'hx-vals="([^"]+)"', first)
    assert seen
    digest = unescape(seen[1]).split('"')[3]
    poll = {"headers": {"HX-Request": "true"}, "timeout": 30}
    same = requests.get(client._url + path, params={"seen": digest}, **poll)  # type: ignore[arg-type]
    assert (same.status_code, same.text) == (204, "")
    client.track(attributes=[{"external_id": "new"}])
    changed = requests.get(client._url + path, params={"seen": digest}, **poll)  # type: ignore[arg-type]
    assert changed.status_code == 200
    assert changed.text.startswith("<main")
    assert "new" in changed.text
    assert digest not in changed.text


@pytest.mark.parametrize("number", range(len(PRESETS)))
def test_a_switch_goes_on_and_off(sandbox: Sandbox, client: Client, number: int) -> None:
    sandbox.fault(do="status", status=418, path="/stays")
    assert 'aria-checked="true"' not in client.get(FAULTS).text
    assert 'aria-checked="true"' in switch(sandbox, on=number).text
    assert [rule.do for rule in sandbox.instance.faults.rules] == ["status", PRESETS[number][2]["do"]]
    # A rule that has met requests is the same rule.
    sandbox.instance.faults.rules[1].hits = 7
    assert 'aria-checked="true"' not in switch(sandbox, off=number).text
    assert [rule.status for rule in sandbox.instance.faults.rules] == [418]


def test_rules_are_added_and_removed(sandbox: Sandbox, client: Client) -> None:
    answer = switch(sandbox, do="status", path="/segments/*", method="", status="503", times="1", latency_ms="")
    assert answer.status_code == 200
    (rule,) = sandbox.instance.faults.rules
    assert (rule.path, rule.status, rule.times, rule.method) == ("/segments/*", 503, 1, None)
    assert client.get("/segments/list").status_code == 503
    assert "spent" in client.get(FAULTS).text
    key = re.search(r'name="remove" value="(\d+)"', answer.text)
    assert key
    switch(sandbox, remove=key[1])
    assert sandbox.instance.faults.rules == []


@pytest.mark.parametrize(
    "form",
    [{"do": "explode"}, {"do": "status", "status": "many"}, {"unknown": "1", "do": "latency"}, {"on": "99"}, {}],
)
def test_a_wrong_rule_is_explained(sandbox: Sandbox, form: dict[str, str]) -> None:
    answer = switch(sandbox, **form)
    assert answer.status_code == 400
    assert 'role="alert"' in answer.text
    assert sandbox.instance.faults.rules == []


@pytest.mark.parametrize("path", ["/", "/sandbox/pages/users", "/sandbox/pages/static/style.css", FAULTS])
def test_pages_refuse_a_foreign_host(sandbox: Sandbox, path: str) -> None:
    answer = requests.get(sandbox.url + path, headers={"Host": "shop.example"}, timeout=30)
    assert answer.status_code == 403


@pytest.mark.parametrize("origin", ["https://shop.example", "null", None])
def test_forms_of_other_origins_switch_nothing(sandbox: Sandbox, origin: str | None) -> None:
    headers = {"Origin": origin} if origin else {}
    answer = requests.post(sandbox.url + FAULTS, data={"on": 0}, headers=headers, timeout=30)
    assert answer.status_code == 403
    assert sandbox.instance.faults.rules == []


def test_a_huge_form_is_refused(sandbox: Sandbox) -> None:
    assert switch(sandbox, do="x" * 200_000).status_code == 413


def test_faults_do_not_reach_the_pages(sandbox: Sandbox, client: Client) -> None:
    sandbox.fault(do="status", status=503)
    assert client.get("/segments/list").status_code == 503
    assert client.get("/").status_code == 200
    assert [request.path for request in sandbox.requests] == ["/segments/list"]
