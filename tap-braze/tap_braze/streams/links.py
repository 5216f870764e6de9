"""The streams of the links in emails, for workspaces that use link aliasing; off by default."""

from __future__ import annotations

from types import MappingProxyType
from typing import TYPE_CHECKING, Any, Final

from singer_sdk import typing as th
from typing_extensions import override

from tap_braze.streams.base import fields
from tap_braze.streams.base.message_details import OfCampaignMessages, OfCanvasMessages, OfMessages

if TYPE_CHECKING:
    from singer_sdk.helpers.types import Record

    from tap_braze.fetching.fetch import Document, Request

_LINK: Final[tuple[th.Property[Any], ...]] = (
    fields.key("message_variation_id", "API identifier of the message variation."),
    fields.key("link_id", "Id of the link."),
    th.Property("link_URL", th.StringType, description="Where the link leads."),
    th.Property("link_alias", th.StringType, description="Alias of the link."),
    th.Property(
        "content_block_path_info",
        th.ArrayType(th.AnyType),
        description="The Content Blocks that the link comes from, as Braze sends them.",
    ),
    th.Property("channel", th.StringType, description="Channel of the message: `email`."),
    th.Property("name", th.StringType, description="Name of the message variation."),
)


class _Links(OfMessages):
    payload = "link_data"
    channels = frozenset({"email"})

    @override
    def rows(self, request: Request, document: Document) -> list[Record]:
        common = {**request.tags, "channel": document.get("channel"), "name": document.get("name")}
        return [{**common, **link} for link in document[self.payload] or []]


class CampaignsLinks(_Links, OfCampaignMessages):
    """Links in the emails of each campaign, with their aliases."""

    name = "campaigns_links"
    path = "/campaigns/url_info/details"
    permission = "campaigns.url_info.details"
    primary_keys = ("campaign_id", "message_variation_id", "link_id")
    schema = fields.schema(fields.key("campaign_id", "API identifier of the campaign."), *_LINK)


class CanvasesLinks(_Links, OfCanvasMessages):
    """Links in the emails of each Canvas, with their aliases."""

    name = "canvases_links"
    path = "/canvas/url_info/details"
    permission = "canvas.url_info.details"
    parameters = MappingProxyType({"canvas_id": ""})
    primary_keys = ("canvas_id", "canvas_step_id", "message_variation_id", "link_id")
    schema = fields.schema(
        fields.key("canvas_id", "API identifier of the Canvas."),
        fields.key("canvas_step_id", "API identifier of the step."),
        *_LINK,
    )
