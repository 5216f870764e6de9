"""The outcome log: tasks of a run that are repeated send nothing twice, lose nothing, and merge into one result."""

from __future__ import annotations

import json
import math
import pickle
import random
import re
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, Any
from uuid import uuid4

import pyarrow as pa
import pytest
from moto.server import ThreadedMotoServer
from target_braze import BrazeError, FencedError, Loader, MappingError, OutcomeLog, OutcomeLogError, SettingsError

from tests.target.support.messages import CAMPAIGN, received
from tests.target.support.singer import INTEGER, TEXT, TIME, Run, the

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator
    from pathlib import Path

    from braze_sandbox.testing import Sandbox
    from target_braze import LoaderStream
    from target_braze.outcome_log.merged import Outcomes

COLUMNS = {"order_id": TEXT, "customer_id": TEXT, "at": TIME, "n": INTEGER}
SCHEMA: dict[str, Any] = {"properties": COLUMNS}


@pytest.fixture(params=["folder", "memory"])
def log(request: pytest.FixtureRequest, tmp_path: Path) -> OutcomeLog:
    url = str(tmp_path / "runs") if request.param == "folder" else f"memory://{uuid4().hex}"
    return OutcomeLog(url, "orders 2026-11-27/1", partitions=1)


@pytest.fixture
def config(sandbox: Sandbox) -> dict[str, Any]:
    return {
        "api_key": sandbox.api_key,
        "endpoint": sandbox.url,
        "dependency_delay": 0,
        "acknowledge_live_campaigns": True,
        "on_error": "dead_letter",
        "on_unknown_outcome": "hold",
        "streams": {
            "orders": {
                "to": "events",
                "user": [{"external_id": "customer_id"}],
                "event": {"name": "ordered"},
                "time_field": "at",
            },
            "customers": {"user": [{"external_id": "customer_id"}]},
            "visits": {"user": [{"external_id": "customer_id"}], "operators": {"n": "inc"}},
        },
    }


def orders(count: int, start: int = 0) -> list[dict[str, Any]]:
    return [
        {"order_id": f"o-{n}", "customer_id": f"c-{n % 50}", "at": "2026-01-01T00:00:00Z", "n": n}
        for n in range(start, start + count)
    ]


def load(
    config: dict[str, Any],
    log: OutcomeLog,
    records: Iterable[Any],
    *,
    stream: str = "orders",
    keys: tuple[str, ...] = ("order_id",),
    partition: int = 0,
) -> dict[str, Any]:
    with Loader(config, outcome_log=log.partition(partition)) as loader:
        loader.open(stream, SCHEMA, keys=keys).write(records)
    return dict(loader.summary["total"])


def numbers(sandbox: Sandbox) -> list[int]:
    """Return the property `n` of all events that Braze has."""
    return sorted(event["properties"]["n"] for profile in sandbox.profiles() for event in profile.events)


def test_a_rerun_sends_nothing_again_in_any_order(config: dict[str, Any], log: OutcomeLog, sandbox: Sandbox) -> None:
    records = orders(200)
    assert load(config, log, records)["sent"] == 200
    requests = len(sandbox.requests)
    random.Random(1).shuffle(records)
    again = load(config, log, records)
    assert (again["sent"], again["unchanged"], again["requests"]) == (0, 200, 0)
    assert len(sandbox.requests) == requests
    assert numbers(sandbox) == [*range(200)]
    # Another run knows nothing of this one.
    other = OutcomeLog(log.url, "orders 2026-11-28/1", partitions=1)
    assert load(config, other, orders(1))["sent"] == 1


def test_equal_records_without_a_key_are_counted(config: dict[str, Any], log: OutcomeLog, sandbox: Sandbox) -> None:
    record = orders(1)[0]
    assert load(config, log, [record] * 3, keys=())["sent"] == 3
    # This partition has two more of them.
    again = load(config, log, [record] * 5, keys=())
    assert (again["sent"], again["unchanged"]) == (2, 3)
    assert numbers(sandbox) == [0] * 5


def cut_off(config: dict[str, Any], log: OutcomeLog, sandbox: Sandbox, records: list[dict[str, Any]]) -> None:
    """Send the records in an attempt that ends before Braze answers."""
    sandbox.fault(path="/users/track", do="drop_after", times=1)
    sandbox.fault(path="/users/track", do="status", status=401)
    with pytest.raises(BrazeError):
        load({**config, "on_unknown_outcome": "resend"}, log, records)
    sandbox.clear_faults()


def test_what_is_in_doubt_becomes_a_dead_letter_or_is_sent_again(
    config: dict[str, Any], log: OutcomeLog, sandbox: Sandbox
) -> None:
    cut_off(config, log, sandbox, orders(75))
    assert numbers(sandbox) == [*range(75)]
    held = load(config, log, orders(80))
    assert (held["in_doubt"], held["sent"]) == (75, 5)
    assert numbers(sandbox) == [*range(80)]
    outcomes = log.merge()
    assert outcomes.summary["partitions"][0]["in_doubt"] == 75
    assert "got no answer" in next(iter(outcomes.summary["reasons"]))
    assert [json.loads(line)["type"] for line in outcomes.dead_letters()] == ["SCHEMA", *["RECORD"] * 75]
    sent = load({**config, "on_unknown_outcome": "resend"}, log, orders(80))
    assert (sent["in_doubt"], sent["sent"], sent["unchanged"]) == (0, 75, 5)
    assert log.merge().summary["partitions"][0]["in_doubt"] == 0
    assert load(config, log, orders(80))["unchanged"] == 80


def test_a_key_with_other_content_is_not_sent_a_second_time(
    config: dict[str, Any], log: OutcomeLog, sandbox: Sandbox
) -> None:
    load(config, log, orders(2))
    changed = [{**record, "n": 100} for record in orders(2)]
    # A key that is not unique is still told apart by content.
    again = load(config, log, [orders(2)[0], *changed])
    assert (again["unchanged"], again["in_doubt"], again["sent"]) == (1, 1, 1)
    assert numbers(sandbox) == [0, 1, 100]
    assert "other content" in next(iter(log.merge().summary["reasons"]))


def test_attributes_are_sent_again_but_increments_are_not(
    config: dict[str, Any], log: OutcomeLog, sandbox: Sandbox
) -> None:
    # Two increments of a user merge into one object.
    visits = [{"customer_id": f"c-{n % 10}", "n": 1, "order_id": str(n)} for n in range(20)]
    plain = [{"customer_id": "c-1", "order_id": "last"}]
    for expected in ({"sent": 10, "coalesced": 10}, {"unchanged": 20}):
        counts = load(config, log, visits, stream="visits")
        assert {name: counts[name] for name in expected} == expected
    assert [the(sandbox.profile(f"c-{n}")).custom_attributes["n"] for n in range(10)] == [2] * 10
    for _ in range(2):
        assert load(config, log, plain, stream="customers")["sent"] == 1


def test_records_that_braze_refuses_are_sent_again(config: dict[str, Any], log: OutcomeLog, sandbox: Sandbox) -> None:
    sandbox.fault(path="/users/track", do="status", status=400, times=1)
    assert load(config, log, orders(1))["rejected"] == 1
    assert load(config, log, orders(1))["sent"] == 1
    assert [*log.merge().dead_letters()] == []


def open_orders(loader: Loader) -> LoaderStream:
    return loader.open("orders", SCHEMA, keys=["order_id"])


def test_a_newer_attempt_stops_an_older_one(config: dict[str, Any], log: OutcomeLog, sandbox: Sandbox) -> None:
    def load_slowly() -> None:
        with Loader(config, outcome_log=log.partition(0)) as loader:
            stream = open_orders(loader)
            stream.write(orders(100))
            newer.update(load(config, log, orders(200)))
            stream.write(orders(100, start=100))

    newer: dict[str, Any] = {}
    with pytest.raises(FencedError, match="a newer attempt has claimed"):
        load_slowly()
    outcomes = log.merge()
    assert outcomes.summary["ended"] == "completed"
    assert newer["unchanged"] + newer["in_doubt"] + newer["sent"] == 200
    held = numbers(sandbox)
    assert len(held) == len({*held})
    # The older one may have stopped just before it sent what it had logged.
    assert {*held, *(letter["n"] for letter in letters(outcomes))} == {*range(200)}


def letters(outcomes: Outcomes) -> list[dict[str, Any]]:
    """Return the records in dead letters."""
    messages = [json.loads(line) for line in outcomes.dead_letters()]
    return [message["record"] for message in messages if message["type"] == "RECORD"]


def test_limits_of_a_run_need_a_run_of_one_partition(config: dict[str, Any], log: OutcomeLog) -> None:
    entry = {"to": "deletions", "user": [{"external_id": "customer_id"}], "allow_deletions": True, "max_deletions": 5}
    config["streams"] = {"gone": entry}
    for partitions in (2, None):
        split = OutcomeLog(log.url, f"split {partitions}", partitions)
        with pytest.raises(MappingError, match="'max_deletions' limits a whole run"):
            load(config, split, orders(1), stream="gone")
    assert load(config, log, orders(1), stream="gone")["sent"] == 1


@pytest.mark.usefixtures("messages")
def test_a_message_is_sent_once(config: dict[str, Any], log: OutcomeLog, sandbox: Sandbox) -> None:
    entry = {"to": "campaign_triggers", "campaign": {"id": CAMPAIGN}, "user": [{"external_id": "customer_id"}]}
    config["streams"] = {"orders": {**entry, "max_recipients": 100, "allow_duplicate_messages": True}}
    sandbox.fault(path="/campaigns/trigger/send", do="drop_after", times=1)
    assert load(config, log, orders(3))["in_doubt"] == 3
    sandbox.clear_faults()
    again = load(config, log, orders(4))
    assert (again["in_doubt"], again["sent"]) == (3, 1)
    again = load(config, log, orders(4))
    assert (again["in_doubt"], again["unchanged"]) == (3, 1)
    assert received(sandbox) == Counter(f"c-{n}" for n in range(4))


def test_partitions_are_independent_and_merge(config: dict[str, Any], log: OutcomeLog, sandbox: Sandbox) -> None:
    whole = OutcomeLog(log.url, "merged", partitions=3)
    for number in (0, 2):
        records = [*orders(10, start=10 * number), {"order_id": "bad"}]
        assert load(config, whole, records, partition=number)["sent"] == 10
    unfinished = whole.merge().summary
    assert (unfinished["ended"], unfinished["error"]) == ("failed", "partitions not completed: 1 (1)")
    load(config, whole, orders(10, start=10), partition=1)
    outcomes = whole.merge()
    summary = outcomes.summary
    assert (summary["run_id"], summary["ended"], summary["error"]) == ("merged", "completed", None)
    total = summary["total"]
    assert (total["read"], total["sent"], total["rejected"], total["objects"]) == (32, 30, 2, 30)
    assert summary["streams"]["orders"]["read"] == 32
    assert summary["reasons"] == {"it identifies no user: these columns are blank: customer_id": 2}
    table = outcomes.table()
    assert isinstance(table, pa.Table)
    assert (
        table.select(["stream", "number", "record"]).to_pylist()
        == [{"stream": "orders", "number": 11, "record": '{"order_id":"bad"}'}] * 2
    )
    assert whole.merge(failed="the job was canceled").summary["error"] == "the job was canceled"
    assert numbers(sandbox) == [*range(30)]


@pytest.fixture(scope="module")
def s3() -> Iterator[dict[str, Any]]:
    server = ThreadedMotoServer(port=0, verbose=False)
    server.start()
    try:
        host, port = server.get_host_and_port()
        yield {"endpoint_url": f"http://{host}:{port}", "key": "AKIDEXAMPLE01", "secret": "s3cr3t-of-the-bucket"}
    finally:
        server.stop()


def test_the_log_can_be_in_s3(
    config: dict[str, Any], s3: dict[str, Any], sandbox: Sandbox, monkeypatch: pytest.MonkeyPatch
) -> None:
    from s3fs import S3FileSystem  # noqa: PLC0415 - takes a while

    for name in ("CONFIG_FILE", "SHARED_CREDENTIALS_FILE"):
        monkeypatch.setenv(f"AWS_{name}", "/nowhere")
    monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")
    S3FileSystem(**s3, skip_instance_cache=True).mkdir("runs")
    log = OutcomeLog("s3://runs/braze", "orders 1", partitions=2, storage_options=s3)
    cut_off(config, log, sandbox, orders(75))
    assert load(config, log, orders(80))["in_doubt"] == 75
    assert load(config, log, [*orders(80), {"order_id": "bad"}])["unchanged"] == 5
    assert load(config, log, orders(5, start=80), partition=1)["sent"] == 5
    assert numbers(sandbox) == [*range(85)]
    outcomes = log.merge()
    assert outcomes.summary["ended"] == "completed"
    assert len(letters(outcomes)) == 76
    wrong = OutcomeLog("s3://another/braze", "orders 1", storage_options=s3)
    with pytest.raises(OutcomeLogError, match="s3://another/braze") as error:
        load(config, wrong, orders(1))
    assert s3["secret"] not in str(error.value)


def test_tasks_can_be_threads_of_one_process(config: dict[str, Any], log: OutcomeLog, sandbox: Sandbox) -> None:
    split = OutcomeLog(log.url, "threads", partitions=8)

    def task(number: int) -> int:
        return int(load(config, split, orders(10, start=10 * number), partition=number)["sent"])

    with ThreadPoolExecutor(8) as tasks:
        assert [*tasks.map(task, range(8))] == [10] * 8
    assert split.merge().summary["total"]["sent"] == 80
    assert numbers(sandbox) == [*range(80)]


def test_letters_of_all_attempts_are_merged_once_if_none_completed(
    config: dict[str, Any], log: OutcomeLog, sandbox: Sandbox
) -> None:
    bad = {"order_id": "bad"}

    def fail_after(records: list[dict[str, Any]]) -> Iterable[dict[str, Any]]:
        yield from records
        raise ZeroDivisionError

    for records in ([bad, bad, {"order_id": "worse"}], [bad]):
        with pytest.raises(ZeroDivisionError):
            load(config, log, fail_after(records))
    assert sorted(letter["order_id"] for letter in letters(log.merge())) == ["bad", "bad", "worse"]
    assert log.merge().summary["partitions"] == [
        {"partition": 0, "attempts": 2, "ended": "failed", "error": "ZeroDivisionError", "in_doubt": 0}
    ]
    assert sandbox.profiles() == []


def test_dead_letters_can_be_piped_in(
    config: dict[str, Any], log: OutcomeLog, tmp_path: Path, sandbox: Sandbox, run_target: Callable[..., Run]
) -> None:
    load(config, log, [{"order_id": "o-1", "at": "2026-01-01T00:00:00Z"}])
    path = tmp_path / "letters.singer"
    log.merge().write_dead_letters(path)
    with pytest.raises(FileExistsError):
        log.merge().write_dead_letters(path)
    fixed = path.read_bytes().replace(b'"o-1"', b'"o-1","customer_id":"c-1","n":7')
    run_target(fixed, streams={"orders": config["streams"]["orders"]})
    assert numbers(sandbox) == [7]


def test_values_that_are_not_json_do_not_damage_the_log(
    config: dict[str, Any], log: OutcomeLog, tmp_path: Path, run_target: Callable[..., Run]
) -> None:
    damaged = [
        {**orders(1)[0], "n": math.nan},
        b'{"order_id":"o-1","customer_id":"c-1","at":"2026-01-01T00:00:00Z","n":Infinity}',
        b'{"order_id":"o-2","customer_id":"c\xff\r","at":"2026-01-01T00:00:00Z","n":1}',
    ]
    for _ in range(2):
        assert load(config, log, [*damaged, *orders(1, start=5)])["rejected"] == 3
    outcomes = log.merge()
    assert outcomes.summary["total"]["rejected"] == 3
    assert outcomes.table().num_rows == 3
    outcomes.write_dead_letters(tmp_path / "letters.singer")
    outcomes.write_report(tmp_path / "report.html")
    again = run_target(
        (tmp_path / "letters.singer").read_bytes(),
        streams={"orders": config["streams"]["orders"]},
        on_error="dead_letter",
        dead_letter_path=str(tmp_path / "again.singer"),
    )
    assert again.summary["total"]["rejected"] == 3


def test_the_report_shows_the_whole_run(config: dict[str, Any], log: OutcomeLog, tmp_path: Path) -> None:
    load(config, log, [*orders(3), {"order_id": "secret-id"}])
    outcomes = log.merge()
    outcomes.write_report(tmp_path / "report.html")
    page = (tmp_path / "report.html").read_text()
    assert log.run_id in page
    assert "it identifies no user" in page
    assert "secret-id" not in page
    outcomes.write_report(tmp_path / "report.html", shows_values=True)
    assert "secret-id" in (tmp_path / "report.html").read_text()
    history = [json.loads(line) for line in (tmp_path / "report.jsonl").read_text().splitlines()]
    assert [one["total"]["sent"] for one in history] == [3, 3]


def test_a_rerun_must_split_its_records_as_before_and_keep_its_workspace(
    config: dict[str, Any], log: OutcomeLog
) -> None:
    load(config, log, orders(1))
    other = OutcomeLog(log.url, log.run_id, partitions=2)
    with pytest.raises(OutcomeLogError, match="began with 1 partitions, but now has 2"):
        load(config, other, orders(1), partition=1)
    with pytest.raises(OutcomeLogError, match="use another run_id"):
        load({**config, "endpoint": "http://127.0.0.1:1"}, log, orders(1))
    assert load(config, OutcomeLog(log.url, log.run_id), orders(1))["unchanged"] == 1


def test_a_dry_run_does_not_touch_the_log(config: dict[str, Any], log: OutcomeLog) -> None:
    assert load({**config, "dry_run": True}, log, [*orders(2), {"order_id": "bad"}])["rejected"] == 1
    assert log.merge().summary["partitions"] == []
    assert load(config, log, orders(2))["sent"] == 2


def test_a_checkpoint_leaves_nothing_unwritten(config: dict[str, Any], log: OutcomeLog) -> None:
    stored: list[int] = []
    with Loader(config, outcome_log=log.partition(0)) as loader:
        open_orders(loader).write([{"order_id": "bad"}])
        loader.checkpoint(1, settled=lambda _: stored.append(len(letters(log.merge()))))
    assert stored == [1]


def test_a_ledger_and_an_outcome_log_exclude_each_other(
    config: dict[str, Any], log: OutcomeLog, tmp_path: Path
) -> None:
    with pytest.raises(SettingsError, match="an outcome log takes the place of the ledger"):
        Loader({**config, "ledger_path": str(tmp_path / "ledger.sqlite")}, outcome_log=log.partition(0))


def test_a_log_can_be_sent_to_tasks_and_hides_its_options() -> None:
    log = OutcomeLog("s3://bucket/runs", "run", storage_options={"secret": "hidden"})
    assert pickle.loads(pickle.dumps(log.partition(1))) == log.partition(1)
    assert "hidden" not in f"{log!r} {log.partition(1)!r}"
    with pytest.raises(ValueError, match="run_id is blank"):
        OutcomeLog("runs", " ")


@pytest.mark.parametrize("run_id", ["..", "a/b", "scheduled__2026-01-01T00:00:00+00:00", "~2E", "ä b"])
def test_any_run_id_has_a_folder_of_its_own(config: dict[str, Any], tmp_path: Path, run_id: str) -> None:
    load(config, OutcomeLog(str(tmp_path), run_id), orders(1))
    (folder,) = tmp_path.iterdir()
    assert re.fullmatch(r"[\w~-]+", folder.name, re.ASCII)
    assert load(config, OutcomeLog(str(tmp_path), run_id), orders(1))["unchanged"] == 1


def test_a_damaged_log_stops_the_run(config: dict[str, Any], tmp_path: Path) -> None:
    log = OutcomeLog(str(tmp_path), "run")
    load(config, log, orders(1))
    (file,) = tmp_path.glob("run/000000/attempts/*")
    file.write_bytes(b"{\n" + file.read_bytes())
    with pytest.raises(OutcomeLogError, match=r"line 1 of attempt .* is damaged"):
        load(config, log, orders(1))


def test_a_folder_that_cannot_be_written_stops_the_run(
    config: dict[str, Any], tmp_path: Path, sandbox: Sandbox
) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(OutcomeLogError, match="check the folder"):
        load(config, OutcomeLog(str(tmp_path / "file"), "run"), orders(1))
    with pytest.raises(OutcomeLogError, match="no file system for unknown://"):
        load(config, OutcomeLog("unknown://runs", "run"), orders(1))
    assert sandbox.profiles() == []
