"""User profiles: stored, indexed by every identifier, and matched as documented."""

from __future__ import annotations

import json
import sqlite3
from collections import defaultdict
from datetime import datetime
from typing import TYPE_CHECKING

from braze_sandbox.model.clock import iso, parse_iso
from braze_sandbox.model.ids import key
from braze_sandbox.model.pending_subscriptions import PendingSubscriptions
from braze_sandbox.model.profile import Profile

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator
    from pathlib import Path

    from braze_sandbox.model.workspace import Workspace
    from braze_sandbox.wire.answer import Json


class Profiles:
    """All users, findable by any identifier; stored in a file if a directory is given.

    `seed` is called to create the initial users if no file has any.
    """

    def __init__(self, workspace: Workspace, seed: Callable[[Profiles], None], directory: Path | None = None) -> None:
        self._file = _File(directory) if directory else None
        self.types: dict[str, str] = {}
        """Maps each custom attribute to the type that its first value fixed (docs: managing_custom_data)."""
        self.updates = 0
        self._clear(workspace)
        stored = self._file.load() if self._file else None
        if stored is None:
            seed(self)
        else:
            profiles, self.types = stored
            for profile in profiles:
                self._index(profile)
                self.updates = max(self.updates, profile.updated)

    def reset(self, workspace: Workspace, seed: Callable[[Profiles], None]) -> None:
        """Restore the seed."""
        if self._file:
            self._file.clear()
        self._clear(workspace)
        seed(self)

    def _clear(self, workspace: Workspace) -> None:
        self.workspace = workspace
        self.by_braze_id: dict[str, Profile] = {}
        self._by_external_id: dict[str, Profile] = {}
        self._by_alias: dict[tuple[str, str], Profile] = {}
        self._by_field: dict[str, defaultdict[str, dict[str, Profile]]] = {
            "email": defaultdict(dict),
            "phone": defaultdict(dict),
        }
        self.types = {}
        self.updates = 0
        self._made = 0
        self._dirty: dict[str, Profile] = {}
        self._gone: set[str] = set()
        self.pending_subscriptions = PendingSubscriptions()

    def __iter__(self) -> Iterator[Profile]:
        return iter(self.by_braze_id.values())

    def __len__(self) -> int:
        return len(self.by_braze_id)

    def find(self, kind: str, value: Json) -> Profile | None:
        """Return an identifier's profile: `external_id`, `braze_id`, `alias` (label, name), `email`, or `phone`.

        If several share an address, return the most recently updated one with an external ID, or else the most recently
        updated one (docs: user_attributes_object).
        """
        if kind == "external_id":
            return self._by_external_id.get(value)
        if kind == "braze_id":
            return self.by_braze_id.get(value)
        if kind == "alias":
            return self._by_alias.get(value)
        return max(self.sharing(kind, value), key=lambda p: (p.external_id is not None, p.updated), default=None)

    def sharing(self, kind: str, value: str) -> list[Profile]:
        """Return all profiles with an email address or phone number, ignoring case (docs silent)."""
        return list(self._by_field[kind].get(value.lower(), {}).values())

    def create(self, kind: str | None = None, value: Json = None, *, external_id: str | None = None) -> Profile:
        """Return a new profile with at most one identifier."""
        # Only ids loaded after a restart can be taken.
        while (braze_id := key("user", self._made).replace("-", "")[:24]) in self.by_braze_id:
            self._made += 1
        self._made += 1
        profile = Profile(braze_id, created_at=self.workspace.now())
        if external_id is not None or kind == "external_id":
            profile.external_id = external_id if external_id is not None else value
        elif kind == "alias":
            profile.aliases[value[0]] = value[1]
        elif kind in ("email", "phone"):
            profile.attributes[kind] = value
        self._index(profile)
        if kind in ("email", "phone"):
            self.pending_subscriptions.adopt(profile, kind, value)
        self.touch(profile)
        return profile

    def remove(self, profile: Profile) -> None:
        """Delete a profile and the states of addresses that no other profile has (docs: v2 of the status page)."""
        del self.by_braze_id[profile.braze_id]
        for external_id in (profile.external_id, *profile.deprecated_external_ids):
            self._by_external_id.pop(external_id or "", None)
        for alias in profile.aliases.items():
            self._by_alias.pop(alias, None)
        for kind in self._by_field:
            self.readdress(profile, kind, None)
        self._gone.add(profile.braze_id)
        self._dirty.pop(profile.braze_id, None)

    def add_alias(self, profile: Profile, label: str, name: str) -> None:
        """Add an unused alias to a profile, replacing the profile's alias with the same label."""
        if (old := profile.aliases.get(label)) is not None:
            del self._by_alias[label, old]
        profile.aliases[label] = name
        self._by_alias[label, name] = profile
        self.touch(profile)

    def name(self, profile: Profile, external_id: str) -> None:
        """Set a profile's external ID; deprecate any current one."""
        if profile.external_id is not None:
            profile.deprecated_external_ids.append(profile.external_id)
        profile.external_id = external_id
        self._by_external_id[external_id] = profile
        self.touch(profile)

    def forget(self, profile: Profile, external_id: str) -> None:
        """Remove a deprecated external ID from a profile."""
        profile.deprecated_external_ids.remove(external_id)
        del self._by_external_id[external_id]
        self.touch(profile)

    def _index(self, profile: Profile) -> None:
        self.by_braze_id[profile.braze_id] = profile
        for external_id in (profile.external_id, *profile.deprecated_external_ids):
            if external_id is not None:
                self._by_external_id[external_id] = profile
        for alias in profile.aliases.items():
            self._by_alias[alias] = profile
        for kind, index in self._by_field.items():
            if value := profile.attributes.get(kind):
                index[value.lower()][profile.braze_id] = profile

    def readdress(self, profile: Profile, kind: str, value: str | None) -> None:
        """Change or remove a profile's `email` or `phone`."""
        index = self._by_field[kind]
        if old := profile.attributes.pop(kind, None):
            index[old.lower()].pop(profile.braze_id, None)
        if value is not None:
            profile.attributes[kind] = value
            index[value.lower()][profile.braze_id] = profile
            self.pending_subscriptions.adopt(profile, kind, value)

    def touch(self, profile: Profile) -> None:
        """Record an update of a profile."""
        self.updates += 1
        profile.updated = self.updates
        if self._file:
            self._dirty[profile.braze_id] = profile

    def save(self) -> None:
        """Write changes to the file, if there is one."""
        if self._file and (self._dirty or self._gone):
            changed, self._dirty = list(self._dirty.values()), {}
            gone, self._gone = self._gone, set()
            self._file.save(changed, gone, self.types)

    def close(self) -> None:
        """Save and close the file."""
        self.save()
        if self._file:
            self._file.close()


class _File:
    """An SQLite file with one row of JSON per profile."""

    def __init__(self, directory: Path) -> None:
        directory.mkdir(parents=True, exist_ok=True)
        # Created in one thread and used in the server's thread, never in both at once.
        self._connection = sqlite3.connect(directory / "braze-sandbox.sqlite", check_same_thread=False)
        self._connection.execute("CREATE TABLE IF NOT EXISTS profiles (braze_id TEXT PRIMARY KEY, body TEXT)")
        self._connection.execute("CREATE TABLE IF NOT EXISTS types (name TEXT PRIMARY KEY, type TEXT)")
        self._connection.commit()

    def load(self) -> tuple[list[Profile], dict[str, str]] | None:
        bodies = self._connection.execute("SELECT body FROM profiles ORDER BY rowid").fetchall()
        types = dict(self._connection.execute("SELECT name, type FROM types").fetchall())
        return ([Profile(**_revive(json.loads(body))) for (body,) in bodies], types) if bodies else None

    def save(self, profiles: Iterable[Profile], gone: Iterable[str], types: dict[str, str]) -> None:
        rows = [
            (
                profile.braze_id,
                json.dumps({name: getattr(profile, name) for name in Profile.__slots__}, default=_keep),
            )
            for profile in profiles
        ]
        with self._connection:
            self._connection.executemany(
                "INSERT INTO profiles VALUES (?, ?) ON CONFLICT (braze_id) DO UPDATE SET body = excluded.body", rows
            )
            self._connection.executemany("DELETE FROM profiles WHERE braze_id = ?", [(braze_id,) for braze_id in gone])
            self._connection.executemany("INSERT OR IGNORE INTO types VALUES (?, ?)", types.items())

    def clear(self) -> None:
        with self._connection:
            self._connection.execute("DELETE FROM profiles")
            self._connection.execute("DELETE FROM types")

    def close(self) -> None:
        self._connection.close()


def _keep(value: object) -> object:
    assert isinstance(value, datetime)  # noqa: S101 - nothing else in a profile is beyond JSON
    return {"$time": iso(value)}


def _revive(value: Json) -> Json:
    if isinstance(value, dict):
        # Stored objects never have keys with a dollar sign: Braze rejects them.
        if value.keys() == {"$time"} and (parsed := parse_iso(value["$time"])):
            return parsed[0]
        return {name: _revive(inner) for name, inner in value.items()}
    if isinstance(value, list):
        return [_revive(inner) for inner in value]
    return value
