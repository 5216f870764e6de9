"""Figures of tracked sends (docs: get_send_analytics)."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING

from braze_sandbox.endpoints.analytics.series import Figure, Line, Shape, by_day
from braze_sandbox.endpoints.analytics.series_responses import DAYS, late_days, series
from braze_sandbox.endpoints.messaging.campaigns import UNKNOWN as UNKNOWN_CAMPAIGN
from braze_sandbox.endpoints.messaging.metrics import SERIES_KEY, conversions, metrics
from braze_sandbox.endpoints.messaging.sent import with_messages
from braze_sandbox.request.endpoint import Call, Endpoint
from braze_sandbox.request.query import ending_at, integer, lookup
from braze_sandbox.wire.answer import Answer, Refusal

if TYPE_CHECKING:
    from braze_sandbox.model.workspace import Campaign

UNKNOWN = "Invalid Send ID"
KEPT = timedelta(days=14)


def shape(campaign: Campaign, *, recorded: bool) -> Shape:
    """Return the form of a send's rows: variations by name, each with its own conversions."""
    count = max(1, len(campaign.conversion_behaviors))
    channels: dict[str, list[dict[str, object]]] = {}
    split = max(1, len(campaign.messages))
    for message in campaign.messages.values():
        key = SERIES_KEY.get(message["channel"], message["channel"])
        control = message.get("type") == "control"
        shares = {} if control else metrics("send", key, recorded=recorded)
        channels.setdefault(key, []).append(
            {
                "variation_name": message.get("name", "Control"),
                **{name: Figure(share / split) for name, share in shares.items()},
                "revenue": Figure(0.4 / split, money=True),
                # For the whole campaign, in every variation.
                "unique_recipients": Figure(0.95),
                **conversions(count, 0.04 / split, recorded=recorded),
            }
        )
    return Shape(
        {
            "messages": channels,
            **conversions(count, 0.04, recorded=recorded, late=True),
            "unique_recipients": Figure(0.95),
            "revenue": Figure(0.4, money=True),
        }
    )


def data_series(call: Call) -> Answer:
    """GET /sends/data_series.

    Docs silent: a send of another campaign, or a campaign that is not an API campaign, is a 400; a send from more than
    14 days ago has no rows.
    """
    workspace, clock = call.instance.workspace, call.instance.clock
    campaign = lookup(call, "campaign_id", workspace.campaigns, UNKNOWN_CAMPAIGN)
    send = lookup(call, "send_id", workspace.sends, UNKNOWN)
    length = integer(call, "length", None, 1, DAYS)
    end = ending_at(call, clock)
    if send.campaign_id != campaign.id:
        raise Refusal(400, UNKNOWN)
    if not campaign.is_api_campaign:
        raise Refusal(400, "The campaign is not an API campaign")
    gone = clock.now() > send.sent_at + KEPT
    rows = by_day(
        shape(campaign, recorded=call.recorded),
        Line("send/" + send.id),
        [] if gone else clock.days(end, length),
        active=(send.sent_at.astimezone(clock.zone).date(), clock.today()),
        late=late_days(call, "sends", send.id),
        zero_rows=call.instance.options.zero_rows,
    )
    sent = (message for message in workspace.messages if message.send_id == send.id)
    return series(call, with_messages(call, rows, campaign, sent))


ENDPOINTS = [
    Endpoint(method="GET", path="/sends/data_series", permission="sends.data_series", pool="a", handler=data_series),
]
