"""The SDK's own tests of a target, and the command line."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
from braze_sandbox.testing import Sandbox
from singer_sdk.testing import get_target_test_class
from target_braze.singer.target import TargetBraze
from typing_extensions import override

if TYPE_CHECKING:
    from collections.abc import Iterator

# The SDK's streams name their users by all sorts of columns.
CONFIG = {
    "api_key": "replaced",
    "endpoint": "http://localhost",
    "acknowledge_live_campaigns": True,
    "streams": {
        "TestCamelcase": {"user": [{"external_id": "Id"}]},
        "ForecastingTypeToCategory": {"user": [{"external_id": "Id"}]},
        "test:SpecialChars!in?attributes": {"user": [{"external_id": "_id"}]},
        "test_record_missing_required_property": {"user": [{"external_id": "metric"}]},
        "*": {"user": [{"external_id": "id"}]},
    },
    # A stream without a column that identifies users.
    "stream_maps": {
        "test_object_schema_with_properties": {"id": "'anybody'"},
        "test_object_schema_no_properties": {"id": "'anybody'"},
    },
}


@pytest.fixture(scope="module", autouse=True)
def _served() -> Iterator[None]:
    """Fill in what is unknown when the tests are collected."""
    with Sandbox() as sandbox:
        CONFIG.update(api_key=sandbox.api_key, endpoint=sandbox.url)
        yield


class Opened(TargetBraze):
    """The target as the SDK's tests use it: they call the parts of `run` one by one."""

    def __init__(self, **options: Any) -> None:
        super().__init__(**options)
        self.loader.__enter__()

    @override
    def process_endofpipe(self) -> None:
        super().process_endofpipe()
        self.loader.__exit__(None, None, None)


class TestTargetBraze(get_target_test_class(Opened, config=CONFIG)):  # type: ignore[misc]
    """Streams that other targets have stumbled over."""
