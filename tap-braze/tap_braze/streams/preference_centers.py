"""The streams of preference centers."""

from __future__ import annotations

from singer_sdk import typing as th

from tap_braze.streams.base import fields
from tap_braze.streams.base.paged import PREFERENCE_CENTERS, ChangesStream, DetailsStream


class PreferenceCenters(ChangesStream):
    """Preference centers that changed since the last run."""

    name = "preference_centers"
    path = "/preference_center/v1/list"
    permission = "preference_center.list"
    pool = PREFERENCE_CENTERS
    payload = "preference_centers"
    primary_keys = ("preference_center_api_id",)
    replication_key = "updated_at"
    schema = fields.schema(
        fields.key("preference_center_api_id", "API identifier of the preference center."),
        fields.moment("updated_at", "When the preference center last changed."),
        fields.moment("created_at", "When the preference center was made."),
        th.Property("name", th.StringType, description="Name of the preference center."),
    )


class PreferenceCentersDetails(DetailsStream):
    """Pages of each preference center that changed since the last run."""

    name = "preference_centers_details"
    path = "/preference_center/v1/{preference_center_api_id}"
    permission = "preference_center.get"
    pool = PREFERENCE_CENTERS
    payload = "preference_center_api_id"
    parent = PreferenceCenters
    parent_key = "preference_center_api_id"
    primary_keys = ("preference_center_api_id",)
    replication_key = "updated_at"
    schema = fields.schema(
        fields.key("preference_center_api_id", "API identifier of the preference center."),
        fields.moment("updated_at", "When the preference center last changed."),
        fields.moment("created_at", "When the preference center was made."),
        th.Property("name", th.StringType, description="Name of the preference center."),
        th.Property("state", th.StringType, description="State of the preference center, such as `active`."),
        th.Property("preference_center_title", th.StringType, description="Title of the page."),
        th.Property("preference_center_page_html", th.StringType, description="HTML of the page."),
        th.Property("confirmation_page_html", th.StringType, description="HTML of the page that confirms."),
        th.Property("redirect_page_html", th.StringType, description="HTML of the page that redirects."),
        th.Property(
            "preference_center_options",
            th.ObjectType(additional_properties=True),
            description="Options of the page, such as `meta-viewport-content`.",
        ),
    )
