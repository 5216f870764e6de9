"""How to split the series of statistics into rows, and which sends to read."""

from __future__ import annotations

from typing import Final

from singer_sdk import typing as th

SERIES: Final = (
    th.Property(
        "series_unit",
        th.StringType,
        default="day",
        allowed_values=["day", "hour"],
        title="Series unit",
        description=(
            "Read custom events, sessions, purchases and cards by `day` or by `hour`. With `hour`, `time` is a "
            "date and time."
        ),
    ),
    th.Property(
        "app_ids",
        th.ArrayType(th.StringType(min_length=1)),
        default=[],
        title="App IDs",
        description=(
            "Read KPIs, custom events, sessions and purchases once per app. List API identifiers of apps; rows "
            "then carry `app_id`. Default: one series for all apps together."
        ),
    ),
    th.Property(
        "segment_ids",
        th.ArrayType(th.StringType(min_length=1)),
        default=[],
        title="Segment IDs",
        description=(
            "Read custom events and sessions once per segment. List API identifiers of segments with analytics "
            "tracking; rows then carry `segment_id`. Default: one series for all users."
        ),
    ),
    th.Property(
        "product_ids",
        th.ArrayType(th.StringType(min_length=1)),
        default=[],
        title="Product IDs",
        description=(
            'Read purchases once per product. List product IDs, or `["*"]` for every product; rows then carry '
            "`product_id`. Default: one series for all products together."
        ),
    ),
    th.Property(
        "send_ids",
        th.ArrayType(
            th.ObjectType(
                th.Property(
                    "campaign_id",
                    th.StringType(min_length=1),
                    required=True,
                    nullable=False,
                    title="Campaign ID",
                    description="API identifier of the campaign.",
                ),
                th.Property(
                    "send_id",
                    th.StringType(min_length=1),
                    required=True,
                    nullable=False,
                    title="Send ID",
                    description="ID of the send, as given to the endpoint that sent it.",
                ),
                nullable=False,
                additional_properties=False,
            )
        ),
        default=[],
        title="Send IDs",
        description=(
            'Sends that `sends_analytics` reads, such as `[{"campaign_id": "...", "send_id": "..."}]`. Braze has '
            "no endpoint that lists them; `currents.find_sends` finds them in event files. Default: none."
        ),
    ),
)
