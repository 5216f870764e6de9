"""How a sandbox is set up."""

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
    """How the sandbox is set up."""

    seed: str = "demo"
    behavior: Literal["recorded", "documented"] = "recorded"
    """Which answers to give where Braze was recorded to differ from its documentation."""
    users: int | None = None
    """How many users there are at first, if not as many as the seed has."""
    data: Path | None = None
    """A directory that keeps the users across restarts, and may say in `segments.json` who is in which segment."""
    api_key: str = "sandbox-key"
    """Has all permissions."""
    time_zone: str = "UTC"
    """The company's, by IANA name."""
    today: date | None = None
    """Holds the calendar still."""
    latency_ms: float = 0
    """What every answer takes at least."""
    ending_day_included: bool = True
    """Whether a series holds the day of its `ending_at` (docs silent)."""
    zero_rows: bool = True
    """Whether a series has rows for days without activity (docs silent)."""
    row_order: Literal["asc", "desc"] = "asc"
    """Oldest or newest row first in a series (docs silent)."""
    limits: Mapping[str, tuple[int, float]] = field(default_factory=dict)
    """Rate limits that differ from the documented ones: pool to requests and seconds."""
    link_aliasing: bool = True
    """Whether the workspace has link aliasing turned on: otherwise no key has the permission for its endpoints."""
    reset: ResetForm = "epoch"
    """How all other endpoints tell of their limits: the documented `epoch`, or as those of MAU contracts."""
    track_reset: ResetForm = "epoch"
    """How /users/track tells of its limit: ordinary contracts `epoch`; MAU contracts `seconds`."""
    lag_ms: float = 0
    """How long after its answer a write of an asynchronous endpoint takes effect."""
    shuffle: int | None = None
    """The seed of a shuffle: what waits for its lag takes effect in any order, as Braze may have it."""
    track_objects: int = 75
    """The most objects in a request to /users/track: fewer on older contracts."""
    bulk_objects: int = 1000
    """The most objects in a request to /users/track/bulk: fewer by an account's policy."""
    beta_refusal: Literal[403, 404] | None = None
    """What an account outside the limited betas gets from /users/track/bulk and /users/track/sync (docs silent)."""
    unknown_groups: Literal["refused", "kept"] = "refused"
    """Whether /subscription/status/set takes subscription groups that the workspace does not have."""
    fields_required: bool = True
    """Whether exports need `fields_to_export`: accounts from before August 2024 do without."""
    export_seconds: float = 0.2
    """How long an export of a segment takes."""
    export_file_users: int = 5000
    """How many users each of its files has at most."""
    export_url_seconds: float = 4 * 3600
    """How long it can be downloaded."""
    export_to: str | None = None
    """Where exports go instead: a folder, or the fsspec URL of a bucket, as with cloud storage connected to Braze."""
    export_storage: Mapping[str, Any] = field(default_factory=dict)
    """fsspec's options for that storage: `endpoint_url`, `key`, `secret` for S3."""
