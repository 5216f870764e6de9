"""The data source `braze` on Sail, from DataFrames to the sandbox."""

from __future__ import annotations

import json
import logging
from typing import TYPE_CHECKING, Any

import pytest
from pyspark.errors import PySparkException
from pyspark.sql import types
from target_braze import OutcomeLog, SettingsError
from target_braze.spark import BrazeDataSource, foreach_batch, write

from tests.target.support.singer import sent

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from braze_sandbox.testing import Sandbox
    from pyspark.sql import DataFrame, SparkSession

EVENTS = {"streams": {"orders": {"to": "events", "event": {"name": "ordered"}, "time_field": "at"}}}


@pytest.fixture
def log(tmp_path: Path) -> str:
    return str(tmp_path / "log")


def orders(spark: SparkSession, count: int) -> DataFrame:
    return spark.sql(
        f"SELECT id, concat('c-', id % 7) AS external_id, timestamp '2026-03-04 00:00:00' AS at FROM range({count})"
    )


def test_the_format_is_found_by_its_name(spark: SparkSession, save: Callable[..., None], sandbox: Sandbox) -> None:
    save(spark.sql("SELECT concat('c-', id) AS external_id, id AS n FROM range(50)").repartition(3))
    found = {one["external_id"]: one["n"] for one in sent(sandbox)}
    assert found == {f"c-{n}": n for n in range(50)}
    assert "_spark_partition_id" not in sent(sandbox)[0]


def test_each_user_ends_with_the_last_row_of_the_order(
    spark: SparkSession, config: dict[str, Any], sandbox: Sandbox, log: str
) -> None:
    df = spark.sql("SELECT concat('c-', id % 5) AS customer, id AS seq FROM range(200)").repartition(6)
    streams = {"customers": {"user": [{"external_id": "customer"}]}}
    outcomes = write(
        df, "customers", config={**config, "streams": streams}, outcome_log=log, user="customer", order="seq"
    )
    last = {f"c-{n}": 195 + n for n in range(5)}
    assert {user: sandbox.profile(user).custom_attributes["seq"] for user in last} == last  # type: ignore[union-attr]
    total = outcomes.summary["total"]
    assert (total["read"], total["sent"] + total["coalesced"]) == (200, 200)


@pytest.mark.parametrize("mode", ["overwrite"])
def test_other_modes_are_refused(spark: SparkSession, save: Callable[..., None], sandbox: Sandbox, mode: str) -> None:
    with pytest.raises(PySparkException, match=r'mode overwrite: Braze can only be added to.*\.mode\("append"\)'):
        save(spark.sql("SELECT 'c-1' AS external_id, 1 AS n"), mode=mode)
    assert not sandbox.requests


def test_a_stream_is_not_written_without_foreach_batch() -> None:
    with pytest.raises(SettingsError, match="foreachBatch"):
        BrazeDataSource({}).streamWriter(types.StructType(), overwrite=False)


@pytest.mark.parametrize(
    ("options", "more", "text"),
    [
        ({}, {"streams": {"customers": {"rename": {"m": "x"}}}}, "column 'm'"),
        ({}, {"nulls": "keep"}, "'keep' is not one of"),
        ({"stream": "custmers"}, {"streams": {"customers": {}}}, "is the entry 'customers' a misspelling"),
        (
            {"stream": "users"},
            {"streams": {"customers": {}}},
            "an entry for 'customers', but no such stream arrived",
        ),
        ({"keys": '["n"'}, {}, "option 'keys' is not a JSON array"),
        ({"partition": "2"}, {}, "option 'partition' is unknown; the options of format braze are stream, config"),
        ({"partitions": "many"}, {}, "option 'partitions': 'many' is not a positive whole number"),
        ({"stream": ""}, {}, "option 'stream' is missing"),
        ({"outcome_log": ""}, {}, "option 'outcome_log' is missing"),
        ({"config": "no/such/file.json"}, {}, "option 'config' is neither a JSON object nor the path"),
        ({"config": "[]"}, {}, "option 'config' is neither"),
        ({}, {"ledger_path": "x.sqlite"}, "setting 'ledger_path' does not work in Spark"),
        ({}, {"processes": "auto"}, "setting 'processes' does not work in Spark: Spark's tasks are the processes"),
        ({}, {"processes": 1, "nulls": "keep"}, "'keep' is not one of"),
        ({}, {"canary": "1%"}, "setting 'canary' does not work in Spark: each task would send its own"),
        ({}, {"dry_run": True}, "setting 'dry_run' does not work in Spark: try the mapping with a Loader"),
        (
            {},
            {"streams": {"customers": {"on_delete": "delete_user", "max_deletions": 5}}},
            "'max_deletions' counts over the whole run",
        ),
        ({}, {"streams": {"customers": {"to": "merges"}}}, "records of kind 'merges' cannot be divided among tasks"),
        ({"api_key_file": "no/such/file"}, {}, "option 'api_key_file': no/such/file cannot be read"),
    ],
)
def test_mistakes_are_found_on_the_driver_before_any_task(
    spark: SparkSession,
    save: Callable[..., None],
    sandbox: Sandbox,
    tmp_path: Path,
    *,
    options: dict[str, str],
    more: dict[str, Any],
    text: str,
) -> None:
    df = spark.sql("SELECT 'c-1' AS external_id, 1 AS n")
    with pytest.raises(PySparkException) as caught:
        save(df, options=options, **more)
    assert text in str(caught.value)
    assert not sandbox.requests
    assert not (tmp_path / "log").exists()


@pytest.mark.parametrize(
    ("select", "text"),
    [
        ("INTERVAL '1' DAY AS x", "column 'x'"),
        ("named_struct('y', array(INTERVAL '1' DAY)) AS x", "column 'x.y'"),
    ],
)
def test_columns_without_a_form_in_json_are_refused(
    spark: SparkSession, save: Callable[..., None], sandbox: Sandbox, select: str, text: str
) -> None:
    with pytest.raises(PySparkException) as caught:
        save(spark.sql(f"SELECT 'c-1' AS external_id, {select}"))
    assert text in str(caught.value)
    assert not sandbox.requests


def test_rejected_rows_of_all_tasks_are_dead_letters_of_the_run(
    spark: SparkSession, config: dict[str, Any], log: str, tmp_path: Path
) -> None:
    df = spark.sql("SELECT if(id % 10 = 0, NULL, concat('c-', id)) AS external_id, id AS n FROM range(100)")
    config = {**config, "on_error": "dead_letter"}
    outcomes = write(df, "customers", config=config, outcome_log=log, user="n", partitions=3, run_id="r")
    total = outcomes.summary["total"]
    assert (total["read"], total["sent"], total["rejected"]) == (100, 90, 10)
    assert outcomes.summary["ended"] == "completed"
    outcomes.write_dead_letters(tmp_path / "dead.singer")
    letters = [json.loads(line) for line in (tmp_path / "dead.singer").read_bytes().splitlines()]
    assert sorted(one["record"]["n"] for one in letters if one["type"] == "RECORD") == [*range(0, 100, 10)]
    # Where the job cannot return anything, the folder of the run has it.
    assert json.loads((tmp_path / "log" / "r" / "summary.json").read_bytes())["total"] == total
    assert "completed" in (tmp_path / "log" / "r" / "report.html").read_text()


def test_the_driver_alone_looks_for_live_campaigns(
    spark: SparkSession, config: dict[str, Any], sandbox: Sandbox, log: str
) -> None:
    df = spark.sql("SELECT concat('c-', id) AS external_id, id AS n FROM range(20)")
    config = {**config, "acknowledge_live_campaigns": False}
    write(df, "customers", config=config, outcome_log=log, user="external_id", partitions=3)
    assert [one.path for one in sandbox.requests].count("/campaigns/list") == 1
    assert len(sent(sandbox)) == 20


def test_an_empty_dataframe_completes(spark: SparkSession, config: dict[str, Any], sandbox: Sandbox, log: str) -> None:
    outcomes = write(orders(spark, 0), "orders", config={**config, **EVENTS}, outcome_log=log, user="external_id")
    assert (outcomes.summary["ended"], outcomes.summary["total"]["read"]) == ("completed", 0)
    assert not sandbox.requests


def test_too_many_dead_letters_of_all_tasks_fail_the_job(
    spark: SparkSession, config: dict[str, Any], log: str, tmp_path: Path
) -> None:
    df = spark.sql("SELECT CAST(NULL AS STRING) AS external_id, id AS n FROM range(8)")
    config = {**config, "on_error": "dead_letter", "max_dead_letters": 7}
    with pytest.raises(PySparkException, match="'max_dead_letters' is 7, and the tasks together have 8"):
        write(df, "customers", config=config, outcome_log=log, user="n", partitions=4, run_id="r")
    assert json.loads((tmp_path / "log" / "r" / "summary.json").read_bytes())["ended"] == "failed"


def test_a_failed_job_says_why_without_values_and_keeps_its_outcomes(
    spark: SparkSession, config: dict[str, Any], sandbox: Sandbox, log: str, tmp_path: Path
) -> None:
    df = spark.sql("SELECT concat('c-', id) AS external_id, if(id = 7, 'secret@', 'a@b.co') AS email FROM range(9)")
    with pytest.raises(PySparkException) as caught:
        write(df, "customers", config=config, outcome_log=log, user="external_id", partitions=3, run_id="r")
    assert "a record was rejected, and setting 'on_error' is fail. Most frequent:" in str(caught.value)
    assert "secret@" not in str(caught.value)
    summary = OutcomeLog(log, run_id="r").merge().summary
    assert summary["total"]["sent"] == len(sent(sandbox)) < 9
    assert "failed" in (tmp_path / "log" / "r" / "report.html").read_text()


def test_a_run_with_the_same_name_sends_no_event_twice(
    spark: SparkSession, config: dict[str, Any], sandbox: Sandbox, log: str
) -> None:
    config = {**config, **EVENTS, "on_unknown_outcome": "hold"}

    def run(count: int) -> dict[str, int]:
        found: dict[str, int] = write(
            orders(spark, count), "orders", config=config, outcome_log=log, user="external_id", keys=["id"], run_id="r"
        ).summary["total"]
        return found

    assert run(60)["sent"] == 60
    requests = len(sandbox.requests)
    run(60)
    assert len(sandbox.requests) == requests
    run(61)
    assert len(sent(sandbox, "events")) == 61


def test_a_repeated_micro_batch_sends_no_event_twice(
    spark: SparkSession, config: dict[str, Any], sandbox: Sandbox, log: str
) -> None:
    load = foreach_batch(
        "orders", query="q", config={**config, **EVENTS}, outcome_log=log, user="external_id", keys=["id"]
    )
    for batch_id in (0, 1, 1):
        load(orders(spark, 20), batch_id)
    assert len(sent(sandbox, "events")) == 40


def test_speculation_is_refused(spark: SparkSession, config: dict[str, Any], sandbox: Sandbox, log: str) -> None:
    spark.conf.set("spark.speculation", "true")
    try:
        with pytest.raises(SettingsError, match=r"spark\.speculation is true"):
            write(spark.range(1), "customers", config=config, outcome_log=log, user="id")
    finally:
        spark.conf.unset("spark.speculation")
    assert not sandbox.requests


def test_the_key_comes_from_a_file(
    spark: SparkSession,
    save: Callable[..., None],
    sandbox: Sandbox,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.delenv("TARGET_BRAZE_API_KEY")
    df = spark.sql("SELECT 'c-1' AS external_id, 1 AS n")
    with pytest.raises(PySparkException, match=r"there is no API key on .*TARGET_BRAZE_API_KEY.*api_key_file"):
        save(df)
    (tmp_path / "key").write_text(f"{sandbox.api_key}\n")
    save(df, options={"api_key_file": str(tmp_path / "key")})
    assert len(sent(sandbox)) == 1


@pytest.mark.parametrize("secret", ["api_key", "braze_broker_token"])
def test_a_secret_in_the_options_is_refused_without_being_shown(
    spark: SparkSession, save: Callable[..., None], sandbox: Sandbox, caplog: pytest.LogCaptureFixture, secret: str
) -> None:
    df = spark.sql("SELECT 'c-1' AS external_id, 1 AS n")
    caplog.set_level(logging.DEBUG)
    with pytest.raises(PySparkException) as caught:
        save(df, **{secret: "a-secret-key"})
    assert f"option 'config' contains '{secret}', which would stand in Spark's logs" in str(caught.value)
    assert "a-secret-key" not in str(caught.value) + caplog.text
    with pytest.raises(PySparkException) as caught:
        save(df, options={"config": f'{{"{secret}": "a-secret-key"'})
    assert "a-secret-key" not in str(caught.value) + caplog.text
    assert not sandbox.requests
