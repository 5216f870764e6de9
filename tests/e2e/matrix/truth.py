"""What a sandbox holds, as the tables of all streams."""

from __future__ import annotations

from typing import TYPE_CHECKING

import fastavro
from tap_braze.currents.schemas import stream_name

from tests.e2e.matrix import messages, objects, people, series
from tests.e2e.matrix.api import Api, Scope
from tests.e2e.matrix.tables import Row, Table, table

if TYPE_CHECKING:
    from collections.abc import Iterable
    from pathlib import Path

    from braze_sandbox.testing import Sandbox


def rest(braze: Sandbox, scope: Scope) -> dict[str, Table]:
    """Return every stream of the REST API."""
    api = Api(braze, scope)
    found = api.lists | {
        name: table
        for part in (
            objects.details,
            objects.drafts,
            objects.data_objects,
            objects.rest,
            series.suppressed,
            series.series,
            series.statistics,
            messages.messages,
            people.people,
            people.subscriptions,
            people.colleagues,
        )
        for name, table in part(api).items()
    }
    api.session.close()
    return found


def events(files: Iterable[tuple[str, Path]]) -> dict[str, Table]:
    """Return the events in files of Currents, by type and all together."""
    by_type: dict[str, list[Row]] = {}
    for event_type, file in files:
        with file.open("rb") as opened:
            records = [record for record in fastavro.reader(opened) if isinstance(record, dict)]
        by_type.setdefault(event_type, []).extend(records)
    together = [
        {"event_type": kind, **{name: value for name, value in record.items() if value is not None}}
        for kind, records in by_type.items()
        for record in records
    ]
    return {
        **{stream_name(kind): table(records, "id", kept=True) for kind, records in by_type.items()},
        "currents_events": table(together, "event_type", "id", kept=True),
    }
