"""Key performance indicators and sessions."""

from __future__ import annotations

from tap_braze.streams.base import columns
from tap_braze.streams.base.series import SeriesStream


class KpiDailyNewUsers(SeriesStream):
    """New users by day."""

    name = "kpi_daily_new_users"
    path = "/kpi/new_users/data_series"
    permission = "kpi.new_users.data_series"
    dimensions = ("app_id",)
    primary_keys = ("time",)
    schema = columns.schema(columns.day(), *columns.counts(new_users="New users on the day."))


class KpiDailyActiveUsers(SeriesStream):
    """Active users by day."""

    name = "kpi_daily_active_users"
    path = "/kpi/dau/data_series"
    permission = "kpi.dau.data_series"
    dimensions = ("app_id",)
    primary_keys = ("time",)
    schema = columns.schema(columns.day(), *columns.counts(dau="Distinct active users on the day."))


class KpiMonthlyActiveUsers(SeriesStream):
    """Active users of the 30 days up to each day."""

    name = "kpi_monthly_active_users"
    path = "/kpi/mau/data_series"
    permission = "kpi.mau.data_series"
    dimensions = ("app_id",)
    primary_keys = ("time",)
    schema = columns.schema(
        columns.day("Last day of the 30, in the company's time zone."),
        *columns.counts(mau="Distinct active users in the 30 days."),
    )


class KpiDailyAppUninstalls(SeriesStream):
    """App uninstalls by day."""

    name = "kpi_daily_app_uninstalls"
    path = "/kpi/uninstalls/data_series"
    permission = "kpi.uninstalls.data_series"
    dimensions = ("app_id",)
    primary_keys = ("time",)
    schema = columns.schema(columns.day(), *columns.counts(uninstalls="Uninstalls on the day."))


class SessionsAnalytics(SeriesStream):
    """Sessions by day."""

    name = "sessions_analytics"
    path = "/sessions/data_series"
    permission = "sessions.data_series"
    dimensions = ("app_id", "segment_id")
    hourly = True
    primary_keys = ("time",)
    schema = columns.schema(columns.day(), *columns.counts(sessions="Sessions that began on the day."))
