"""The examples of docs/cdp-calls.md do what the page says."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest
import yaml
from target_braze.singer.target import TargetBraze

from tests.target.support.pages import examples, mappings
from tests.target.support.singer import ANY_OBJECT, TEXT, Stream

if TYPE_CHECKING:
    from collections.abc import Callable

    from braze_sandbox.testing import Sandbox

    from tests.target.support.singer import Run

EXAMPLES = examples("cdp-calls")


@pytest.mark.parametrize(("config", "calls", "requests"), EXAMPLES)
def test_calls_become_the_requests_of_the_page(
    run_target: Callable[..., Run], sandbox: Sandbox, config: str, calls: str, requests: str
) -> None:
    streams = yaml.safe_load(config)["streams"]
    records = [json.loads(line) for line in calls.splitlines()]
    columns: dict[str, Any] = {
        name: ANY_OBJECT if isinstance(value, dict) else TEXT for record in records for name, value in record.items()
    }
    run_target(Stream(next(iter(streams)), columns, records), streams=streams)
    expected = [line.split(" ", 2) for line in requests.splitlines()]
    assert [(one.method, one.path, one.body) for one in sandbox.requests] == [
        (method, path, json.loads(body)) for method, path, body in expected
    ]


def test_all_its_mappings_are_settings(sandbox: Sandbox) -> None:
    assert len(EXAMPLES) > 10
    for block in mappings("cdp-calls"):
        TargetBraze(config={"api_key": sandbox.api_key, "endpoint": sandbox.url, **yaml.safe_load(block)})
