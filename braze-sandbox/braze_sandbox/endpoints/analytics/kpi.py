"""Workspace-wide series: KPIs and sessions (docs: get_kpi_…, get_sessions_analytics)."""

from __future__ import annotations

from datetime import date
from functools import partial
from typing import TYPE_CHECKING

from braze_sandbox.endpoints.analytics.series import Figure, Line, Shape
from braze_sandbox.endpoints.analytics.series_responses import late_days, plain_series
from braze_sandbox.request.endpoint import Call, Endpoint

if TYPE_CHECKING:
    from braze_sandbox.wire.answer import Answer

BEGINNING = date(2023, 1, 1)
"""The first day on which the company had users."""

_KPIS = {"new_users": 0.02, "dau": 1.0, "mau": 9.0, "uninstalls": 0.005}


def kpi(call: Call, metric: str, shape: Shape) -> Answer:
    """GET /kpi/{metric}/data_series: daily only."""
    return plain_series(
        call,
        shape,
        Line("kpi/" + metric, steady=metric == "mau"),
        late=late_days(call, "kpi", metric),
        hourly=False,
        active=(BEGINNING, call.instance.clock.today()),
    )


def sessions(call: Call) -> Answer:
    """GET /sessions/data_series."""
    return plain_series(
        call,
        _SESSIONS,
        Line("sessions"),
        late=late_days(call, "sessions", "sessions"),
        hourly=True,
        active=(BEGINNING, call.instance.clock.today()),
    )


_SESSIONS = Shape({"sessions": Figure(2.0, late=True)})

ENDPOINTS = [
    *(
        Endpoint(
            method="GET",
            path=f"/kpi/{metric}/data_series",
            permission=f"kpi.{metric}.data_series",
            pool="a",
            handler=partial(kpi, metric=metric, shape=Shape({metric: Figure(share, late=True)})),
        )
        for metric, share in _KPIS.items()
    ),
    Endpoint(method="GET", path="/sessions/data_series", permission="sessions.data_series", pool="a", handler=sessions),
]
