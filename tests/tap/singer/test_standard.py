"""The SDK's own tests of a tap, over all streams."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
from braze_sandbox.testing import Sandbox
from singer_sdk.testing import SuiteConfig, get_tap_test_class
from tap_braze.exports import user_exports
from tap_braze.singer.tap import TapBraze

if TYPE_CHECKING:
    from collections.abc import Iterator

CONFIG: dict[str, Any] = {
    "api_key": "replaced",
    "endpoint": "http://localhost",
    "start_date": "2024-01-01",
    "end_date": "2024-03-01",
}

CATALOG = TapBraze(config=dict(CONFIG), setup_mapper=False).catalog_dict
for entry in CATALOG["streams"]:  # the cards too
    next(item for item in entry["metadata"] if not item["breadcrumb"])["metadata"]["selected"] = True

# Nothing happened on these days, the seed has none, or a setting must say what to read.
WITHOUT_RECORDS = [
    "campaigns_drafts",
    "canvases_drafts",
    "dashboard_users",
    "dashboard_users_details",
    "data_object_user_relationships",
    "hard_bounces",
    "invalid_phone_numbers",
    "unsubscribes",
    "sdk_authentication_keys",
    "sends_analytics",
    "subscription_group_states",
    "subscription_states",
    "user_aliases",
]


@pytest.fixture(scope="module", autouse=True)
def _served() -> Iterator[None]:
    """Fill in what is unknown when the tests are collected."""
    with Sandbox(users=30, export_seconds=0) as sandbox, pytest.MonkeyPatch.context() as patch:
        patch.setattr(user_exports, "_FIRST_WAIT", 0.01)
        CONFIG.update(api_key=sandbox.api_key, endpoint=sandbox.url, users={"external_ids": ["user-001"]})
        yield


# Not every record has every field of the schema; the SDK warns of that.
@pytest.mark.filterwarnings("ignore:Fields in transformed catalog but not in records:UserWarning")
@pytest.mark.filterwarnings("ignore:No records were available to test:UserWarning")
class TestTapBraze(
    get_tap_test_class(  # type: ignore[misc]
        TapBraze,
        config=CONFIG,
        catalog=CATALOG,
        suite_config=SuiteConfig(max_records_limit=200, ignore_no_records_for_streams=WITHOUT_RECORDS),
    )
):
    """One fast run of each stream, and what the SDK checks of it."""
