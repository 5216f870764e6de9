"""The examples of the pages on identities, subscriptions and catalogs do what the pages say."""

from __future__ import annotations

import json
import re
from typing import TYPE_CHECKING, Any

import pytest
import yaml
from braze_sandbox.model.objects import Catalog
from braze_sandbox.model.workspace import Campaign
from target_braze.mapping.kinds import KINDS
from target_braze.singer.target import TargetBraze

from tests.target.support.data_objects import add_accounts
from tests.target.support.pages import DOCS, examples, mappings
from tests.target.support.schedules import add_schedule
from tests.target.support.singer import TEXT, Stream

if TYPE_CHECKING:
    from collections.abc import Callable

    from braze_sandbox.testing import Sandbox

    from tests.target.support.singer import Run

PAGES = (
    "mapping",
    "identities-and-deletions",
    "subscriptions-and-cohorts",
    "catalogs",
    "content",
    "data-objects",
    "push-tokens",
    "ledger",
    "send-ids",
    "message-schedules",
)
EXAMPLES = [example for page in PAGES for example in examples(page)]
# Pages and kinds whose examples other tests run.
OTHERS = ("cdp-calls", "triggers")
OWN_TESTS = {"cdi_syncs", "translations"}


@pytest.fixture(autouse=True)
def _dashboard(sandbox: Sandbox) -> None:
    """Create what the pages assume."""
    add_accounts(sandbox)
    for key in ("s-1", "s-2"):
        add_schedule(sandbox, key, "campaign", campaign_id="c-1")
    for key in ("old-1", "old-2"):
        sandbox.instance.profiles.create(external_id=key)
    sandbox.workspace.apps["app-1"] = "iOS"
    now = sandbox.instance.clock.utc_now()
    key = "6aa9ab4b-5a8c-4f39-8ea5-11a1e2d94f0c"
    sandbox.workspace.campaigns[key] = Campaign(
        id=key, name="API", created_at=now, updated_at=now, channels=[], messages={}, is_api_campaign=True
    )
    fields = [{"name": "id", "type": "string"}, {"name": "rating", "type": "number"}]
    sandbox.workspace.catalogs["restaurants"] = Catalog(name="restaurants", updated_at=now, fields=fields)


@pytest.mark.parametrize(("config", "rows", "requests"), EXAMPLES)
def test_rows_become_the_requests_of_the_page(
    run_target: Callable[..., Run], sandbox: Sandbox, config: str, rows: str, requests: str
) -> None:
    streams = yaml.safe_load(config)["streams"]
    records: list[dict[str, Any]] = [json.loads(line) for line in rows.splitlines()]
    columns = {name: TEXT for record in records for name in record}
    run_target(Stream(next(iter(streams)), columns, records), streams=streams)
    expected = [line.split(" ", 2) for line in requests.splitlines()]
    # Opt-ins are looked up first (docs/consent.md).
    made = [one for one in sandbox.requests if one.path != "/subscription/status/get"]
    assert sorted((one.method, one.path, json.dumps(one.body)) for one in made) == sorted(
        (method, path, json.dumps(json.loads(body))) for method, path, body in expected
    )


def test_all_mappings_are_settings(sandbox: Sandbox) -> None:
    for block in [block for page in PAGES for block in mappings(page)]:
        TargetBraze(config={"api_key": sandbox.api_key, "endpoint": sandbox.url, **yaml.safe_load(block)})


def test_each_kind_has_an_example_that_runs() -> None:
    configs = [*EXAMPLES, *(example for page in OTHERS for example in examples(page))]
    entries = [entry for config, _, _ in configs for entry in yaml.safe_load(config)["streams"].values()]
    assert {entry["to"] for entry in entries if "to" in entry} | OWN_TESTS == KINDS.keys()


def test_the_page_on_mapping_lists_each_kind() -> None:
    page = (DOCS / "mapping.md").read_text("utf-8")
    (listed,) = re.findall(r"`to` is one of:\n\n(.*?)\n\n", page, re.DOTALL)
    assert [*sorted(re.findall(r"`(\w+)`", listed.split("\n", 1)[1]))] == sorted(KINDS)
