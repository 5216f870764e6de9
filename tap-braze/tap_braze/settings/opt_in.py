"""Settings that must be on to read certain streams, even selected ones: Meltano selects `*.*` by default."""

from __future__ import annotations

from typing import Final

from singer_sdk import typing as th

INCLUDE_PROFILES: Final = "include_profiles"
INCLUDE_COSTLY_STREAMS: Final = "include_costly_streams"

OPT_INS: Final = (
    th.Property(
        INCLUDE_PROFILES,
        th.BooleanType,
        default=False,
        title="Include profiles",
        description=(
            "Read the selected user streams: `users`, `users_by_id`, `segment_members`, `user_...`, "
            "`global_control_group_users`, `data_object_user_relationships` and the subscription states of users. "
            "Default: skip them even if they are selected, because they are personal data, and `users` exports every "
            "segment."
        ),
    ),
    th.Property(
        INCLUDE_COSTLY_STREAMS,
        th.BooleanType,
        default=False,
        title="Include costly streams",
        description=(
            "Read the selected streams that are off by default and send one or more requests per object: "
            "`catalog_items`, `canvases_summary`, `cards_details`, `cards_analytics`, "
            "`data_object_relationships`, drafts, links and translations. "
            "Default: skip them even if they are selected."
        ),
    ),
)
