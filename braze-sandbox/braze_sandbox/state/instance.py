"""A running sandbox: workspace, profiles, clock, limits, and records, built from one set of options."""

from __future__ import annotations

from typing import TYPE_CHECKING

from braze_sandbox.model.clock import Clock
from braze_sandbox.model.membership import name_members
from braze_sandbox.model.profiles import Profiles
from braze_sandbox.seeds.objects import furnish
from braze_sandbox.seeds.users import populate
from braze_sandbox.seeds.workspaces import SEEDS, plant
from braze_sandbox.state.exports import Exports
from braze_sandbox.state.faults import Faults
from braze_sandbox.state.hooks import Hooks
from braze_sandbox.state.limits import Limits
from braze_sandbox.state.recorder import Recorder
from braze_sandbox.state.write_lag import WriteLag

if TYPE_CHECKING:
    from collections.abc import Iterable

    from braze_sandbox.model.workspace import Workspace
    from braze_sandbox.state.options import Options

ALL = frozenset({"*"})


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
        self.write_lag = WriteLag(self.recorder, options.lag_ms / 1000, options.shuffle)
        self.exports = Exports(options, self.clock, self.recorder)
        self.workspace = self._plant()
        self.profiles = Profiles(self.workspace, self._populate, options.data)

    def _plant(self) -> Workspace:
        workspace = plant(self.options.seed)
        workspace.now = self.clock.utc_now
        furnish(workspace, self.options.seed, self.clock.utc_now())
        if self.options.data:
            name_members(workspace, self.options.data)
        return workspace

    def _populate(self, profiles: Profiles) -> None:
        given = self.options.users
        populate(profiles, SEEDS[self.options.seed].users if given is None else given, self.clock.utc_now())

    def add_key(self, key: str, permissions: Iterable[str]) -> None:
        """Create another API key with some permissions (docs: basics)."""
        self.keys[key] = frozenset(permissions)

    def reset(self) -> None:
        """Restore users, workspace, records, faults, limits, and keys to the seed; drop waiting writes and exports."""
        self.write_lag.forget()
        self.exports.reset()
        self.keys = {self.options.api_key: ALL}
        self.faults.clear()
        self.hooks.clear()
        self.recorder.reset()
        self.limits.reset()
        self.workspace = self._plant()
        self.profiles.reset(self.workspace, self._populate)
