"""A folder with the Currents files a test needs, and the tap run on it."""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from io import BytesIO
from typing import TYPE_CHECKING, Any

import fastavro

from tests.tap.support.singer import Run, catalog_of, run_cli

if TYPE_CHECKING:
    from pathlib import Path

OPEN, CLICK, PURCHASE = "users.messages.email.Open", "users.messages.email.Click", "users.behaviors.Purchase"
OPENS, CLICKS, PURCHASES = (
    "currents_users_messages_email_open",
    "currents_users_messages_email_click",
    "currents_users_behaviors_purchase",
)
NAME = "dataexport.prod-01.S3.integration.0123456789abcdef01234567"
HOUR = "2026-03-01-10"
FIELDS: dict[str, Any] = {
    "id": "string",
    "user_id": "string",
    "external_user_id": ["null", "string"],
    "time": "int",
    "email_address": "string",
    "machine_open": ["null", "string"],
}


def event(event_id: str, **more: Any) -> dict[str, Any]:
    known = {"user_id": "5f1e", "external_user_id": "u-1", "time": 1_772_359_200, "email_address": "a@example.com"}
    return {"id": event_id, "machine_open": None, **known, **more}


def events(*ids: str) -> list[dict[str, Any]]:
    return [event(each) for each in ids]


def avro(records: list[dict[str, Any]], fields: dict[str, Any] | None = None, **more: Any) -> bytes:
    declared = [{"name": name, "type": kind} for name, kind in (fields or FIELDS).items()]
    out = BytesIO()
    fastavro.writer(out, {"type": "record", "name": "dataexport.S3.inner.event", "fields": declared}, records, **more)
    return out.getvalue()


@dataclass
class Bucket:
    """The folder and the tap's output so far."""

    folder: Path
    state: dict[str, Any] | None = None
    config: dict[str, Any] = field(default_factory=dict)
    offset: int = 0

    def write(
        self,
        what: list[dict[str, Any]] | bytes,
        hour: str = HOUR,
        event_type: str = OPEN,
        *,
        integration: str = f"currents/{NAME}",
        below: str = "version=12/prod-01",
        name: str = "",
    ) -> Path:
        """Write a file with these events, or these bytes."""
        self.offset += 1
        name = name or f"{integration.rpartition('/')[2]}+0+{self.offset}.avro"
        path = self.folder / integration / f"event_type={event_type}" / f"date={hour}" / below / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(what if isinstance(what, bytes) else avro(what))
        return path

    def relative(self, path: Path) -> str:
        return path.relative_to(self.folder).as_posix()

    def settings(self, **currents: Any) -> dict[str, Any]:
        known = {"url": str(self.folder), "start_date": "2026-03-01", "event_types": [OPEN, CLICK, PURCHASE]}
        return {"api_key": "k-9d2c71", "endpoint": "http://localhost:1", **self.config, "currents": known | currents}

    def run(self, *streams: str, catalog: dict[str, Any] | None = None, **currents: Any) -> Run:
        """Run the tap on these streams; the next run starts with this one's state."""
        config = self.settings(**currents)
        files = {"config": config, "catalog": catalog or catalog_of(config, streams or (OPENS,))}
        if self.state is not None:
            files["state"] = self.state
        run = run_cli(self.arguments(files), secret=config["api_key"])
        if run.states:
            self.state = run.state
        return run

    def arguments(self, files: dict[str, Any]) -> list[str]:
        given = []
        for name, content in files.items():
            path = self.folder.parent / f"{name}.json"
            path.write_text(json.dumps(content))
            given += [f"--{name}", str(path)]
        return given


def ids(run: Run, stream: str = OPENS) -> list[str]:
    return [record["id"] for record in run.records(stream)]
