"""The streams of News Feed cards, which Braze has replaced by Content Cards: not selected by default."""

from __future__ import annotations

from singer_sdk import typing as th

from tap_braze.streams import fields
from tap_braze.streams.base import ListStream, SeriesStream


class Cards(ListStream):
    """All News Feed cards."""

    name = "cards"
    path = "/feed/list"
    permission = "feed.list"
    payload = "cards"
    selected_by_default = False
    archivable = True
    primary_keys = ("id",)
    schema = fields.schema(
        fields.key("id", "API identifier of the card."),
        th.Property("type", th.StringType, description="`NewsItem`, `CaptionedImage`, `Banner` or `DevPick`."),
        th.Property("title", th.StringType, description="Title of the card."),
        fields.strings("tags", "Names of its tags."),
    )


class CardsAnalytics(SeriesStream):
    """Statistics of each News Feed card by day."""

    name = "cards_analytics"
    path = "/feed/data_series"
    permission = "feed.data_series"
    selected_by_default = False
    parent = Cards
    parent_key = "card_id"
    primary_keys = ("card_id", "time")
    schema = fields.schema(
        fields.key("card_id", "API identifier of the card."),
        fields.day(),
        *fields.counts(
            clicks="Clicks.",
            impressions="Times shown.",
            unique_clicks="Distinct users who clicked.",
            unique_impressions="Distinct users who saw it.",
        ),
    )
