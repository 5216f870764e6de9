"""The report of a run of the target: a page that opens offline, and a line in the history."""

from __future__ import annotations

import json
import os
import re
import signal
from html.parser import HTMLParser
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from target_braze import Loader
from typing_extensions import override

from tests.target.support.singer import INTEGER, TEXT, Stream, customers, state

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from braze_sandbox.testing import Sandbox

    from tests.target.support.singer import Run

WORD = "Xylophone"  # stands for what is personal


class Text(HTMLParser):
    """The text of a page and the tags in it; raises if a tag is not closed."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.words: list[str] = []
        self.tags: list[str] = []
        self._open: list[str] = []
        self.feed(page)
        assert self._open == []

    @override
    def handle_starttag(self, tag: str, attrs: object) -> None:
        self.tags.append(tag)
        if tag not in {"meta", "polygon", "polyline"}:
            self._open.append(tag)

    @override
    def handle_startendtag(self, tag: str, attrs: object) -> None:
        self.tags.append(tag)

    @override
    def handle_endtag(self, tag: str) -> None:
        assert self._open.pop() == tag

    @override
    def handle_data(self, data: str) -> None:
        self.words.append(data)

    @override
    def __str__(self) -> str:
        return " ".join(" ".join(self.words).split())


@pytest.fixture
def reported(tmp_path: Path) -> dict[str, Any]:
    return {
        "on_error": "dead_letter",
        "dead_letter_path": str(tmp_path / "dead.singer"),
        "report_path": str(tmp_path / "load.html"),
    }


def lines_of(tmp_path: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in (tmp_path / "load.jsonl").read_text("utf-8").splitlines()]


def page_of(tmp_path: Path) -> Text:
    return Text((tmp_path / "load.html").read_text("utf-8"))


def test_a_run_is_reported(
    run_target: Callable[..., Run], sandbox: Sandbox, reported: dict[str, Any], tmp_path: Path
) -> None:
    sandbox.workspace.blocked_external_ids.add("c-9")
    people = customers(
        {"external_id": "c-1", "n": 1},
        {"external_id": "c-2", "n": WORD},
        {"external_id": "c-3", "n": WORD},
        {"external_id": "c-9", "n": 1},
        n=INTEGER,
    )
    runs = [run_target(people, state(1), **reported) for _ in range(2)]
    # The history has the summaries of both runs.
    assert lines_of(tmp_path) == [run.summary for run in runs]
    assert lines_of(tmp_path)[0]["run_id"] != lines_of(tmp_path)[1]["run_id"]
    text = str(page_of(tmp_path))
    assert "target-braze completed" in text
    assert f"All rejected records, each with its reason: {reported['dead_letter_path']}" in text
    assert "4 read 1 sent 0 unchanged 3 rejected" in text
    assert re.search(r"2 . column 'n': [^,]+ in customers record 2 external_id text of 3 characters n text of 9", text)
    assert "Braze refused it: " in text
    assert page_of(tmp_path).tags.count("svg") == 2
    page = (tmp_path / "load.html").read_text("utf-8")
    assert WORD not in page
    assert "c-9" not in page
    assert not re.findall(r"https?:|src=|@import|url\(|<script", page)
    for name in ("load.html", "load.jsonl"):
        assert (tmp_path / name).stat().st_mode & 0o777 == 0o600


def test_values_are_shown_if_a_setting_says_so(
    run_target: Callable[..., Run], reported: dict[str, Any], tmp_path: Path
) -> None:
    run_target(customers({"external_id": "c-2", "n": WORD}, n=INTEGER), **reported, report_values=True)
    text = str(page_of(tmp_path))
    assert f'external_id "c-2" n "{WORD}"' in text
    assert "may contain personal data" in text
    assert WORD not in (tmp_path / "load.jsonl").read_text("utf-8")


@settings(max_examples=10, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    st.lists(
        st.dictionaries(
            st.sampled_from(["email", "dob", "country", "n", "tags", "address", "external_id"]),
            st.one_of(
                st.just(WORD),
                st.just([WORD, {WORD: WORD}]),
                st.just({"street": [WORD] * 3}),
                st.builds("{}@{}".format, st.just(WORD), st.sampled_from(["", "a", "a..b"])),
                st.builds("{}{}".format, st.just(WORD), st.text(max_size=300)),
            ),
        ),
        min_size=1,
        max_size=8,
    )
)
def test_no_value_of_a_record_is_on_the_page(
    sandbox: Sandbox, reported: dict[str, Any], tmp_path: Path, records: list[dict[str, Any]]
) -> None:
    columns = {"email": TEXT, "dob": TEXT, "country": TEXT, "n": INTEGER, "tags": INTEGER, "address": INTEGER}
    config = {"api_key": sandbox.api_key, "endpoint": sandbox.url, **reported}
    with Loader({**config, "streams": {"people": {"to": "attributes"}}}) as loader:
        people = loader.open("people", {"properties": {**columns, "external_id": TEXT}}, ["external_id"])
        people.write({"external_id": f"c-{number}", **record} for number, record in enumerate(records))
    rejected = loader.summary["total"]["rejected"]
    assert WORD not in (tmp_path / "load.html").read_text("utf-8")
    assert WORD not in (tmp_path / "load.jsonl").read_text("utf-8")
    assert ("Rejected" in str(page_of(tmp_path))) == bool(rejected)


def test_names_cannot_add_markup(run_target: Callable[..., Run], reported: dict[str, Any], tmp_path: Path) -> None:
    name = "<script>alert(1)</script>"
    evil = Stream(name, {"external_id": TEXT, "<img src=x>": INTEGER}, [{"external_id": "c", "<img src=x>": name}])
    run_target(evil, streams={"*": {"to": "attributes"}}, **reported, report_values=True)
    page = page_of(tmp_path)
    assert not {"script", "img"} & {*page.tags}
    assert name in str(page)


def test_a_run_that_fails_is_reported(run_target: Callable[..., Run], reported: dict[str, Any], tmp_path: Path) -> None:
    del reported["on_error"], reported["dead_letter_path"]
    run_target(customers({"external_id": "c-2", "n": WORD}, n=INTEGER), **reported, expect=1)
    (found,) = lines_of(tmp_path)
    assert (found["ended"], found["total"]["rejected"]) == ("failed", 1)
    assert found["error"] == "a record was rejected, and setting 'on_error' is fail"
    assert "target-braze failed" in str(page_of(tmp_path))
    assert WORD not in (tmp_path / "load.html").read_text("utf-8")


def test_a_run_that_cannot_begin_is_reported(
    run_target: Callable[..., Run], reported: dict[str, Any], tmp_path: Path
) -> None:
    (tmp_path / "ledger").write_text("not a database, but long enough to be taken for one" * 100)
    run_target(customers({"external_id": "c-1"}), **reported, ledger_path=str(tmp_path / "ledger"), expect=1)
    (found,) = lines_of(tmp_path)
    assert found["ended"] == "failed"
    assert "ledger" in found["error"]


def test_a_run_that_a_signal_stops_is_reported(
    run_target: Callable[..., Run], sandbox: Sandbox, reported: dict[str, Any], tmp_path: Path
) -> None:
    sandbox.after_request("/users/track", lambda _: os.kill(os.getpid(), signal.SIGTERM))
    people = customers(*({"external_id": f"c-{number}"} for number in range(30)))
    run_target(people, **reported, concurrency=1, max_objects_per_request=1, expect=128 + signal.SIGTERM)
    (found,) = lines_of(tmp_path)
    assert (found["ended"], found["error"]) == ("stopped", "SIGTERM")
    assert "target-braze stopped" in str(page_of(tmp_path))


def test_a_dry_run_is_reported_as_one(run_target: Callable[..., Run], reported: dict[str, Any], tmp_path: Path) -> None:
    run_target(customers({"external_id": "c-1"}, {"external_id": ""}), **reported, dry_run=True)
    assert lines_of(tmp_path)[0]["dry_run"] is True
    text = str(page_of(tmp_path))
    assert "nothing was sent" in text
    assert "Would be rejected" in text


def test_a_report_that_cannot_be_written_fails_no_run(
    run_target: Callable[..., Run], sandbox: Sandbox, tmp_path: Path
) -> None:
    folder = tmp_path / "reports"
    folder.mkdir()
    sandbox.after_request("/users/track", lambda _: folder.rmdir(), times=1)
    run = run_target(customers({"external_id": "c-1"}), state(1), report_path=str(folder / "load.html"))
    assert len(run.states) == 1
    assert any("the report cannot be written" in warning for warning in run.warnings)


@pytest.mark.parametrize("other", ["dead_letter_path", "delivery_log_path", "ledger_path"])
def test_no_other_file_of_the_run_is_replaced(
    run_target: Callable[..., Run], sandbox: Sandbox, reported: dict[str, Any], other: str, tmp_path: Path
) -> None:
    run = run_target(customers({"external_id": "c-1"}), **{**reported, other: str(tmp_path / "load.jsonl")}, expect=1)
    assert f"settings 'report_path' and '{other}' name the same file" in run.stderr
    assert not sandbox.requests
