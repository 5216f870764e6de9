"""Where to write the report of a run."""

from __future__ import annotations

from typing import Final

from singer_sdk import typing as th

REPORT: Final = (
    th.Property(
        "report_path",
        th.StringType(min_length=1),
        title="Run report",
        description=(
            "HTML file, such as `reports/export.html`, for a report of each run: what was read, what was refused and "
            "why, and how fast. Each run replaces it and appends a line of JSON to a history next to it, "
            "`reports/export.jsonl`."
        ),
    ),
)
