"""Canvases: list, details and analytics."""

from __future__ import annotations

from datetime import date, datetime, time, timedelta
from typing import TYPE_CHECKING, Any, Final

from singer_sdk import typing as th
from typing_extensions import override

from tap_braze.fetching.windows import DAY, Window
from tap_braze.settings.opt_in import INCLUDE_COSTLY_STREAMS
from tap_braze.streams.base import columns
from tap_braze.streams.base.details import TRANSLATABLE, DetailsStream
from tap_braze.streams.base.lists import ChangesStream
from tap_braze.streams.base.long_form import objects, unfold_messages
from tap_braze.streams.base.messages import DraftStream, MessageStream
from tap_braze.streams.base.paginators import PageNumbers
from tap_braze.streams.base.series import SeriesStream

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from singer_sdk.helpers.types import Record

_LONGEST: Final = 14


class Canvases(ChangesStream):
    """All Canvases."""

    name = "canvases"
    path = "/canvas/list"
    permission = "canvas.list"
    payload = "canvases"
    paginator = PageNumbers()
    primary_keys = ("id",)
    unversioned = frozenset()
    replication_key = "last_edited"
    archivable = True
    schema = columns.schema(
        columns.key("id", "API identifier of the Canvas."),
        th.Property("last_edited", th.DateTimeType, description="When the Canvas was last edited."),
        th.Property("name", th.StringType, description="Name of the Canvas."),
        columns.strings("tags", "Names of its tags."),
    )


class CanvasesDetails(DetailsStream):
    """Details of each Canvas: variants, steps, messages, schedule, first and last entry."""

    name = "canvases_details"
    path = "/canvas/details"
    permission = "canvas.details"
    parent = Canvases
    parent_key = "canvas_id"
    params = TRANSLATABLE
    active_from = ("first_entry", "created_at")
    primary_keys = ("canvas_id",)
    unversioned = frozenset({"last_entry"})
    schema = columns.schema(
        columns.key("canvas_id", "API identifier of the Canvas."),
        *columns.campaign_or_canvas("Canvas"),
        th.Property("schedule_type", th.StringType, description="How it is scheduled, such as `action_based`."),
        columns.moment("first_entry", "When a user first entered it; null before the first entry."),
        columns.moment("last_entry", "When a user last entered it; null before the first entry."),
        columns.strings("channels", "Channels that it uses."),
        columns.strings("tags", "Names of its tags."),
        columns.strings("teams", "Names of its teams."),
        th.Property(
            "variants",
            th.ArrayType(
                th.ObjectType(
                    th.Property("id", th.StringType, description="API identifier of the variant."),
                    th.Property("name", th.StringType, description="Name of the variant."),
                    columns.strings("first_step_ids", "API identifiers of its first steps."),
                    th.Property(
                        "first_step_id",
                        th.StringType,
                        description="API identifier of the first step, if there is only one.",
                    ),
                )
            ),
            description="Its variants.",
        ),
        th.Property(
            "steps",
            th.ArrayType(
                th.ObjectType(
                    th.Property("id", th.StringType, description="API identifier of the step."),
                    th.Property("name", th.StringType, description="Name of the step."),
                    th.Property("type", th.StringType, description="Type of the component."),
                    columns.strings("next_step_ids", "API identifiers of the steps after a message."),
                    th.Property(
                        "next_paths",
                        th.ArrayType(
                            th.ObjectType(
                                th.Property("name", th.StringType, description="Name of the path, or null."),
                                th.Property("next_step_id", th.StringType, description="Where it leads."),
                            )
                        ),
                        description="Paths to the next steps.",
                    ),
                    columns.strings("channels", "Channels that it uses."),
                    columns.open_object(
                        "messages",
                        "Messages by API identifier of the variation, with `has_translatable_content` as in campaigns.",
                    ),
                )
            ),
            description="Steps, which form a graph.",
        ),
    )


class CanvasesDrafts(DraftStream):
    """Details of Canvases with changes that are not live yet, including these changes."""

    name = "canvases_drafts"
    path = CanvasesDetails.path
    permission = CanvasesDetails.permission
    details = CanvasesDetails
    primary_keys = ("canvas_id",)
    schema = CanvasesDetails.schema


_STATS: Final[list[th.Property[Any]]] = [
    th.Property(
        "total_stats",
        th.ObjectType(
            columns.REVENUE,
            *columns.counts(entries="Times that a user entered the Canvas."),
            *columns.conversions("entry"),
        ),
        description="Statistics of the whole Canvas.",
    ),
    th.Property(
        "variant_stats",
        th.ObjectType(
            additional_properties=th.ObjectType(
                th.Property("name", th.StringType, description="Name of the variant."),
                columns.REVENUE,
                *columns.counts(entries="Times that a user entered the variant."),
                *columns.conversions("entry"),
                nullable=True,
            )
        ),
        description="Statistics by API identifier of the variant.",
    ),
    th.Property(
        "step_stats",
        th.ObjectType(
            additional_properties=th.ObjectType(
                th.Property("name", th.StringType, description="Name of the step."),
                columns.REVENUE,
                *columns.conversions("entry"),
                columns.messages("Statistics of the step's messages by channel."),
                nullable=True,
            )
        ),
        description="Statistics by API identifier of the step, including deleted steps.",
    ),
]


class CanvasesAnalytics(SeriesStream):
    """Statistics of each Canvas by day, with nested variants and steps."""

    name = "canvases_analytics"
    path = "/canvas/data_series"
    permission = "canvas.data_series"
    parent = Canvases
    parent_key = "canvas_id"
    details = CanvasesDetails
    longest = _LONGEST
    switches = ("include_variant_breakdown", "include_step_breakdown", "include_deleted_step_data")
    rows_in = "stats"
    shared_columns = ("name",)
    primary_keys: Sequence[str] = ("canvas_id", "time")
    schema = columns.schema(
        columns.key("canvas_id", "API identifier of the Canvas."),
        columns.day(),
        th.Property("name", th.StringType, description="Name of the Canvas."),
        *_STATS,
    )


class CanvasesVariantsAnalytics(CanvasesAnalytics):
    """Statistics of each variant of a Canvas by day: `canvases_analytics` in long form."""

    name = "canvases_variants_analytics"
    source = CanvasesAnalytics
    primary_keys = ("canvas_id", "time", "variant_id")
    schema = columns.schema(
        columns.key("canvas_id", "API identifier of the Canvas."),
        columns.day(),
        columns.key("variant_id", "API identifier of the variant."),
        th.Property("name", th.StringType, description="Name of the variant."),
        columns.REVENUE,
        *columns.counts(entries="Times that a user entered the variant."),
        *columns.conversions("entry"),
        extra=columns.OTHER_METRICS,
    )

    @override
    def unfold(self, row: Record) -> Iterator[Record]:
        for variant, stats in objects(row.get("variant_stats")):
            yield {**stats, "canvas_id": row["canvas_id"], "time": row["time"], "variant_id": variant}


class CanvasesStepsAnalytics(CanvasesAnalytics):
    """Statistics of each step of a Canvas by day, including deleted steps: `canvases_analytics` in long form."""

    name = "canvases_steps_analytics"
    source = CanvasesAnalytics
    primary_keys = ("canvas_id", "time", "step_id")
    schema = columns.schema(
        columns.key("canvas_id", "API identifier of the Canvas."),
        columns.day(),
        columns.key("step_id", "API identifier of the step."),
        th.Property("name", th.StringType, description="Name of the step."),
        columns.REVENUE,
        *columns.conversions("entry"),
        extra=columns.OTHER_METRICS,
    )

    @override
    def unfold(self, row: Record) -> Iterator[Record]:
        for step, stats in objects(row.get("step_stats")):
            flat = {name: value for name, value in stats.items() if name != "messages"}
            yield {**flat, "canvas_id": row["canvas_id"], "time": row["time"], "step_id": step}


class CanvasesMessagesAnalytics(CanvasesAnalytics):
    """Statistics of each message of a Canvas by day, step and channel: `canvases_analytics` in long form."""

    name = "canvases_messages_analytics"
    source = CanvasesAnalytics
    primary_keys = ("canvas_id", "time", "step_id", "channel", "variation")
    schema = columns.schema(
        columns.key("canvas_id", "API identifier of the Canvas."),
        columns.day(),
        columns.key("step_id", "API identifier of the step."),
        th.Property("step_name", th.StringType, description="Name of the step."),
        *columns.flat_messages(),
        *columns.conversions("entry"),
        extra=columns.OTHER_METRICS,
    )

    @override
    def unfold(self, row: Record) -> Iterator[Record]:
        for step, stats in objects(row.get("step_stats")):
            parent = {
                "canvas_id": row["canvas_id"],
                "time": row["time"],
                "step_id": step,
                "step_name": stats.get("name"),
            }
            yield from unfold_messages(parent, stats.get("messages"))


class CanvasesSummary(SeriesStream):
    """Statistics of each Canvas in 14-day periods that start every second Monday; the last may be incomplete."""

    name = "canvases_summary"
    path = "/canvas/data_summary"
    permission = "canvas.data_summary"
    opt_in = INCLUDE_COSTLY_STREAMS
    selected_by_default = False  # as many requests as `canvases_analytics`, whose days add up to the same
    parent = Canvases
    parent_key = "canvas_id"
    details = CanvasesDetails
    longest = _LONGEST
    trimmed = False
    switches = CanvasesAnalytics.switches
    primary_keys = ("canvas_id", "time")
    schema = columns.schema(
        columns.key("canvas_id", "API identifier of the Canvas."),
        columns.day("First day of the 14-day period."),
        th.Property(
            "last_day",
            th.DateType,
            description="Last day of the period, or the last day read if the period is not over.",
        ),
        th.Property("name", th.StringType, description="Name of the Canvas."),
        *_STATS,
    )

    @override
    def aligned(self, day: date) -> date:
        """Return the first of the 14 days that a day belongs to: the same days whatever the start date."""
        return day - timedelta(days=(day.toordinal() - 1) % _LONGEST)

    @override
    def windows(self, first: date, last: date) -> Iterator[Window]:
        day = self.aligned(first)
        while day <= last:
            yield Window(day, min(day + (_LONGEST - 1) * DAY, self.run.settings.last_day))
            day += _LONGEST * DAY

    @override
    def dates(self, window: Window) -> dict[str, str]:
        # The response does not show which days it covers, so the bounds follow the docs' own examples.
        zone = self.run.settings.zone
        end = datetime.combine(window.last, time(23, 59, 59), zone)
        return {"starting_at": datetime.combine(window.first, time(), zone).isoformat(), "ending_at": end.isoformat()}

    @override
    def rows(self, document: dict[str, Any], window: Window) -> list[Record]:
        data = document["data"]
        return [{**data, "time": window.first.isoformat(), "last_day": window.last.isoformat()}] if data else []


class CanvasMessageStream(MessageStream):
    """By Canvas and step."""

    details = CanvasesDetails

    @override
    def messages(self, document: dict[str, Any]) -> Iterator[tuple[dict[str, str], dict[str, Any]]]:
        for step in document.get("steps") or []:
            for variation, message in (step.get("messages") or {}).items():
                if message.get("type") != "control":
                    yield {"canvas_step_id": step["id"], "message_variation_id": variation}, message
