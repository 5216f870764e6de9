"""News Feed cards, which Content Cards replaced: not selected by default."""

from __future__ import annotations

from singer_sdk import typing as th

from tap_braze.settings.opt_in import INCLUDE_COSTLY_STREAMS
from tap_braze.streams.base import columns
from tap_braze.streams.base.details import DetailsStream
from tap_braze.streams.base.lists import ListStream
from tap_braze.streams.base.paginators import PageNumbers
from tap_braze.streams.base.series import SeriesStream


class Cards(ListStream):
    """All News Feed cards."""

    name = "cards"
    path = "/feed/list"
    permission = "feed.list"
    payload = "cards"
    paginator = PageNumbers()
    selected_by_default = False
    archivable = True
    primary_keys = ("id",)
    unversioned = frozenset()
    schema = columns.schema(
        columns.key("id", "API identifier of the card."),
        th.Property("type", th.StringType, description="`NewsItem`, `CaptionedImage`, `Banner` or `DevPick`."),
        th.Property("title", th.StringType, description="Title of the card."),
        columns.strings("tags", "Names of its tags."),
    )


class CardsDetails(DetailsStream):
    """Details of each News Feed card: texts, image and times."""

    name = "cards_details"
    path = "/feed/details"
    permission = "feed.details"
    selected_by_default = False
    opt_in = INCLUDE_COSTLY_STREAMS
    parent = Cards
    parent_key = "card_id"
    active_from = ("created_at",)
    primary_keys = ("card_id",)
    schema = columns.schema(
        columns.key("card_id", "API identifier of the card."),
        *columns.edits(),
        columns.moment("publish_at", "When it is first shown."),
        columns.moment("end_at", "When it is last shown; null if it does not end."),
        th.Property("name", th.StringType, description="Name of the card."),
        th.Property("title", th.StringType, description="Title of the card."),
        th.Property("description", th.StringType, description="Its text."),
        th.Property("image_url", th.StringType, description="URL of its image."),
        columns.strings("tags", "Names of its tags."),
        columns.open_object("extras", "Its key-value pairs."),
        *columns.flags(archived="Whether it is archived.", draft="Whether it is a draft."),
    )


class CardsAnalytics(SeriesStream):
    """Statistics of each News Feed card by day."""

    name = "cards_analytics"
    path = "/feed/data_series"
    permission = "feed.data_series"
    selected_by_default = False
    opt_in = INCLUDE_COSTLY_STREAMS
    parent = Cards
    parent_key = "card_id"
    details = CardsDetails
    hourly = True
    primary_keys = ("card_id", "time")
    schema = columns.schema(
        columns.key("card_id", "API identifier of the card."),
        columns.day(),
        *columns.counts(
            clicks="Clicks.",
            impressions="Times shown.",
            unique_clicks="Distinct users who clicked.",
            unique_impressions="Distinct users who saw it.",
        ),
    )
