"""Cloud Data Ingestion: integrations and their syncs."""

from __future__ import annotations

from typing import TYPE_CHECKING

from singer_sdk import typing as th
from typing_extensions import override

from tap_braze.streams.base import columns
from tap_braze.streams.base.lists import ChangesStream, ListStream
from tap_braze.streams.base.stream import CDI_INTEGRATIONS, CDI_SYNC_RUNS

if TYPE_CHECKING:
    from singer_sdk.helpers.types import Record


class CdiIntegrations(ListStream):
    """All Cloud Data Ingestion integrations."""

    name = "cdi_integrations"
    path = "/cdi/integrations"
    permission = "cdi.integration_list"
    pool = CDI_INTEGRATIONS
    payload = "results"
    primary_keys = ("integration_id",)
    unversioned = frozenset(
        {"last_updated_at", "last_job_start_time", "last_job_status", "next_scheduled_run"}  # of each sync
    )
    schema = columns.schema(
        columns.key("integration_id", "ID of the integration."),
        th.Property("app_group_id", th.StringType, description="ID of the workspace."),
        th.Property("integration_name", th.StringType, description="Name of the integration."),
        th.Property("integration_type", th.StringType, description="Type of the data it syncs."),
        th.Property("integration_status", th.StringType, description="Status of the integration."),
        th.Property(
            "contact_emails", th.StringType, description="Email addresses notified when a sync fails, as one string."
        ),
        columns.moment("last_updated_at", "Latest source timestamp that was synced."),
        th.Property("warehouse_type", th.StringType, description="Type of the source warehouse."),
        columns.moment("last_job_start_time", "When its last sync started."),
        th.Property(
            "last_job_status",
            th.StringType,
            description="Status of its last sync, with the values of `job_status` in `cdi_sync_runs`.",
        ),
        columns.moment("next_scheduled_run", "When its next sync starts; null without a schedule."),
    )


class CdiSyncRuns(ChangesStream):
    """Syncs of each Cloud Data Ingestion integration that started or were still running since the last run."""

    name = "cdi_sync_runs"
    path = "/cdi/integrations/{integration_id}/job_sync_status"
    permission = "cdi.integration_job_status"
    pool = CDI_SYNC_RUNS
    payload = "results"
    is_snapshot = False  # a log: Braze may drop old syncs
    parent = CdiIntegrations
    parent_key = "integration_id"
    primary_keys = ("integration_id", "sync_start_time")
    replication_key = "sync_start_time"
    schema = columns.schema(
        columns.key("integration_id", "ID of the integration."),
        columns.moment("sync_start_time", "When the sync started.", required=True),
        columns.moment("sync_finish_time", "When the sync ended; null while it runs."),
        th.Property(
            "job_status",
            th.StringType,
            description="`running`, `success`, `partial` (some rows failed), `error` (no rows were synced) or "
            "`config_error`.",
        ),
        columns.moment("last_timestamp_synced", "Latest source timestamp that the sync covered."),
        *columns.counts(rows_synced="Rows that were synced.", rows_failed_with_errors="Rows that failed."),
    )

    @override
    def settled(self, row: Record) -> bool:
        return row.get("job_status") != "running"
