"""The streams of Cloud Data Ingestion."""

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
    schema = columns.schema(
        columns.key("integration_id", "Id of the integration."),
        th.Property("app_group_id", th.StringType, description="Id of the workspace."),
        th.Property("integration_name", th.StringType, description="Name of the integration."),
        th.Property("integration_type", th.StringType, description="What it brings."),
        th.Property("integration_status", th.StringType, description="Status of the integration."),
        th.Property("contact_emails", th.StringType, description="Whom Braze writes when a sync fails, in one text."),
        columns.moment("last_updated_at", "Highest timestamp of the source that was synced."),
        th.Property("warehouse_type", th.StringType, description="Kind of the warehouse that it reads."),
        columns.moment("last_job_start_time", "When its last sync began."),
        th.Property("last_job_status", th.StringType, description="How its last sync ended, as `job_status` of syncs."),
        columns.moment("next_scheduled_run", "When its next sync begins; null without a schedule."),
    )


class CdiSyncRuns(ChangesStream):
    """Syncs of each Cloud Data Ingestion integration that began, or were still running, since the last run."""

    name = "cdi_sync_runs"
    path = "/cdi/integrations/{integration_id}/job_sync_status"
    permission = "cdi.integration_job_status"
    pool = CDI_SYNC_RUNS
    payload = "results"
    parent = CdiIntegrations
    parent_key = "integration_id"
    primary_keys = ("integration_id", "sync_start_time")
    replication_key = "sync_start_time"
    schema = columns.schema(
        columns.key("integration_id", "Id of the integration."),
        columns.moment("sync_start_time", "When the sync began.", required=True),
        columns.moment("sync_finish_time", "When the sync ended; null while it runs."),
        th.Property(
            "job_status",
            th.StringType,
            description="`running`, `success`, `partial` (some rows failed), `error` (nothing was synced) or "
            "`config_error`.",
        ),
        columns.moment("last_timestamp_synced", "Highest timestamp of the source that the sync handled."),
        *columns.counts(rows_synced="Rows that were synced.", rows_failed_with_errors="Rows that failed."),
    )

    @override
    def settled(self, row: Record) -> bool:
        return row.get("job_status") != "running"
