"""All streams of the tap, by family in the modules beside; how they are read is in `base`."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from tap_braze.streams import campaigns, canvases, cards, events, kpi, products, segments

if TYPE_CHECKING:
    from tap_braze.streams.base import BrazeStream

STREAMS: Final[tuple[type[BrazeStream], ...]] = (
    campaigns.Campaigns,
    campaigns.CampaignsAnalytics,
    canvases.Canvases,
    canvases.CanvasesAnalytics,
    segments.Segments,
    segments.SegmentsAnalytics,
    events.Events,
    events.EventsAnalytics,
    products.Products,
    kpi.KpiDailyNewUsers,
    kpi.KpiDailyActiveUsers,
    kpi.KpiMonthlyActiveUsers,
    kpi.KpiDailyAppUninstalls,
    cards.Cards,
    cards.CardsAnalytics,
)
