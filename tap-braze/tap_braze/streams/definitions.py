"""The streams of what custom events and custom attributes are; how often events happen is in `events`."""

from __future__ import annotations

from singer_sdk import typing as th

from tap_braze.streams.base import fields
from tap_braze.streams.base.paged import PagedStream
from tap_braze.streams.base.stream import HOURLY_1000


class EventsDetails(PagedStream):
    """What the workspace says of all custom events."""

    name = "events_details"
    path = "/events"
    permission = "events.get"
    pool = HOURLY_1000
    payload = "events"
    primary_keys = ("name",)
    schema = fields.schema(
        fields.key("name", "Name of the custom event."),
        th.Property("description", th.StringType, description="Description of the event."),
        th.Property(
            "included_in_analytics_report",
            th.BooleanType,
            description="Whether the event is part of the analytics report.",
        ),
        th.Property("status", th.StringType, description="Status of the event, such as `Active`."),
        fields.strings("tag_names", "Names of its tags."),
    )


class CustomAttributes(PagedStream):
    """What the workspace says of all custom attributes; no values of users."""

    name = "custom_attributes"
    path = "/custom_attributes"
    permission = "custom_attributes.get"
    pool = HOURLY_1000
    payload = "attributes"
    primary_keys = ("name",)
    schema = fields.schema(
        fields.key("name", "Name of the custom attribute."),
        th.Property("description", th.StringType, description="Description of the attribute."),
        th.Property("data_type", th.StringType, description="Type of its values, such as `Number`."),
        *fields.counts(array_length="Most elements that an array may have; null for other types."),
        th.Property("status", th.StringType, description="Status of the attribute, such as `Active`."),
        fields.strings("tag_names", "Names of its tags."),
    )
