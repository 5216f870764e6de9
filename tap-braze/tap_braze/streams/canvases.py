"""The streams of Canvases."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from singer_sdk import typing as th
from typing_extensions import override

from tap_braze.streams import fields
from tap_braze.streams.base import ListStream, SeriesStream

if TYPE_CHECKING:
    from singer_sdk.helpers.types import Record


class Canvases(ListStream):
    """Canvases that were edited since the last run."""

    name = "canvases"
    path = "/canvas/list"
    permission = "canvas.list"
    payload = "canvases"
    primary_keys = ("id",)
    replication_key = "last_edited"
    archivable = True
    schema = fields.schema(
        fields.key("id", "API identifier of the Canvas."),
        th.Property("last_edited", th.DateTimeType, description="When the Canvas was last edited."),
        th.Property("name", th.StringType, description="Name of the Canvas."),
        fields.strings("tags", "Names of its tags."),
    )


class CanvasesAnalytics(SeriesStream):
    """Statistics of each Canvas by day, with those of its variants and steps nested as Braze sends them."""

    name = "canvases_analytics"
    path = "/canvas/data_series"
    permission = "canvas.data_series"
    parent = Canvases
    parent_key = "canvas_id"
    longest = 14
    switches = ("include_variant_breakdown", "include_step_breakdown", "include_deleted_step_data")
    primary_keys = ("canvas_id", "time")
    schema = fields.schema(
        fields.key("canvas_id", "API identifier of the Canvas."),
        fields.day(),
        th.Property("name", th.StringType, description="Name of the Canvas."),
        th.Property(
            "total_stats",
            th.ObjectType(
                fields.REVENUE,
                *fields.counts(entries="Times that a user entered the Canvas."),
                *fields.conversions("entry"),
            ),
            description="Statistics of the whole Canvas.",
        ),
        th.Property(
            "variant_stats",
            th.ObjectType(
                additional_properties=th.ObjectType(
                    th.Property("name", th.StringType, description="Name of the variant."),
                    fields.REVENUE,
                    *fields.counts(entries="Times that a user entered the variant."),
                    *fields.conversions("entry"),
                    nullable=True,
                )
            ),
            description="Statistics of each variant, by its API identifier.",
        ),
        th.Property(
            "step_stats",
            th.ObjectType(
                additional_properties=th.ObjectType(
                    th.Property("name", th.StringType, description="Name of the step."),
                    fields.REVENUE,
                    *fields.conversions("entry"),
                    fields.messages("Statistics of the step's messages by channel."),
                    nullable=True,
                )
            ),
            description="Statistics of each step, deleted ones too, by its API identifier.",
        ),
    )

    @override
    def rows(self, document: dict[str, Any]) -> list[Record]:
        data = document["data"] or {"stats": []}
        return [{"name": data.get("name"), **row} for row in data["stats"]]
