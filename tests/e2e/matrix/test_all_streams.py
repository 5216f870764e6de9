"""Every stream, through loaders that we did not write: their tables hold what the sandbox holds."""

from __future__ import annotations

import json
import subprocess
from concurrent.futures import ThreadPoolExecutor
from datetime import date, timedelta
from typing import TYPE_CHECKING, Any

import pytest
import requests
from braze_sandbox.model.user_object import FIELDS
from braze_sandbox.testing import Sandbox
from tap_braze.singer.tap import TapBraze

from demo import machinery
from tests.e2e.matrix import event_files
from tests.e2e.matrix.api import ORIGIN, Scope
from tests.e2e.matrix.comparison import differences
from tests.e2e.matrix.loaders import LOADERS, are_installed
from tests.e2e.matrix.truth import events, rest
from tests.e2e.support import tap

if TYPE_CHECKING:
    from pathlib import Path

    from tests.e2e.matrix.tables import Table

TODAY = date(2026, 3, 20)
FIRST = date(2026, 3, 2)


class Taps:
    """The tap with each way to tell what is gone, both with a STATE of their own."""

    def __init__(self, folder: Path, config: dict[str, Any]) -> None:
        self._folder, self._config = folder, config
        self.states: dict[str, Any] = {"hard": {}, "soft": {}}
        catalog = TapBraze(config=dict(config), setup_mapper=False).catalog_dict
        self.streams: list[str] = [entry["tap_stream_id"] for entry in catalog["streams"]]

    def read(self, **settings: Any) -> dict[str, bytes]:
        """Return what a run writes, by `deletions`."""
        with ThreadPoolExecutor() as pool:
            runs = {deletions: pool.submit(self._read, deletions, settings) for deletions in self.states}
        return {deletions: run.result() for deletions, run in runs.items()}

    def _read(self, deletions: str, settings: dict[str, Any]) -> bytes:
        folder = self._folder / deletions
        folder.mkdir(exist_ok=True)
        state = folder / "state.json"
        state.write_text(json.dumps(self.states[deletions]), "utf-8")
        command = tap(folder, {**self._config, **settings, "deletions": deletions}, self.streams)
        done = subprocess.run([*command, "--state", str(state)], capture_output=True, check=False, timeout=300)
        assert done.returncode == 0, done.stderr.decode()[-3000:]
        self.states[deletions] = json.loads(done.stdout.splitlines()[-1])["value"]
        return done.stdout


@pytest.mark.skipif(not are_installed(), reason="the loaders need Python 3.10 or 3.11: make .venv-loaders/.ready")
def test_tables_hold_what_braze_holds(tmp_path: Path) -> None:
    """Twice, with deletions, edits and an added app between. All loaders load what the tap wrote once."""
    with (
        Sandbox(seed="small", users=20, today=TODAY, fields_required=False) as braze,
        machinery.postgres(tmp_path) as database,
    ):
        machinery.Meltano(tmp_path, machinery.Sandbox(braze.url, braze.api_key), database).install()
        loaders = [loader(tmp_path, database) for loader in LOADERS]
        prepare(braze)
        apps = list(braze.workspace.apps)
        scope = scope_of(braze)
        taps = Taps(
            tmp_path,
            {
                "api_key": braze.api_key,
                "endpoint": braze.url,
                "start_date": FIRST.isoformat(),
                # Otherwise days that are read again hide what was not read at first.
                "lookback_days": 0,
                "include_profiles": True,
                "include_costly_streams": True,
                "users": {
                    "segment_ids": [scope.segment],
                    "external_ids": scope.people,
                    "fields": sorted(FIELDS),
                },
                "subscriptions": {"external_ids": scope.people, "groups": scope.groups},
                "send_ids": scope.sends,
                "scim_token": braze.api_key,
                "dashboard_users": {"emails": scope.colleagues, "service_origin": ORIGIN},
                "currents": {"url": str(tmp_path / "currents")},
            },
        )
        expected: dict[str, Table] = {}
        for number in (1, 2):
            if number == 2:
                change(braze)
            scope.apps.append(apps[number - 1])
            # The first run has more than one day, so that the added app lacks one before the bookmark.
            scope.days[:] = [FIRST + timedelta(days=day) for day in range(number + 1)]
            files = event_files.write(tmp_path, scope.days[number - 1])
            lines = taps.read(app_ids=scope.apps, end_date=str(scope.days[-1] + timedelta(days=1)))
            tables = rest(braze, scope) | events(files)
            expected = {stream: table.after(expected.get(stream, table)) for stream, table in tables.items()}
            assert set(taps.streams) == expected.keys()
            with ThreadPoolExecutor() as pool:
                runs = [pool.submit(loader.load, lines[loader.deletions]) for loader in loaders]
            states = [run.result() for run in runs]
            assert states == [taps.states[loader.deletions] for loader in loaders]
            wrong = {loader.name: differences(loader, expected, loader.tables()) for loader in loaders}
            assert not any(wrong.values()), f"run {number}: " + json.dumps(wrong, indent=1, ensure_ascii=False)[:10000]


def scope_of(braze: Sandbox) -> Scope:
    """Return what the tap is to read, without a day and an app yet."""
    workspace = braze.workspace
    return Scope(
        days=[],
        apps=[],
        segment=next(iter(workspace.segments)),
        people=[str(one.external_id) for one in braze.profiles() if one.external_id][:3],
        groups=list(workspace.subscription_groups),
        colleagues=[one["userName"] for one in workspace.dashboard_users.values()],
        sends=[{"campaign_id": one.campaign_id, "send_id": one.id} for one in workspace.sends.values()],
    )


def prepare(braze: Sandbox) -> None:
    """Add what the seed has nothing of."""
    workspace = braze.workspace
    for draft in (next(iter(workspace.campaigns.values())), list(workspace.canvases.values())[-1]):
        draft.has_post_launch_draft = True
    owner = {"braze_id": braze.profiles()[0].braze_id, "rel_kind": "account_user", "attributes": {"role": "owner"}}
    post(braze, "/data_objects/objects/account/acct-0/users", **owner)
    people = [one.external_id for one in braze.profiles() if one.external_id]
    group = {"subscription_group_id": next(iter(workspace.subscription_groups)), "subscription_state": "subscribed"}
    post(braze, "/subscription/status/set", **group, external_id=people[:2])


def change(braze: Sandbox) -> None:
    """Delete something of every kind, edit, and add."""
    workspace = braze.workspace
    kinds: tuple[dict[str, Any], ...] = (
        workspace.campaigns,
        workspace.canvases,
        workspace.cards,
        workspace.content_blocks,
        workspace.templates,
        workspace.preference_centers,
        workspace.integrations,
        workspace.attribute_definitions,
        workspace.dashboard_users,
    )
    for objects in kinds:
        del objects[next(iter(objects))]
    # The first segment is that whose users are read, and the last catalog has no items.
    del workspace.segments[list(workspace.segments)[-1]], workspace.catalogs[list(workspace.catalogs)[-1]]
    workspace.events.remove(min(workspace.events))
    workspace.products.remove(min(workspace.products))
    del workspace.broadcasts[0], workspace.sdk_keys[0], workspace.data_objects["account"].records["acct-2"]
    items = next(one.items for one in workspace.catalogs.values() if one.items)
    del items[next(iter(items))]
    workspace.edit("campaigns", next(iter(workspace.campaigns)), name='Renamed: "größer", 50% off\n')
    *_, leaver, changed = [str(one.external_id) for one in braze.profiles() if one.external_id]
    attributes = [{"external_id": changed, "first_name": "Zoë", "score": 7}, {"external_id": "new", "score": 1}]
    post(braze, "/users/track", attributes=attributes)
    post(braze, "/users/delete", external_ids=[leaver])


def post(braze: Sandbox, path: str, **body: Any) -> None:
    headers = {"Authorization": f"Bearer {braze.api_key}"}
    requests.post(braze.url + path, json=body, headers=headers, timeout=30).raise_for_status()
