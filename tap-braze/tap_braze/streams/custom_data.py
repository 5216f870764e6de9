"""Custom events and custom attributes: their names, definitions and daily counts."""

from __future__ import annotations

from singer_sdk import typing as th

from tap_braze.streams.base import columns
from tap_braze.streams.base.lists import ListStream, NamesStream
from tap_braze.streams.base.paginators import PageNumbers
from tap_braze.streams.base.series import SeriesStream
from tap_braze.streams.base.stream import HOURLY_1000


class Events(NamesStream):
    """Names of all custom events."""

    name = "events"
    path = "/events/list"
    permission = "events.list"
    pool = HOURLY_1000
    payload = "events"
    paginator = PageNumbers(250)
    shrinks = True
    primary_keys = ("event_name",)
    unversioned = frozenset()
    schema = columns.schema(columns.key("event_name", "Name of the custom event."))


class EventsAnalytics(SeriesStream):
    """Count of each custom event by day."""

    name = "events_analytics"
    path = "/events/data_series"
    permission = "events.data_series"
    parent = Events
    parent_key = "event_name"
    parent_param = "event"
    dimensions = ("app_id", "segment_id")
    hourly = True
    primary_keys = ("event_name", "time")
    schema = columns.schema(
        columns.key("event_name", "Name of the custom event."),
        columns.day(),
        *columns.counts(count="Times that the event happened on the day."),
    )


class EventsDetails(ListStream):
    """Definitions of all custom events: description, status and tags."""

    name = "events_details"
    path = "/events"
    permission = "events.get"
    pool = HOURLY_1000
    payload = "events"
    primary_keys = ("name",)
    unversioned = frozenset()
    schema = columns.schema(
        columns.key("name", "Name of the custom event."),
        th.Property("description", th.StringType, description="Description of the event."),
        th.Property(
            "included_in_analytics_report",
            th.BooleanType,
            description="Whether the event is part of the analytics report.",
        ),
        th.Property("status", th.StringType, description="Status of the event, such as `Active`."),
        columns.strings("tag_names", "Names of its tags."),
    )


class CustomAttributes(ListStream):
    """Definitions of all custom attributes: data type, description, status and tags."""

    name = "custom_attributes"
    path = "/custom_attributes"
    permission = "custom_attributes.get"
    pool = HOURLY_1000
    payload = "attributes"
    primary_keys = ("name",)
    unversioned = frozenset()
    schema = columns.schema(
        columns.key("name", "Name of the custom attribute."),
        th.Property("description", th.StringType, description="Description of the attribute."),
        th.Property("data_type", th.StringType, description="Type of its values, such as `Number`."),
        *columns.counts(array_length="Maximum number of elements of an array; null for other types."),
        th.Property("status", th.StringType, description="Status of the attribute, such as `Active`."),
        columns.strings("tag_names", "Names of its tags."),
    )
