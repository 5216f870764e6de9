"""Cards of the legacy News Feed (docs: get_news_feed_cards, …_card_details, …_card_analytics)."""

from __future__ import annotations

from braze_sandbox.endpoints.analytics.series import Figure, Line, Shape
from braze_sandbox.endpoints.analytics.series_responses import late_days, plain_series
from braze_sandbox.model.clock import iso
from braze_sandbox.request.endpoint import Call, Endpoint
from braze_sandbox.request.query import choice, flag, lookup, paged
from braze_sandbox.wire.answer import Answer, success

PAGE = 100
UNKNOWN = "Invalid Card ID"
SHAPE = Shape(
    {
        "clicks": Figure(0.1, late=True),
        "impressions": Figure(1.0),
        "unique_clicks": Figure(0.07, late=True),
        "unique_impressions": Figure(0.6),
    }
)


def list_(call: Call) -> Answer:
    """GET /feed/list."""
    archived = flag(call, "include_archived")
    descending = choice(call, "sort_direction", ("asc", "desc")) == "desc"
    kept = [card for card in call.instance.workspace.cards.values() if archived or not card.archived]
    kept.sort(key=lambda card: (card.created_at, card.id), reverse=descending)
    rows = [
        {"id": card.id, "type": card.type, "title": card.title, "tags": card.tags} for card in paged(call, kept, PAGE)
    ]
    return success({"cards": rows})


def details(call: Call) -> Answer:
    """GET /feed/details."""
    card = lookup(call, "card_id", call.instance.workspace.cards, UNKNOWN)
    return success(
        {
            "created_at": iso(card.created_at),
            "updated_at": iso(card.updated_at),
            "name": card.name,
            "publish_at": iso(card.publish_at) if card.publish_at else None,
            "end_at": iso(card.end_at) if card.end_at else None,
            "tags": card.tags,
            "title": card.title,
            "image_url": card.image_url,
            "extras": card.extras,
            "description": card.description,
            "archived": card.archived,
            "draft": card.draft,
        }
    )


def data_series(call: Call) -> Answer:
    """GET /feed/data_series."""
    card = lookup(call, "card_id", call.instance.workspace.cards, UNKNOWN)
    clock = call.instance.clock
    return plain_series(
        call,
        SHAPE,
        Line(card.id, quiet=20),
        late=late_days(call, "cards", card.id),
        hourly=True,
        active=(card.created_at.astimezone(clock.zone).date(), clock.today()),
    )


# The pages mention the default limit; the limits page does not list them (docs: api_limits).
ENDPOINTS = [
    Endpoint(method="GET", path="/feed/list", permission="feed.list", pool="a", handler=list_),
    Endpoint(method="GET", path="/feed/details", permission="feed.details", pool="a", handler=details),
    Endpoint(method="GET", path="/feed/data_series", permission="feed.data_series", pool="a", handler=data_series),
]
