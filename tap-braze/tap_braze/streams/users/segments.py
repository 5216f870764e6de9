"""Segments: list, details and analytics."""

from __future__ import annotations

from typing import TYPE_CHECKING

from singer_sdk import typing as th
from typing_extensions import override

from tap_braze.streams.base import columns
from tap_braze.streams.base.details import DetailsStream
from tap_braze.streams.base.lists import ListStream
from tap_braze.streams.base.paginators import PageNumbers
from tap_braze.streams.base.series import SeriesStream

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence


class Segments(ListStream):
    """All segments except archived ones."""

    name = "segments"
    path = "/segments/list"
    permission = "segments.list"
    payload = "segments"
    paginator = PageNumbers()
    shrinks = True  # archived segments are never in it
    primary_keys = ("id",)
    unversioned = frozenset()
    schema = columns.schema(
        columns.key("id", "API identifier of the segment."),
        th.Property("name", th.StringType, description="Name of the segment."),
        th.Property(
            "analytics_tracking_enabled", th.BooleanType, description="Whether Braze keeps analytics of the segment."
        ),
        columns.strings("tags", "Names of its tags."),
    )


class SegmentsDetails(DetailsStream):
    """Details of each segment: its filters in words, and its description."""

    name = "segments_details"
    path = "/segments/details"
    permission = "segments.details"
    parent = Segments
    parent_key = "segment_id"
    active_from = ("created_at",)
    primary_keys = ("segment_id",)
    schema = columns.schema(
        columns.key("segment_id", "API identifier of the segment."),
        *columns.edits(),
        th.Property("name", th.StringType, description="Name of the segment."),
        th.Property("description", th.StringType, description="Filters of the segment, in words."),
        th.Property("text_description", th.StringType, description="Description written by a user of the dashboard."),
        columns.strings("tags", "Names of its tags."),
        columns.strings("teams", "Names of its teams."),
    )


class SegmentsAnalytics(SeriesStream):
    """Estimated size of each segment with analytics tracking by day."""

    name = "segments_analytics"
    path = "/segments/data_series"
    permission = "segments.data_series"
    parent = Segments
    parent_key = "segment_id"
    details = SegmentsDetails
    primary_keys = ("segment_id", "time")
    schema = columns.schema(
        columns.key("segment_id", "API identifier of the segment."),
        columns.day(),
        *columns.counts(size="Estimated number of users in the segment on the day."),
    )

    @override
    def targets(self) -> Sequence[Mapping[str, str]]:
        # In a recording, Braze answers 400 for a segment without tracking. A segment whose tracking is switched on
        # comes into scope, so it is read from the start date on.
        rows = self.run.stream(Segments).everything(self.name)
        untracked = {row["id"] for row in rows if row.get("analytics_tracking_enabled") is False}
        return [tags for tags in super().targets() if tags[self.parent_key] not in untracked]
