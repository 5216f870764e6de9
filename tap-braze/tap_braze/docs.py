"""The tables of the READMEs, written from the code: `python -m tap_braze.docs tap-braze/README.md README.md`."""

from __future__ import annotations

import json
import sys
from pathlib import Path

from tap_braze.settings.schema import CONFIG_SCHEMA
from tap_braze.streams import STREAMS
from tap_braze.streams.base.series import SeriesStream
from tap_braze.streams.currents import CurrentsEvents, CurrentsStream


def with_tables(readme: str) -> str:
    """A README with those of the tables that it has a place for, as they should be."""
    for name, table in (("settings", _settings()), ("streams", _streams())):
        begin, end = f"<!-- {name}:begin -->\n", f"<!-- {name}:end -->"
        before, place, rest = readme.partition(begin)
        if place:
            readme = before + begin + table + end + rest.partition(end)[2]
    return readme


def _settings() -> str:
    lines = ["| setting | required | default | |", "|---|---|---|---|"]
    for name, described in CONFIG_SCHEMA["properties"].items():
        required = "yes" if name in CONFIG_SCHEMA["required"] else ""
        default = f"`{json.dumps(described['default'])}`" if "default" in described else ""
        lines.append(f"| `{name}` | {required} | {default} | {described['description']} |")
    return "\n".join(lines) + "\n"


def _streams() -> str:
    lines = [
        "| stream | | endpoint | permission | key | replication key | rate limit |",
        "|---|---|---|---|---|---|---|",
    ]
    for stream in STREAMS:
        keys = [f"`{key}`" for key in stream.primary_keys]
        if issubclass(stream, SeriesStream):
            keys = [*(f"(`{name}`)" for name in stream.dimensions), *keys]
        replication_key = f"`{stream.replication_key}`" if stream.replication_key else ""
        about = (stream.__doc__ or "").splitlines()[0] + (
            "" if stream.selected_by_default else " Not selected by default."
        )
        lines.append(
            f"| `{stream.name}` | {about} | `{stream.path}` | `{stream.permission}` | {', '.join(keys)} "
            f"| {replication_key} | `{stream.pool}` |"
        )
    for name, about, key in (
        ("currents_…", f"{CurrentsStream.__doc__} A stream for each type.", "`id`"),
        (CurrentsEvents.name, f"{CurrentsEvents.__doc__} Not selected by default.", "`event_type`, `id`"),
    ):
        lines.append(f"| `{name}` | {about} | files at `currents.url` | | {key} | | |")
    return "\n".join(lines) + "\n"


if __name__ == "__main__":
    for path in map(Path, sys.argv[1:]):
        path.write_text(with_tables(path.read_text("utf-8")), "utf-8")
