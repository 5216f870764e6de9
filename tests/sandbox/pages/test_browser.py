"""The web page in a real browser: live while a client writes, switches that switch, hostile text that stays text.

Needs `pip install playwright` and a Chromium of the system; the development setup has neither.
"""

from __future__ import annotations

import os
import shutil
from typing import TYPE_CHECKING, Any

import pytest

from tests.sandbox.pages.test_pages import HOSTILE, fill, pages_of

if TYPE_CHECKING:
    from collections.abc import Iterator

    from braze_sandbox.testing import Sandbox

    from tests.sandbox.conftest import Client

if os.environ.get("CI"):
    pytest.skip("browsers are for people's machines, not for CI", allow_module_level=True)
playwright = pytest.importorskip("playwright.sync_api", reason="needs a browser: pip install playwright")

CHROMIUM = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)
pytestmark = pytest.mark.skipif(CHROMIUM is None, reason="needs a browser: no Chromium is installed")


@pytest.fixture(scope="module")
def browser() -> Iterator[Any]:
    with playwright.sync_playwright() as driver:
        # Containers have no user namespaces, which Chromium's own sandbox needs.
        started = driver.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox"])
        yield started
        started.close()


@pytest.fixture
def page(browser: Any) -> Iterator[Any]:
    """A page that fails the test if the browser complains, opens a dialog or asks another host."""
    opened = browser.new_page()
    complaints: list[str] = []
    opened.on("console", lambda message: complaints.append(message.text) if message.type == "error" else None)
    opened.on("pageerror", lambda error: complaints.append(str(error)))

    def refuse(dialog: Any) -> None:
        complaints.append(dialog.message)
        dialog.dismiss()

    def watch(sent: Any) -> None:
        if not sent.url.startswith(("http://127.0.0.1:", "data:")):
            complaints.append(sent.url)

    opened.on("dialog", refuse)
    opened.on("request", watch)
    yield opened
    opened.close()
    assert complaints == []


def test_pages_are_live_while_a_client_writes(sandbox: Sandbox, client: Client, page: Any) -> None:
    page.goto(sandbox.url)
    client.track(events=[{"external_id": "c-1", "name": "bought", "time": "2026-03-04T09:00:00Z"}])
    page.get_by_text("/users/track").wait_for()
    page.get_by_role("link", name="c-1").click()
    page.get_by_text("bought").wait_for()
    client.track(attributes=[{"external_id": "c-1", "plan": "plus"}])
    page.get_by_text("plus", exact=True).wait_for()


def test_search_narrows_as_one_types(sandbox: Sandbox, client: Client, page: Any) -> None:
    client.track(attributes=[{"external_id": f"c-{number}"} for number in range(20)])
    page.goto(f"{sandbox.url}/sandbox/pages/users")
    page.get_by_role("searchbox").press_sequentially("C-17")
    page.get_by_text("1 found").wait_for()
    assert page.locator("tbody tr").count() == 1
    assert page.url.endswith("?q=C-17")
    client.track(attributes=[{"external_id": "c-170"}])
    page.get_by_text("2 found").wait_for()
    assert page.get_by_role("searchbox").input_value() == "C-17"


def test_a_switch_makes_requests_fail(sandbox: Sandbox, client: Client, page: Any) -> None:
    page.goto(f"{sandbox.url}/sandbox/pages/faults")
    page.get_by_role("switch", name="Braze is down").click()
    page.get_by_role("switch", name="Braze is down", checked=True).wait_for()
    assert client.get("/segments/list").status_code == 503
    page.get_by_role("switch", name="Braze is down").click()
    page.get_by_role("switch", name="Braze is down", checked=False).wait_for()
    assert client.get("/segments/list").status_code == 200


def test_hostile_text_runs_nowhere(sandbox: Sandbox, client: Client, page: Any) -> None:
    fill(client, HOSTILE)
    for path in pages_of(sandbox):
        page.goto(sandbox.url + path)
        assert page.locator("script").count() == 1
        assert page.locator("img").count() == 0


def test_pages_read_well_in_the_dark_and_on_a_phone(sandbox: Sandbox, client: Client, browser: Any) -> None:
    fill(client, "word " * 30)
    for scheme in ("light", "dark"):
        with browser.new_context(color_scheme=scheme, viewport={"width": 390, "height": 800}) as context:
            page = context.new_page()
            page.goto(sandbox.url)
            ground = page.evaluate("getComputedStyle(document.body).backgroundColor")
            assert (sum(map(int, ground[4:-1].split(","))) < 384) is (scheme == "dark")
