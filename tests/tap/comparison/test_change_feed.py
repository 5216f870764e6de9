"""A feed of changes: whatever is killed or lost in between, a table that follows it equals the last export."""

from __future__ import annotations

import json
import shutil
from contextlib import closing
from typing import TYPE_CHECKING, Any

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from tap_braze.comparison.change_feed import ChangeFeed

if TYPE_CHECKING:
    from collections.abc import Iterable
    from pathlib import Path

Rows = dict[str, str]


def feed_of(
    state: dict[str, Any], folder: Path, names: tuple[str, ...] = ("id",), *, replaces: bool = True, secret: str = ""
) -> ChangeFeed:
    def warn(text: str) -> None:
        assert text

    files = folder, "users"
    return ChangeFeed(
        state, files, names, {"text"}, secret=secret, version=1, closes=True, replaces=replaces, warn=warn
    )


def read(
    state: dict[str, Any], folder: Path, rows: list[dict[str, Any]], names: tuple[str, ...] = ("id",)
) -> list[dict[str, Any]]:
    with closing(feed_of(state, folder, names)) as feed:
        written = [dict(record) for row in rows for record in feed.changes(row)]
        return [*written, *feed.settle(complete=True)]


class _KilledError(Exception):
    pass


class Pipeline:
    """Runs of a tap whose records reach a table, and whose STATE reaches the next run; a kill ends both."""

    def __init__(self, folder: Path, *, replaces: bool = True) -> None:
        self.table: Rows = {}
        self.saved: dict[str, Any] = {}
        self.written = 0
        self._folder, self._replaces = folder, replaces

    def run(
        self,
        rows: Rows,
        *,
        complete: bool = True,
        kill_after: int | None = None,
        state_arrives: bool = True,
        secret: str = "key",
    ) -> None:
        """Read these rows; end after `kill_after` records."""
        self.written = 0
        state = json.loads(json.dumps(self.saved))
        feed = feed_of(state, self._folder, replaces=self._replaces, secret=secret)

        def write(records: Iterable[dict[str, Any]]) -> None:
            for record in records:
                if kill_after is not None and self.written >= kill_after:
                    raise _KilledError
                self.written += 1
                if record["_sdc_deleted_at"] is None:
                    self.table[record["id"]] = record["text"]
                else:
                    self.table.pop(record["id"], None)

        try:
            for key, text in rows.items():
                write(feed.changes({"id": key, "text": text, "exported_at": str(self.written)}))
            write(feed.settle(complete=complete))
        except _KilledError:
            return
        finally:
            feed.close()
        if feed.is_first and complete and self._replaces:  # ACTIVATE_VERSION
            self.table = {key: self.table[key] for key in rows}
        if state_arrives:
            self.saved = json.loads(json.dumps(state))


ROWS = st.dictionaries(st.sampled_from("abcde"), st.sampled_from("xyz"))
RUNS = st.lists(st.tuples(ROWS, st.none() | st.integers(0, 8), st.booleans()), min_size=1, max_size=8)


@given(runs=RUNS, lost=st.integers(0, 8), removed=st.integers(0, 8))
@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_a_table_that_follows_equals_the_last_export(
    tmp_path: Path, runs: list[tuple[Rows, int | None, bool]], lost: int, removed: int
) -> None:
    shutil.rmtree(folder := tmp_path / "changes", ignore_errors=True)
    pipeline = Pipeline(folder)
    for number, (rows, kill_after, state_arrives) in enumerate(runs):
        if number == lost:
            pipeline.saved = {}
        if number == removed:
            shutil.rmtree(folder, ignore_errors=True)
        pipeline.run(rows, kill_after=kill_after, state_arrives=state_arrives)
    last = runs[-1][0]
    pipeline.run(last)
    assert pipeline.table == last
    pipeline.run(last)
    assert pipeline.written == 0
    assert len([*folder.glob("*.sqlite")]) == 2


@given(runs=RUNS)
@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_loaders_that_ignore_versions_follow_too(tmp_path: Path, runs: list[tuple[Rows, int | None, bool]]) -> None:
    shutil.rmtree(folder := tmp_path / "changes", ignore_errors=True)
    pipeline = Pipeline(folder, replaces=False)
    for rows, kill_after, state_arrives in runs:
        pipeline.run(rows, kill_after=kill_after, state_arrives=state_arrives)
    pipeline.run(runs[-1][0])
    assert pipeline.table == runs[-1][0]


def test_an_incomplete_export_carries_over_what_it_did_not_read(tmp_path: Path) -> None:
    pipeline = Pipeline(tmp_path)
    pipeline.run({"a": "x", "b": "y"})
    pipeline.run({"a": "z"}, complete=False)
    assert (pipeline.written, pipeline.table) == (1, {"a": "z", "b": "y"})
    pipeline.run({"a": "z", "b": "y"})
    assert pipeline.written == 0
    pipeline.run({"a": "z"})
    assert pipeline.table == {"a": "z"}


def test_a_row_that_changes_back_during_an_export_comes_again(tmp_path: Path) -> None:
    state: dict[str, Any] = {}

    def texts(*given: str) -> list[str]:
        return [record["text"] for record in read(state, tmp_path, [{"id": "a", "text": text} for text in given])]

    assert texts("x") == ["x"]
    assert texts("y", "x", "x") == ["y", "x"]
    assert texts("x") == []


def test_another_api_key_sends_all_rows_and_still_knows_who_is_gone(tmp_path: Path) -> None:
    pipeline = Pipeline(tmp_path)
    pipeline.run({"a": "x", "b": "y"})
    pipeline.run({"a": "x"}, secret="another")
    assert pipeline.written == 2
    assert pipeline.table == {"a": "x"}


def test_keys_of_several_columns_come_back_as_they_were(tmp_path: Path) -> None:
    state: dict[str, Any] = {}
    names = ("segment", "id")
    stays, goes = {"segment": "s", "id": "é"}, {"segment": "t", "id": 'q"\n'}
    read(state, tmp_path, [{**stays}, {**goes}], names)
    gone = read(state, tmp_path, [{**stays}], names)
    assert [{name: record[name] for name in names} for record in gone] == [goes]


def test_an_export_that_replaces_the_table_says_of_nobody_that_they_left(tmp_path: Path) -> None:
    """Loaders would keep such a row, because it has the new version."""
    pipeline = Pipeline(tmp_path)
    pipeline.run({"a": "x", "b": "y"})
    pipeline.run({"a": "x"})
    pipeline.saved = {}
    pipeline.run({"a": "x"})
    assert pipeline.written == 1
