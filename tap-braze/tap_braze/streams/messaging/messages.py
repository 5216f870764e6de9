"""Messages: scheduled ones, and the links in emails."""

from __future__ import annotations

from datetime import datetime, timedelta, timezone
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, Final

from singer_sdk import typing as th
from typing_extensions import override

from tap_braze.streams.base import columns
from tap_braze.streams.base.lists import ListStream
from tap_braze.streams.base.messages import MessageStream
from tap_braze.streams.base.row_types import NO_VALUE
from tap_braze.streams.messaging.campaigns import CampaignMessageStream
from tap_braze.streams.messaging.canvases import CanvasMessageStream

if TYPE_CHECKING:
    from collections.abc import Iterator

    from singer_sdk.helpers.types import Record

    from tap_braze.fetching.fetch import Document, Request


class ScheduledBroadcasts(ListStream):
    """Campaigns and Canvases scheduled for the next days."""

    name = "scheduled_broadcasts"
    path = "/messages/scheduled_broadcasts"
    permission = "messages.schedule_broadcasts"
    payload = "scheduled_broadcasts"
    primary_keys = ("type", "id", "next_send_time")
    schema = columns.schema(
        columns.key("type", "Whether it is a campaign or a Canvas."),
        columns.key("id", "API identifier of the campaign or Canvas."),
        # Not a moment: in users' local times it has no offset.
        columns.key(
            "next_send_time",
            "Next send time, without an offset if it depends on the user's time zone; `(none)` if Braze sends none.",
        ),
        th.Property("name", th.StringType, description="Name of the campaign or Canvas."),
        th.Property(
            "schedule_type",
            th.StringType,
            description="`local_time_zones`, `intelligent_delivery` or the name of the company's time zone.",
        ),
        columns.strings("tags", "Names of its tags."),
    )

    @override
    def plan(self, since: datetime | None) -> Iterator[Request]:
        # Whatever its time, only the midnight at the start of its day counts, so the last day is included.
        end = datetime.now(timezone.utc) + timedelta(days=self.run.settings.broadcast_days + 1)
        yield self.request({"end_time": end.strftime("%Y-%m-%dT00:00:00Z")})

    @override
    def rows(self, request: Request, document: Document) -> list[Record]:
        rows = super().rows(request, document)
        return [{**row, "next_send_time": row.get("next_send_time") or NO_VALUE} for row in rows]


_LINK: Final[tuple[th.Property[Any], ...]] = (
    columns.key("message_variation_id", "API identifier of the message variation."),
    columns.key("link_id", "ID of the link."),
    th.Property("link_URL", th.StringType, description="URL of the link."),
    th.Property("link_alias", th.StringType, description="Alias of the link."),
    columns.open_array("content_block_path_info", "Content Blocks that contain the link, as sent by Braze."),
    th.Property("channel", th.StringType, description="Channel of the message: `email`."),
    th.Property("name", th.StringType, description="Name of the message variation."),
)


class _Links(MessageStream):
    payload = "link_data"
    channels = frozenset({"email"})

    @override
    def rows(self, request: Request, document: Document) -> list[Record]:
        common = {**request.tags, "channel": document.get("channel"), "name": document.get("name")}
        return [{**common, **link} for link in document[self.payload] or []]


class CampaignsLinks(_Links, CampaignMessageStream):
    """Links in the emails of each campaign, with their aliases."""

    name = "campaigns_links"
    path = "/campaigns/url_info/details"
    permission = "campaigns.url_info.details"
    primary_keys = ("campaign_id", "message_variation_id", "link_id")
    schema = columns.schema(columns.key("campaign_id", "API identifier of the campaign."), *_LINK)


class CanvasesLinks(_Links, CanvasMessageStream):
    """Links in the emails of each Canvas, with their aliases."""

    name = "canvases_links"
    path = "/canvas/url_info/details"
    permission = "canvas.url_info.details"
    parameter_names = MappingProxyType({"canvas_id": ""})
    primary_keys = ("canvas_id", "canvas_step_id", "message_variation_id", "link_id")
    schema = columns.schema(
        columns.key("canvas_id", "API identifier of the Canvas."),
        columns.key("canvas_step_id", "API identifier of the step."),
        *_LINK,
    )
