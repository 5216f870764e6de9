"""How to reach Braze and how much of its rate limits to use."""

from __future__ import annotations

from typing import Final

from singer_sdk import typing as th

CONNECTION: Final = (
    th.Property(
        "api_key",
        # Other characters are not valid in an HTTP header; with quotes around the key, Braze returns 401.
        th.StringType(pattern=r"^[!#-&(-~]+(?!\n)$"),
        required=True,
        nullable=False,
        secret=True,
        title="API key",
        description=(
            "REST API key of the workspace, from Settings > APIs and Identifiers. The table of streams lists the "
            "permission that each stream needs."
        ),
    ),
    th.Property(
        "endpoint",
        th.StringType,
        required=True,
        nullable=False,
        title="Endpoint",
        description=(
            "Your Braze instance (`US-01`), or the host or URL of its REST API (`rest.iad-01.braze.com`). Plain "
            "`http://` works for localhost only."
        ),
    ),
    th.Property(
        "concurrency",
        th.IntegerType(minimum=1, maximum=256),
        default=16,
        title="Concurrency",
        description="Requests in flight at the same time. Lower it to leave more of Braze's API to other programs.",
    ),
    th.Property(
        "rate_limit_reserve",
        th.NumberType(minimum=0, maximum=0.9),  # type: ignore[arg-type] # the SDK types the bounds as int
        default=0.2,
        title="Rate limit reserve",
        description=(
            "Share of each rate limit, from 0 to 0.9, to leave to other programs: Braze counts all requests of a "
            "workspace together. The default leaves a fifth."
        ),
    ),
    th.Property(
        "request_timeout",
        th.NumberType(exclusive_minimum=0),
        default=60,
        title="Request timeout",
        description="Maximum number of seconds for one request, and for a download without progress.",
    ),
    th.Property(
        "on_missing_permission",
        th.StringType,
        default="fail",
        allowed_values=["fail", "skip"],
        title="On missing permission",
        description=(
            "What to do when the API key lacks a stream's permission: `fail` ends the run, `skip` logs a warning "
            "and reads the other streams."
        ),
    ),
)
