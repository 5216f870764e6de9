"""Cloud Data Ingestion: integrations and their syncs (docs: the cdi pages)."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from braze_sandbox.model.clock import iso
from braze_sandbox.model.objects import Run
from braze_sandbox.request.endpoint import Call, Endpoint
from braze_sandbox.request.paging import by_cursor
from braze_sandbox.wire.answer import Answer, Refusal, encode, success

if TYPE_CHECKING:
    from datetime import datetime

    from braze_sandbox.model.objects import Integration

PAGE = 10
APP_GROUP = "5f0c3f6e9b1d4a0012ab34cd"
"""The workspace's id."""


def _iso(when: datetime | None) -> str | None:
    return iso(when) if when else None


def _bad_cursor(_cursor: str) -> Refusal:
    return Refusal(400, "Invalid cursor")


def _integration(integration: Integration) -> dict[str, Any]:
    last = integration.runs[-1] if integration.runs else None
    return {
        "integration_id": integration.id,
        "app_group_id": APP_GROUP,
        "integration_name": integration.name,
        "integration_type": integration.type,
        "integration_status": integration.status,
        "contact_emails": integration.contact_emails,
        "last_updated_at": _iso(last.last_timestamp_synced) if last else None,
        "warehouse_type": integration.warehouse_type,
        "last_job_start_time": _iso(last.started_at) if last else None,
        "last_job_status": last.status if last else None,
        "next_scheduled_run": _iso(integration.next_scheduled_run),
    }


def list_(call: Call) -> Answer:
    """GET /cdi/integrations: 10 at a time, in creation order; null if there is no run (docs silent)."""
    rows = [_integration(integration) for integration in call.instance.workspace.integrations.values()]
    page, headers = by_cursor(call, "/cdi/integrations", rows, PAGE, _bad_cursor)
    return Answer(encode({"results": page, "message": "success"}), headers=headers)


def _run(run: Run) -> dict[str, Any]:
    return {
        "job_status": run.status,
        "sync_start_time": iso(run.started_at),
        "sync_finish_time": _iso(run.finished_at),
        "last_timestamp_synced": _iso(run.last_timestamp_synced),
        "rows_synced": run.rows_synced,
        "rows_failed_with_errors": run.rows_failed,
    }


def job_sync_status(call: Call) -> Answer:
    """GET /cdi/integrations/{integration_id}/job_sync_status: 10 at a time, newest first (docs silent).

    Newest first is the harder order: a sync that begins between two pages shifts the rows.
    """
    key = call.params["id"]
    integration = call.instance.workspace.integrations.get(key)
    if integration is None:
        raise Refusal(400, "Invalid integration ID")
    rows = [_run(run) for run in reversed(integration.runs)]
    page, headers = by_cursor(call, f"/cdi/integrations/{key}/job_sync_status", rows, PAGE, _bad_cursor)
    return Answer(encode({"results": page, "message": "success"}), headers=headers)


def sync(call: Call) -> Answer:
    """POST /cdi/integrations/{integration_id}/sync: the sync finishes at once and syncs no rows.

    A malformed id is documented as a 400 and an unknown id as a 404, but the format of ids is not documented.
    """
    integration = call.instance.workspace.integrations.get(call.params["id"])
    if integration is None:
        raise Refusal(404, "Integration not found")
    if integration.runs and integration.runs[-1].finished_at is None:
        raise Refusal(429, "Another job is in progress")
    now = call.instance.clock.utc_now()
    integration.runs.append(Run(started_at=now, finished_at=now, last_timestamp_synced=now))
    return success({}, 202)


ENDPOINTS = [
    Endpoint(
        method="POST",
        path="/cdi/integrations/{id}/sync",
        permission="cdi.integration_sync",
        pool="cdi_sync",
        handler=sync,
        has_body=False,
    ),
    Endpoint(method="GET", path="/cdi/integrations", permission="cdi.integration_list", pool="cdi_list", handler=list_),
    Endpoint(
        method="GET",
        path="/cdi/integrations/{id}/job_sync_status",
        permission="cdi.integration_job_status",
        pool="cdi_status",
        handler=job_sync_status,
    ),
]
