"""The streams of campaigns."""

from __future__ import annotations

from singer_sdk import typing as th

from tap_braze.streams import fields
from tap_braze.streams.base import CAMPAIGN_SERIES, ListStream, SeriesStream


class Campaigns(ListStream):
    """Campaigns that were edited since the last run."""

    name = "campaigns"
    path = "/campaigns/list"
    permission = "campaigns.list"
    payload = "campaigns"
    primary_keys = ("id",)
    replication_key = "last_edited"
    archivable = True
    schema = fields.schema(
        fields.key("id", "API identifier of the campaign."),
        th.Property("last_edited", th.DateTimeType, description="When the campaign was last edited."),
        th.Property("name", th.StringType, description="Name of the campaign."),
        th.Property("is_api_campaign", th.BooleanType, description="Whether it is an API campaign."),
        fields.strings("tags", "Names of its tags."),
    )


class CampaignsAnalytics(SeriesStream):
    """Statistics of each campaign by day, channels nested as Braze sends them."""

    name = "campaigns_analytics"
    path = "/campaigns/data_series"
    permission = "campaigns.data_series"
    pool = CAMPAIGN_SERIES
    parent = Campaigns
    parent_key = "campaign_id"
    primary_keys = ("campaign_id", "time")
    schema = fields.schema(
        fields.key("campaign_id", "API identifier of the campaign."),
        fields.day(),
        *fields.counts(unique_recipients="Distinct recipients on the day."),
        *fields.conversions("send"),
        fields.REVENUE,
        fields.messages("Statistics by channel: a list with one object for each message variation."),
    )
