"""A running sandbox: the workspace, the profiles, the clock, the limits and the records, from one set of options."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Literal

from braze_sandbox.clock import Clock
from braze_sandbox.exports import Exports
from braze_sandbox.faults import Faults
from braze_sandbox.hooks import Hooks
from braze_sandbox.later import Later
from braze_sandbox.limits import Limits, ResetForm
from braze_sandbox.membership import name_members
from braze_sandbox.profiles import Profiles
from braze_sandbox.recorder import Recorder
from braze_sandbox.seed import SEEDS, plant
from braze_sandbox.seed_objects import furnish
from braze_sandbox.seed_users import populate

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping
    from datetime import date
    from pathlib import Path

    from braze_sandbox.workspace import Workspace

ALL = frozenset({"*"})


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


class Instance:
    """The state behind the API."""

    def __init__(self, options: Options) -> None:
        self.options = options
        self.keys: dict[str, frozenset[str]] = {options.api_key: ALL}
        self.clock = Clock(options.time_zone, options.today, ending_day_included=options.ending_day_included)
        self.faults = Faults()
        self.hooks = Hooks()
        self.recorder = Recorder()
        self.limits = Limits(options.limits)
        self.later = Later(self.recorder, options.lag_ms / 1000, options.shuffle)
        self.exports = Exports(options, self.clock, self.recorder)
        self.workspace = self._plant()
        self.profiles = Profiles(self.workspace, self._populate, options.data)

    def _plant(self) -> Workspace:
        workspace = plant(self.options.seed)
        furnish(workspace, self.options.seed, self.clock.today())
        if self.options.data:
            name_members(workspace, self.options.data)
        return workspace

    def _populate(self, profiles: Profiles) -> None:
        given = self.options.users
        populate(profiles, SEEDS[self.options.seed].users if given is None else given, self.clock.today())

    def add_key(self, key: str, permissions: Iterable[str]) -> None:
        """Make another API key with some permissions (docs: basics)."""
        self.keys[key] = frozenset(permissions)

    def reset(self) -> None:
        """Back to the seed: users, workspace, records, faults, limits and keys; what is still to come never does."""
        self.later.forget()
        self.exports.reset()
        self.keys = {self.options.api_key: ALL}
        self.faults.clear()
        self.hooks.clear()
        self.recorder.reset()
        self.limits.reset()
        self.workspace = self._plant()
        self.profiles.reset(self.workspace, self._populate)
