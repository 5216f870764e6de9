"""Parts of a run made from complete settings; commands without a `Loader` use them too."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any
from zoneinfo import ZoneInfo

from target_braze.braze.client import Client
from target_braze.mapping.base.stream_mapping import Defaults
from target_braze.mapping.deletion_guard import DeletionGuard

if TYPE_CHECKING:
    from collections.abc import Mapping


def new_client(settings: Mapping[str, Any]) -> Client:
    """Return a client for the workspace in complete settings.

    Raises:
        BrazeError: The API key is not valid, or the proxy set in the environment is unusable.
    """
    return Client(
        settings["endpoint"],
        settings["api_key"],
        connections=settings["concurrency"],
        reserve=settings["rate_limit_reserve"],
        timeout=settings["request_timeout"],
    )


def mapping_defaults(settings: Mapping[str, Any]) -> Defaults:
    """Return the defaults for all streams' mappings from complete settings, with the deletion guard of one run."""
    return Defaults(
        app_id=settings.get("app_id"),
        unset_nulls=settings["nulls"] == "unset",
        update_existing_only=settings["update_existing_only"],
        zone=ZoneInfo(settings["time_zone"]),
        long_strings=settings["long_strings"],
        large_quantities=settings["large_quantities"],
        date_like_text=settings["date_like_text"],
        on_bad_value=settings["on_bad_value"],
        placeholder_ids=tuple(settings["placeholder_ids"]),
        guard=DeletionGuard(counts_users=any("max_deleted_share" in entry for entry in settings["streams"].values())),
    )
