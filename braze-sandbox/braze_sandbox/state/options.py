"""The options of a sandbox."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Literal

if TYPE_CHECKING:
    from collections.abc import Mapping
    from datetime import date
    from pathlib import Path

    from braze_sandbox.state.limits import ResetForm


@dataclass(frozen=True, slots=True, kw_only=True)
class Options:
    """Settings of a sandbox."""

    seed: str = "demo"
    behavior: Literal["recorded", "documented"] = "recorded"
    """Which responses to give where recordings of Braze differ from its documentation."""
    users: int | None = None
    """Number of initial users; None: the seed's default."""
    data: Path | None = None
    """Directory that keeps users across restarts; its `segments.json`, if any, lists segment members."""
    tls: bool = False
    """Whether to serve https, with a certificate created at start."""
    api_key: str = "sandbox-key"
    """This key has all permissions."""
    time_zone: str = "UTC"
    """The company's time zone, as an IANA name."""
    today: date | str | None = None
    """Freeze time at the end of this day, a date or a YYYY-MM-DD string; None: real time."""
    latency_ms: float = 0
    """Minimum time per response, in milliseconds."""
    ending_day_included: bool = True
    """Whether a series includes the day of its `ending_at` (docs silent)."""
    zero_rows: bool = True
    """Whether a series has rows for days without activity (docs silent)."""
    row_order: Literal["asc", "desc"] = "asc"
    """Whether a series starts with its oldest or newest row (docs silent)."""
    limits: Mapping[str, tuple[int, float]] = field(default_factory=dict)
    """Overrides of the documented rate limits: pool to requests and seconds."""
    link_aliasing: bool = True
    """Whether link aliasing is enabled in the workspace; otherwise no key has the permission for its endpoints."""
    reset: ResetForm = "epoch"
    """Form of the rate-limit headers of all other endpoints: the documented `epoch`, or one used on MAU contracts."""
    track_reset: ResetForm = "epoch"
    """Form of the rate-limit headers of /users/track: `epoch` on ordinary contracts, `seconds` on MAU contracts."""
    lag_ms: float = 0
    """Delay before a write of an asynchronous endpoint takes effect, in milliseconds."""
    shuffle: int | None = None
    """Seed for applying delayed writes in a random order, as Braze may; None: in order."""
    track_objects: int = 75
    """Maximum number of objects in a request to /users/track; older contracts have fewer."""
    bulk_objects: int = 1000
    """Maximum number of objects in a request to /users/track/bulk; an account's policy may lower it."""
    beta_refusal: Literal[403, 404] | None = None
    """Status of /users/track/bulk and /users/track/sync for an account outside their betas (docs silent)."""
    unknown_groups: Literal["refused", "kept"] = "refused"
    """Whether /subscription/status/set accepts subscription groups that are not in the workspace."""
    fields_required: bool = True
    """Whether exports require `fields_to_export`; accounts from before August 2024 do not need it."""
    export_seconds: float = 0.2
    """Duration of a segment export."""
    export_file_users: int = 5000
    """Maximum number of users per export file."""
    export_url_seconds: float = 4 * 3600
    """Lifetime of a download URL."""
    export_to: str | None = None
    """Folder or fsspec URL of a bucket to export to, as if cloud storage were connected to Braze; None: a download."""
    export_storage: Mapping[str, Any] = field(default_factory=dict)
    """fsspec options of that storage: `endpoint_url`, `key`, `secret` for S3."""
