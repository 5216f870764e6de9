"""Campaigns: list, details, and series (docs: get_campaigns, get_campaign_details, get_campaign_analytics)."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from braze_sandbox.endpoints.analytics.series import Figure, Line, Shape, by_day
from braze_sandbox.endpoints.analytics.series_responses import DAYS, late_days, series
from braze_sandbox.endpoints.messaging.metrics import SERIES_KEY, conversions, metrics
from braze_sandbox.endpoints.messaging.sent import with_messages
from braze_sandbox.model.clock import iso
from braze_sandbox.request.endpoint import Call, Endpoint
from braze_sandbox.request.query import choice, ending_at, flag, integer, lookup, moment, paged
from braze_sandbox.wire.answer import Answer, success

if TYPE_CHECKING:
    from datetime import date, datetime

    from braze_sandbox.model.workspace import Campaign

PAGE = 100
UNKNOWN = "campaign_id must be a string of the campaign api identifier"


def listed(call: Call, objects: list[Any]) -> list[Any]:
    """Return list rows of campaigns or Canvases: archived and edited-since filters, by creation time."""
    archived = flag(call, "include_archived")
    since = moment(call, "last_edit.time[gt]")
    descending = choice(call, "sort_direction", ("asc", "desc")) == "desc"
    kept = [o for o in objects if (archived or not o.archived) and (since is None or o.updated_at > since)]
    kept.sort(key=lambda o: (o.created_at, o.id), reverse=descending)
    return kept


def list_(call: Call) -> Answer:
    """GET /campaigns/list. Drafts are listed (docs silent)."""
    kept = listed(call, list(call.instance.workspace.campaigns.values()))
    rows = [
        {
            "id": campaign.id,
            "last_edited": iso(campaign.updated_at),
            "name": campaign.name,
            "is_api_campaign": campaign.is_api_campaign,
            "tags": campaign.tags,
        }
        for campaign in paged(call, kept, PAGE)
    ]
    return success({"campaigns": rows})


def last_active(first: datetime | None, last: datetime | None, now: datetime) -> datetime | None:
    """Return when something that has begun was last active: now, unless it has ended."""
    return None if first is None or first > now else last or now.replace(minute=0, second=0, microsecond=0)


def with_translatable(call: Call, messages: dict[str, dict[str, Any]]) -> dict[str, dict[str, Any]]:
    """Return messages with the flag requested by `include_has_translatable_content`."""
    if not flag(call, "include_has_translatable_content"):
        return messages
    there = call.instance.workspace.translations if call.instance.workspace.multi_language else {}
    return {key: {**message, "has_translatable_content": key in there} for key, message in messages.items()}


def details(call: Call) -> Answer:
    """GET /campaigns/details. For a campaign that was never sent, first and last are null (docs silent)."""
    campaign = lookup(call, "campaign_id", call.instance.workspace.campaigns, UNKNOWN)
    pending = flag(call, "post_launch_draft_version") and campaign.has_post_launch_draft
    last = last_active(campaign.first_sent, campaign.last_sent, call.instance.clock.now())
    return success(
        {
            "created_at": iso(campaign.created_at),
            "updated_at": iso(campaign.updated_at),
            "archived": campaign.archived,
            "draft": campaign.draft,
            "enabled": campaign.enabled,
            "has_post_launch_draft": campaign.has_post_launch_draft,
            "name": campaign.name,
            "description": campaign.description + (" (draft)" if pending else ""),
            "schedule_type": campaign.schedule_type,
            "channels": campaign.channels,
            "first_sent": iso(campaign.first_sent) if last and campaign.first_sent else None,
            "last_sent": iso(last) if last else None,
            "tags": campaign.tags,
            "teams": campaign.teams,
            "messages": with_translatable(call, campaign.messages),
            "conversion_behaviors": campaign.conversion_behaviors,
        }
    )


def shape(campaign: Campaign, *, recorded: bool) -> Shape:
    """Return the form of a campaign's rows: one array per channel, one element per variation."""
    count = len(campaign.conversion_behaviors)
    channels: dict[str, list[dict[str, object]]] = {}
    split = max(1, len(campaign.messages))
    for variation, message in campaign.messages.items():
        control = message.get("type") == "control"
        key = SERIES_KEY.get(message["channel"], message["channel"])
        element: dict[str, object] = {}
        if campaign.multivariate:
            element["variation_name"] = message.get("name", "Control")
            element |= {"revenue": Figure(0.4 / split, money=True), "unique_recipients": Figure(0.95 / split)}
            element |= conversions(count, 0.04 / split, recorded=recorded)
        else:
            element["variation_api_id"] = variation
        if control:
            element["enrolled"] = Figure(1.0 / split)
        else:
            element |= {
                name: Figure(share / split) for name, share in metrics("campaign", key, recorded=recorded).items()
            }
        channels.setdefault(key, []).append(element)
    row: dict[str, object] = {"messages": channels, **conversions(count, 0.04, recorded=recorded, late=True)}
    if count:
        row["revenue"] = Figure(0.4, money=True)
    row["unique_recipients"] = Figure(0.95)
    return Shape(row)


def active_days(call: Call, first: datetime | None, last: datetime | None) -> tuple[date, date] | None:
    """Return the company's days between a first and a last moment."""
    clock = call.instance.clock
    end = last_active(first, last, clock.now())
    return (
        None
        if first is None or end is None
        else (first.astimezone(clock.zone).date(), end.astimezone(clock.zone).date())
    )


def data_series(call: Call) -> Answer:
    """GET /campaigns/data_series. Archived campaigns and drafts work too (docs silent)."""
    campaign = lookup(call, "campaign_id", call.instance.workspace.campaigns, UNKNOWN)
    length = integer(call, "length", None, 1, DAYS)
    clock = call.instance.clock
    rows = by_day(
        shape(campaign, recorded=call.recorded),
        Line(campaign.id, quiet=40),
        clock.days(ending_at(call, clock), length),
        active=active_days(call, campaign.first_sent, campaign.last_sent),
        late=late_days(call, "campaigns", campaign.id),
        zero_rows=call.instance.options.zero_rows,
    )
    sent = (message for message in call.instance.workspace.messages if message.campaign_id == campaign.id)
    return series(call, with_messages(call, rows, campaign, sent))


ENDPOINTS = [
    Endpoint(method="GET", path="/campaigns/list", permission="campaigns.list", pool="a", handler=list_),
    Endpoint(method="GET", path="/campaigns/details", permission="campaigns.details", pool="a", handler=details),
    Endpoint(
        method="GET", path="/campaigns/data_series", permission="campaigns.data_series", pool="b", handler=data_series
    ),
]
