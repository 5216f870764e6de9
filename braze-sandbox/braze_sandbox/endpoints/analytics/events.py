"""Custom events and purchases: names and counts by day (docs: get_custom_events, get_list_product_id, …)."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING

from braze_sandbox.endpoints.analytics.kpi import BEGINNING
from braze_sandbox.endpoints.analytics.series import Figure, Line, Shape
from braze_sandbox.endpoints.analytics.series_responses import late_days, plain_series
from braze_sandbox.request.endpoint import Call, Endpoint
from braze_sandbox.request.query import paged, required
from braze_sandbox.wire.answer import Answer, Refusal, success

if TYPE_CHECKING:
    from collections.abc import Iterable

PAGE = 250
"""The page size of /events/list. For products it is not documented, so it is the same here; pages start at 0."""


def names(call: Call, key: str) -> Answer:
    """GET /events/list and /purchases/product_list: names only, alphabetical."""
    known: Iterable[str] = getattr(call.instance.workspace, key)
    return success({key: paged(call, sorted(known), PAGE)})


_COUNT = Shape({"count": Figure(1.0, late=True)})


def event_series(call: Call) -> Answer:
    """GET /events/data_series.

    An event name that does not exist is a 400 (docs silent), which exposes a badly encoded name.
    """
    event = required(call, "event")
    if event not in call.instance.workspace.events:
        raise Refusal(400, "Invalid Event")
    late = late_days(call, "events", event)
    return plain_series(
        call,
        _COUNT,
        Line("event/" + event, quiet=30),
        late=late,
        hourly=True,
        active=(BEGINNING, call.instance.clock.today()),
    )


def purchase_series(call: Call, shape: Shape) -> Answer:
    """GET /purchases/revenue_series and /purchases/quantity_series, of one product or all. Unknown product: 400."""
    product = call.query.get("product")
    if product is not None and product not in call.instance.workspace.products:
        raise Refusal(400, "Invalid Product")
    return plain_series(
        call,
        shape,
        Line("product/" + (product or ""), quiet=10 if product else 0),
        late=late_days(call, "products", product or ""),
        hourly=True,
        active=(BEGINNING, call.instance.clock.today()),
    )


ENDPOINTS = [
    Endpoint(
        method="GET", path="/events/list", permission="events.list", pool="c", handler=partial(names, key="events")
    ),
    Endpoint(method="GET", path="/events/data_series", permission="events.data_series", pool="a", handler=event_series),
    Endpoint(
        method="GET",
        path="/purchases/product_list",
        permission="purchases.product_list",
        pool="c",
        handler=partial(names, key="products"),
    ),
    # On neither list of the limits page; their own pages show the notice of pool C.
    Endpoint(
        method="GET",
        path="/purchases/quantity_series",
        permission="purchases.quantity_series",
        pool="c",
        handler=partial(purchase_series, shape=Shape({"purchase_quantity": Figure(1.0, late=True)})),
    ),
    Endpoint(
        method="GET",
        path="/purchases/revenue_series",
        permission="purchases.revenue_series",
        pool="c",
        # Typed int on its page, money everywhere else: cents are the interpretation that catches more bugs.
        handler=partial(purchase_series, shape=Shape({"revenue": Figure(25.0, money=True, late=True)})),
    ),
]
