"""Metrics of each channel in series, as shares of the sends; in the real Braze, the set is open-ended."""

from __future__ import annotations

from typing import TYPE_CHECKING

from braze_sandbox.endpoints.analytics.series import Figure

if TYPE_CHECKING:
    from collections.abc import Mapping

    Metrics = Mapping[str, Mapping[str, float]]

CONVERSIONS = 4
"""Number of conversion events in the documentation; recordings have more."""

SERIES_KEY = {"in_app_message": "trigger_in_app_message"}
"""Channels with different names in series and in details."""

_PUSHES = ("ios_push", "android_push", "web_push", "kindle_push")
_PUSH = {"sent": 1.0, "direct_opens": 0.08, "total_opens": 0.14, "bounces": 0.01, "body_clicks": 0.05}
_CAMPAIGN: dict[str, dict[str, float]] = {
    **dict.fromkeys(_PUSHES, _PUSH),
    "webhook": {"sent": 1.0, "errors": 0.01},
    "email": {
        "sent": 1.0,
        "opens": 0.52,
        "unique_opens": 0.33,
        "clicks": 0.11,
        "unique_clicks": 0.07,
        "unsubscribes": 0.004,
        "bounces": 0.012,
        "delivered": 0.98,
        "reported_spam": 0.001,
    },
    "sms": {
        "sent": 1.0,
        "sent_to_carrier": 0.99,
        "delivered": 0.95,
        "rejected": 0.01,
        "delivery_failed": 0.02,
        "clicks": 0.06,
        "opt_out": 0.005,
        "help": 0.002,
    },
    "whats_app": {"sent": 1.0, "delivered": 0.96, "failed": 0.03, "read": 0.6},
    "content_cards": {
        "sent": 1.0,
        "total_clicks": 0.09,
        "total_dismissals": 0.05,
        "total_impressions": 0.9,
        "unique_clicks": 0.06,
        "unique_dismissals": 0.04,
        "unique_impressions": 0.6,
    },
    "trigger_in_app_message": {
        "impressions": 0.8,
        "clicks": 0.12,
        "first_button_clicks": 0.07,
        "second_button_clicks": 0.03,
    },
    # Not documented: anything missing from the recordings is a guess.
    "banners": {"impressions": 0.9, "clicks": 0.05},
}
_SENT_PUSH = {**_PUSH, "delivered": 0.97, "undelivered": 0.03, "delivery_failed": 0.01}
_SEND = _CAMPAIGN | dict.fromkeys(_PUSHES, _SENT_PUSH)
"""The docs show only iOS push; other channels count the same metrics as in campaigns."""
_STEP_PUSH = {"sent": 1.0, "opens": 0.14, "influenced_opens": 0.2, "bounces": 0.01}
_STEP = _CAMPAIGN | dict.fromkeys(_PUSHES, _STEP_PUSH)
"""Push steps count different metrics than push campaigns."""

_CLICKS = {"notif_button_1_Track_click": 0.02, "carousel_slide_1_Parcel_click": 0.01}
_RECORDED: dict[str, dict[str, float]] = {
    "email": {"machine_open": 0.2, "machine_amp_open": 0.001},
    "ios_push": _CLICKS,
    "android_push": _CLICKS,
    "banners": {"dismissals": 0.02, "unique_daily_impressions": 0.5},
}
"""Metrics found only in recordings, in every entry."""


def _with_recorded(metrics: Metrics) -> Metrics:
    return {channel: {**shares, **_RECORDED.get(channel, {})} for channel, shares in metrics.items()}


_BOTH = {
    "campaign": (_CAMPAIGN, _with_recorded(_CAMPAIGN)),
    "send": (_SEND, _with_recorded(_SEND)),
    "step": (_STEP, _with_recorded(_STEP)),
}


def metrics(of: str, channel: str, *, recorded: bool) -> Mapping[str, float]:
    """Return the shares of a channel's metrics in the series of a `campaign`, a `send`, or a Canvas `step`."""
    return _BOTH[of][recorded].get(channel, {"sent": 1.0})


def conversions(count: int, share: float, *, recorded: bool, late: bool = False) -> dict[str, Figure]:
    """Return the first few conversion events' conversions, by conversion day and by send day."""
    figures = {}
    for number in range(count if recorded else min(count, CONVERSIONS)):
        name = f"conversions{number or ''}"
        figures[name] = Figure(share / (number + 1), late=late)
        figures[f"{name}_by_send_time"] = Figure(share / (number + 1) * 0.9, late=late)
    return figures
