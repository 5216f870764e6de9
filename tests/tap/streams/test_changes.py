"""The setting `users.changes_only`: what changed since the last export, also what may not have arrived before."""

from __future__ import annotations

import shutil
import stat
from typing import TYPE_CHECKING, Any

import pytest
import requests
from braze_sandbox.testing import Sandbox

from tests.tap.support.singer import catalog_of

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    RunTap = Callable[..., Any]


@pytest.fixture
def sandbox() -> Iterator[Sandbox]:
    with Sandbox(seed="small", users=100) as sandbox:
        yield sandbox


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return tmp_path / "changes"


@pytest.fixture
def setup(sandbox: Sandbox, folder: Path) -> dict[str, Any]:
    """Settings for two segments, which share users."""
    segments = [*sandbox.workspace.segments][:2]
    ids = [profile.braze_id for profile in sandbox.profiles()]
    assign(sandbox, segments[0], {*ids[:60]})
    assign(sandbox, segments[1], {*ids[40:]})
    return {"users": {"segment_ids": segments, "changes_only": True, "changes_path": str(folder)}, "concurrency": 1}


def assign(sandbox: Sandbox, segment: str, ids: set[str]) -> None:
    sandbox.workspace.segments[segment].members = ids


def members(sandbox: Sandbox, segment: str) -> set[str]:
    ids = sandbox.workspace.segments[segment].members
    assert ids is not None
    return ids


def change(sandbox: Sandbox, braze_id: str, **attributes: Any) -> None:
    headers = {"Authorization": f"Bearer {sandbox.api_key}"}
    body = {"attributes": [{"braze_id": braze_id, **attributes}]}
    requests.post(f"{sandbox.url}/users/track", json=body, headers=headers, timeout=10).raise_for_status()


def leave(sandbox: Sandbox, braze_id: str) -> None:
    headers = {"Authorization": f"Bearer {sandbox.api_key}"}
    url = f"{sandbox.url}/users/delete"
    requests.post(url, json={"braze_ids": [braze_id]}, headers=headers, timeout=10).raise_for_status()


def activated(run: Any) -> list[int]:
    return [message["version"] for message in run.messages if message["type"] == "ACTIVATE_VERSION"]


def versions(run: Any) -> set[int | None]:
    return {message.get("version") for message in run.messages if message["type"] == "RECORD"}


@pytest.mark.parametrize("deletions", ["hard", "soft", "keep"])
def test_one_changed_and_one_left_are_two_records(run_tap: RunTap, tmp_path: Path, deletions: str) -> None:
    with Sandbox(seed="small", users=1_000) as sandbox:
        segment = next(iter(sandbox.workspace.segments))
        ids = [profile.braze_id for profile in sandbox.profiles()]
        assign(sandbox, segment, {*ids})
        users = {"segment_ids": [segment], "changes_only": True, "changes_path": str(tmp_path)}
        setup = {"api_key": sandbox.api_key, "endpoint": sandbox.url, "users": users, "deletions": deletions}
        first = run_tap("users", **setup)
        assert first.exit_code == 0, first.stderr
        assert len(first.records("users")) == len(ids) >= 1_000
        assert bool(activated(first)) == (deletions == "hard")

        change(sandbox, ids[0], first_name="Changed")
        leave(sandbox, ids[1])
        second = run_tap("users", state=first.state, **setup)
        changed, *gone = second.records("users")
        assert (changed["braze_id"], changed["first_name"], changed["_sdc_deleted_at"]) == (ids[0], "Changed", None)
        assert [record["braze_id"] for record in gone] == ([] if deletions == "keep" else [ids[1]])
        assert all(record == {"braze_id": ids[1], "_sdc_deleted_at": record["_sdc_deleted_at"]} for record in gone)
        assert activated(second) == []
        # Rows of a later first export replace these.
        assert versions(first) == versions(second) == (versions(first) if deletions == "hard" else {None})

        third = run_tap("users", state=second.state, **setup)
        assert third.records("users") == []


def test_a_user_of_two_segments_leaves_with_the_last_one(
    sandbox: Sandbox, run_tap: RunTap, setup: dict[str, Any]
) -> None:
    streams = ("users", "segment_members", "user_devices")
    one, two = setup["users"]["segment_ids"]
    first = run_tap(*streams, **setup)
    assert len(first.records("users")) == len({record["braze_id"] for record in first.records("users")})
    both = next(iter(members(sandbox, one) & members(sandbox, two)))
    members(sandbox, one).discard(both)
    second = run_tap(*streams, state=first.state, **setup)
    assert second.records("users") == []
    (left,) = second.records("segment_members")
    assert left == {"segment_id": one, "braze_id": both, "_sdc_deleted_at": left["_sdc_deleted_at"]}
    assert second.records("user_devices"), "rows of lists in profiles come in full"
    members(sandbox, two).discard(both)
    third = run_tap(*streams, state=second.state, **setup)
    assert [record["braze_id"] for record in third.records("users")] == [both]
    members(sandbox, one).add(both)
    fourth = run_tap(*streams, state=third.state, **setup)
    (joined,) = fourth.records("users")
    assert (joined["braze_id"], joined["_sdc_deleted_at"]) == (both, None)


def test_a_run_that_is_cut_anywhere_loses_no_change(
    sandbox: Sandbox, run_tap: RunTap, setup: dict[str, Any], folder: Path, tmp_path: Path
) -> None:
    """What a loader holds after a run was cut after each of its messages and the next one went to its end."""
    first = run_tap("users", **setup)
    ids = [record["braze_id"] for record in first.records("users")]
    change(sandbox, ids[0], first_name="One")
    change(sandbox, ids[-1], first_name="Two")
    leave(sandbox, ids[3])
    whole = run_tap("users", state=first.state, **setup)
    assert len(whole.records("users")) == 3
    change(sandbox, ids[5], first_name="Three")
    shutil.copytree(folder, after := tmp_path / "after")
    for cut in range(len(whole.messages) + 1):
        shutil.rmtree(folder)
        shutil.copytree(after, folder)
        loaded = whole.messages[:cut]
        states = [message["value"] for message in loaded if message["type"] == "STATE"]
        rest = run_tap("users", state=states[-1] if states else first.state, **setup)
        rows = {m["record"]["braze_id"]: m["record"] for m in [*loaded, *rest.messages] if m["type"] == "RECORD"}
        names = {key: row.get("first_name") for key, row in rows.items() if row["_sdc_deleted_at"] is None}
        assert names == {ids[0]: "One", ids[-1]: "Two", ids[5]: "Three"}, cut
        assert rows[ids[3]]["_sdc_deleted_at"] is not None


def test_a_state_that_got_lost_after_the_run_sends_the_changes_again(
    sandbox: Sandbox, run_tap: RunTap, setup: dict[str, Any], folder: Path
) -> None:
    first = run_tap("users", **setup)
    ids = [record["braze_id"] for record in first.records("users")]
    change(sandbox, ids[0], first_name="One")
    assert len(run_tap("users", state=first.state, **setup).records("users")) == 1
    again = run_tap("users", state=first.state, **setup)
    assert [record["first_name"] for record in again.records("users")] == ["One"]
    assert len([*folder.glob("*.sqlite")]) == 2, "that of the last STATE and that of the one before"
    assert run_tap("users", state=again.state, **setup).records("users") == []


def test_without_state_or_file_all_rows_come_and_replace_the_table(
    run_tap: RunTap, setup: dict[str, Any], folder: Path
) -> None:
    first = run_tap("users", **setup)
    without_state = run_tap("users", **setup)
    assert len(without_state.records("users")) == len(first.records("users"))
    assert len(activated(without_state)) == 1
    for file in folder.iterdir():
        file.unlink()
    without_file = run_tap("users", state=without_state.state, **setup)
    assert "sends all rows, because setting 'users.changes_path' has no file" in without_file.stderr
    assert len(without_file.records("users")) == len(first.records("users"))
    assert len(activated(without_file)) == 1


def test_rows_that_were_sent_in_full_in_between_are_not_forgotten(
    sandbox: Sandbox, run_tap: RunTap, setup: dict[str, Any]
) -> None:
    first = run_tap("users", **setup)
    record = first.records("users")[0]
    change(sandbox, record["braze_id"], first_name="Changed")
    full = {**setup, "users": {**setup["users"], "changes_only": False}}
    second = run_tap("users", state=first.state, **full)
    assert "export" not in second.state["bookmarks"]["users"]
    kinds = [message["type"] for message in second.messages]
    assert kinds.index("STATE") < kinds.index("RECORD")
    change(sandbox, record["braze_id"], first_name=record.get("first_name"))
    third = run_tap("users", state=second.state, **setup)
    assert len(third.records("users")) == len(first.records("users"))


def test_an_export_that_fails_loses_neither_changes_nor_users(
    sandbox: Sandbox, run_tap: RunTap, setup: dict[str, Any]
) -> None:
    first = run_tap("users", **setup)
    one, two = setup["users"]["segment_ids"]
    only_two = next(iter(members(sandbox, two) - members(sandbox, one)))
    change(sandbox, only_two, first_name="New")
    sandbox.fault(path="/users/export/segment", do="status", status=400, body={"message": "no"}, times=1)
    second = run_tap("users", state=first.state, **setup)
    assert "deletes nothing" in second.stderr
    assert [record["braze_id"] for record in second.records("users")] == [only_two]
    third = run_tap("users", state=second.state, **setup)
    assert third.records("users") == []


def test_a_first_export_that_fails_is_no_basis(sandbox: Sandbox, run_tap: RunTap, setup: dict[str, Any]) -> None:
    sandbox.fault(path="/users/export/segment", do="status", status=400, body={"message": "no"}, times=1)
    first = run_tap("users", **setup)
    assert activated(first) == []
    assert "sends all rows again in the next run" in first.stderr
    second = run_tap("users", state=first.state, **setup)
    assert len(second.records("users")) >= 100
    assert len(activated(second)) == 1


def test_the_files_are_private_and_hold_ids_and_hashes(
    sandbox: Sandbox, run_tap: RunTap, setup: dict[str, Any], folder: Path
) -> None:
    run_tap("users", "segment_members", "global_control_group_users", **setup)
    files = [*folder.iterdir()]
    names = {file.name.split("-")[0] for file in files}
    assert names == {"global_control_group_users", "segment_members", "users"}
    assert stat.S_IMODE(folder.stat().st_mode) == 0o700
    known = [text for profile in sandbox.profiles() for text in (profile.external_id, profile.email) if text]
    assert known
    for file in files:
        assert stat.S_IMODE(file.stat().st_mode) == 0o600
        content = file.read_bytes()
        assert not [text for text in known if text.encode() in content]


def test_columns_that_are_not_read_do_not_count(sandbox: Sandbox, run_tap: RunTap, setup: dict[str, Any]) -> None:
    setup["users"]["fields"] = ["email"]
    first = run_tap("users", **setup)
    change(sandbox, first.records("users")[0]["braze_id"], first_name="Changed")
    assert run_tap("users", state=first.state, **setup).records("users") == []


def test_a_folder_is_required(run_tap: RunTap) -> None:
    run = run_tap("users", users={"changes_only": True})
    assert run.exit_code == 1
    (error,) = run.errors
    assert error == "setting 'users.changes_only': set 'users.changes_path' to a folder that remembers the last export"


def test_a_damaged_file_stops_the_run(run_tap: RunTap, setup: dict[str, Any], folder: Path) -> None:
    first = run_tap("users", **setup)
    (file,) = folder.iterdir()
    file.write_bytes(b"x" * 4096)
    run = run_tap("users", state=first.state, **setup)
    assert run.exit_code == 1
    assert "setting 'users.changes_path'" in run.errors[0]
    assert file.name in run.errors[0]


def test_a_folder_that_cannot_be_made_stops_the_run(run_tap: RunTap, setup: dict[str, Any], folder: Path) -> None:
    folder.write_text("a file")
    run = run_tap("users", **setup)
    assert run.exit_code == 1
    assert "setting 'users.changes_path'" in run.errors[0]


@pytest.mark.parametrize("export", [7, {}, {"file": 7, "version": 1}, {"file": "x", "version": None}])
def test_a_damaged_state_is_named(run_tap: RunTap, setup: dict[str, Any], export: Any) -> None:
    run = run_tap("users", state={"bookmarks": {"users": {"export": export}}}, **setup)
    assert run.exit_code == 1
    assert "stream 'users': 'export' is damaged in the state" in run.errors[0]


def test_a_catalog_of_another_setting_is_named(run_tap: RunTap, setup: dict[str, Any]) -> None:
    run = run_tap(catalog=catalog_of({}, ("users",)), **setup)
    assert run.exit_code == 1
    assert any("another setting 'users.changes_only'" in line for line in run.errors)
