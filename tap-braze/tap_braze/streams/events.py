"""The streams of custom events."""

from __future__ import annotations

from tap_braze.streams.base import fields
from tap_braze.streams.base.series import SeriesStream
from tap_braze.streams.base.stream import HOURLY_1000, ListStream


class Events(ListStream):
    """Names of all custom events."""

    name = "events"
    path = "/events/list"
    permission = "events.list"
    pool = HOURLY_1000
    payload = "events"
    page_size = 250
    primary_keys = ("event_name",)
    schema = fields.schema(fields.key("event_name", "Name of the custom event."))


class EventsAnalytics(SeriesStream):
    """How often each custom event happened by day."""

    name = "events_analytics"
    path = "/events/data_series"
    permission = "events.data_series"
    parent = Events
    parent_key = "event_name"
    parent_param = "event"
    dimensions = ("app_id", "segment_id")
    hourly = True
    primary_keys = ("event_name", "time")
    schema = fields.schema(
        fields.key("event_name", "Name of the custom event."),
        fields.day(),
        *fields.counts(count="Times that the event happened on the day."),
    )
