"""Versions of objects: whatever is killed or lost in between, tables only gain true rows, and no version twice."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tap_braze.comparison import history
from tap_braze.comparison.history import History

if TYPE_CHECKING:
    from collections.abc import Iterable

Objects = dict[str, str]
Table = dict[tuple[str, str], dict[str, Any]]


class _KilledError(Exception):
    pass


class Pipeline:
    """Runs of a tap whose records reach a table, and whose STATE reaches the next run; a kill ends both."""

    def __init__(self) -> None:
        self.table: Table = {}
        self.saved: dict[str, Any] = {}
        self.left_out = 0

    def run(
        self, objects: Objects, *, complete: bool = True, kill_after: int | None = None, closes: bool = True
    ) -> bool:
        """Read these objects; end after `kill_after` messages. Return whether the run came to its end."""
        state = json.loads(json.dumps(self.saved))
        left = [kill_after]

        def step() -> None:
            if left[0] is not None:
                if not left[0]:
                    raise _KilledError
                left[0] -= 1

        def checkpoint() -> None:
            step()
            self.saved = json.loads(json.dumps(state))

        def write(records: Iterable[dict[str, Any]]) -> None:
            for record in records:
                step()
                key = record["id"], record["valid_from"]
                versioned = {name: value for name, value in record.items() if name != "last_sent"}
                # A row that is there comes again as it is, or a version would be lost.
                assert self.table.setdefault(key, versioned) == versioned

        def overflow(count: int) -> None:
            self.left_out = count

        try:
            compared = History(state, ("id",), {"text"}, closes=closes, checkpoint=checkpoint, overflow=overflow)
            for key, text in objects.items():
                write(compared.changes({"id": key, "text": text, "last_sent": str(left)}))
            write(compared.settle(complete=complete))
            checkpoint()
        except _KilledError:
            return False
        return True

    def versions(self) -> dict[str, list[str | None]]:
        """Return the texts of each object in the order of `valid_from`; None where it is gone."""
        found: dict[str, list[str | None]] = {}
        for (key, _), row in sorted(self.table.items()):
            assert (row["deleted_at"] is None) == ("text" in row)
            found.setdefault(key, []).append(row.get("text"))
        return found


@pytest.fixture(autouse=True)
def _small_batches(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(history, "_BATCH", 2)


OBJECTS = st.dictionaries(st.sampled_from("abcde"), st.sampled_from("xyz"))
KILLS = st.lists(st.integers(0, 20), max_size=3)


@given(st.lists(st.tuples(OBJECTS, KILLS), min_size=1, max_size=5))
@settings(max_examples=100, deadline=None)
def test_kills_lose_no_version_and_double_none(runs: list[tuple[Objects, list[int]]]) -> None:
    pipeline = Pipeline()
    expected: dict[str, list[str | None]] = {}
    for objects, kills in runs:
        for kill_after in kills:
            pipeline.run(objects, kill_after=kill_after)
        pipeline.run(objects)
        for key in {*objects, *expected}:
            versions = expected.setdefault(key, [])
            if (text := objects.get(key)) != (versions[-1] if versions else None):
                versions.append(text)
        assert pipeline.versions() == {key: versions for key, versions in expected.items() if versions}


@given(st.lists(st.tuples(OBJECTS, st.none() | st.integers(0, 20)), min_size=1, max_size=8), st.integers(0, 8))
@settings(max_examples=100, deadline=None)
def test_whatever_is_lost_rows_are_only_added(runs: list[tuple[Objects, int | None]], lost: int) -> None:
    """Also where objects change between a kill and the next run, and where STATE is lost."""
    pipeline = Pipeline()
    last = runs[-1][0]
    for number, (objects, kill_after) in enumerate([*runs, (last, None)]):
        if number == lost:
            pipeline.saved = {}
        before = dict(pipeline.table)
        pipeline.run(objects, kill_after=kill_after)
        assert pipeline.table.items() >= before.items()
    latest = {key: texts[-1] for key, texts in pipeline.versions().items()}
    assert {key: latest[key] for key in last} == last


def test_an_incomplete_reading_closes_nothing() -> None:
    pipeline = Pipeline()
    pipeline.run({"a": "x", "b": "y"})
    pipeline.run({"a": "x"}, complete=False)
    assert pipeline.versions() == {"a": ["x"], "b": ["y"]}
    pipeline.run({"a": "x"})
    assert pipeline.versions() == {"a": ["x"], "b": ["y", None]}
    pipeline.run({"a": "x", "b": "y"})
    assert pipeline.versions() == {"a": ["x"], "b": ["y", None, "y"]}


def test_an_object_that_changes_during_a_reading_has_both_versions() -> None:
    state: dict[str, Any] = {}
    compared = History(state, ("id",), {"text"}, closes=True, checkpoint=lambda: None, overflow=print)
    rows = [{"id": "a", "text": "x"}, {"id": "a", "text": "x"}, {"id": "a", "text": "y"}]
    written = [record for row in rows for record in compared.changes(row)]
    written += compared.settle(complete=True)
    assert [record["text"] for record in written] == ["x", "y"]
    assert written[0]["valid_from"] < written[1]["valid_from"]


def test_a_clock_that_went_back_keeps_the_order() -> None:
    pipeline = Pipeline()
    pipeline.run({"a": "x"})
    pipeline.saved["history"]["last"] = "2999-12-31T23:59:59.999999Z"
    pipeline.run({"a": "y"})
    assert pipeline.versions() == {"a": ["x", "y"]}


def test_a_null_is_like_a_missing_column_and_the_order_of_keys_does_not_matter() -> None:
    state: dict[str, Any] = {}

    def read(row: dict[str, Any]) -> int:
        compared = History(state, ("id",), {"one", "two"}, closes=True, checkpoint=lambda: None, overflow=print)
        return len([*compared.changes({"id": "a", **row}), *compared.settle(complete=True)])

    assert read({"one": {"x": 1, "y": 2}, "two": None}) == 1
    assert read({"one": {"y": 2, "x": 1}}) == 0
    assert read({"one": {"y": 2, "x": 1}, "two": 0}) == 1


def test_state_is_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(history, "_BATCH", 5_000)
    pipeline = Pipeline()
    many = {f"{number:08x}-9c1f-4b6e-8f30-{number * 7919:012x}": str(number) for number in range(10_003)}
    pipeline.run(many)
    assert len(pipeline.table) == 10_000
    assert pipeline.left_out == 3
    assert len(json.dumps(pipeline.saved)) < 500_000
    known = dict([*many.items()][:10_000])
    pipeline.run({**known, next(iter(known)): "changed"})
    assert len(pipeline.table) == 10_001
    pipeline.run({key: known[key] for key in [*known][1:]} | {"new": "x"})
    assert len(pipeline.table) == 10_002, "the new object has to wait for the place of the one that is gone"


@pytest.mark.parametrize(
    "damage",
    [
        None,
        7,
        {},
        {"last": "x"},
        {"keys": "!"},
        {"hashes": ""},
        {"unsettled": {"2026-01-01T00:00:00.000000Z": [["unknown"]]}},
        {"unsettled": []},
    ],
)
def test_a_damaged_state_is_named(damage: Any) -> None:
    pipeline = Pipeline()
    pipeline.run({"a": "x"})
    saved = pipeline.saved["history"]
    pipeline.saved["history"] = {**saved, **damage} if damage and isinstance(damage, dict) else damage
    with pytest.raises(ValueError, match="'history' is damaged"):
        pipeline.run({"a": "x"})
