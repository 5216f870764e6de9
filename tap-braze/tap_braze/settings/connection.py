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
        "rate_limit_share",
        th.NumberType(exclusive_minimum=0, maximum=1),
        default=1,
        title="Rate limit share",
        description=(
            "Share of what `rate_limit_reserve` leaves that this program may use, such as 0.5 for each of two programs "
            "that run at the same time. A broker (`braze_broker`) divides it as needed instead."
        ),
    ),
    th.Property(
        "braze_broker",
        th.StringType,
        title="Broker",
        description=(
            "URL of a broker, such as `http://127.0.0.1:8765`, that counts the requests of several programs to this "
            "workspace together. Start it with `target-braze broker`. Default: this program counts only its own."
        ),
    ),
    th.Property(
        "braze_broker_token",
        th.StringType,
        secret=True,
        title="Broker token",
        description="Token of the broker. Required for a broker on another machine.",
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
