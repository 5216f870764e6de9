"""Run `make demo`: CSV files to Braze, Braze to PostgreSQL, incremental runs, and a page of dbt charts."""

from __future__ import annotations

import contextlib
import csv
import json
import shutil
import sys
import time
from typing import TYPE_CHECKING, Any, Final

import psycopg

from demo import chart, dbt
from demo.machinery import (
    ROOT,
    Meltano,
    Postgres,
    Run,
    Sandbox,
    StepError,
    postgres,
    sandbox,
    signals_end_it,
    write_currents,
)

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence
    from pathlib import Path

LOAD: Final = ("run", "tap-csv", "target-braze")
EXPORT: Final = ("run", "tap-braze", "target-postgres")
SCHEMA: Final = "tap_braze"
# Maps each file in demo/data to what its rows become, as named in the sandbox's summary.
LANDS_AS: Final = {"customers": "users", "events": "events", "purchases": "purchases"}
# Columns renamed by the mapping in meltano.yml.
RENAMED: Final = {"dob": "date_of_birth"}


def main() -> int:
    """Run the demo and return the exit code."""
    folder = ROOT / ".demo"
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir()
    started = time.monotonic()
    try:
        with signals_end_it(), contextlib.ExitStack() as servers:
            say("Starting Braze (braze-sandbox) and PostgreSQL on this machine")
            braze = servers.enter_context(sandbox(folder))
            database = servers.enter_context(postgres(folder))
            meltano = Meltano(folder, braze, database, progress=say_more)
            install(meltano)
            load(meltano, braze)
            write_currents(folder)
            export_twice(meltano, braze, database)
            model(folder, database)
    except StepError as fault:
        print(f"\nThe demo failed: {fault}\n\nEverything that the programs said: {folder}", file=sys.stderr)
        return 1
    except (OSError, psycopg.Error) as fault:
        print(f"\nThe demo failed: {fault!r}", file=sys.stderr)
        return 1
    except SystemExit as end:
        print("\nStopped; nothing is left running.", file=sys.stderr)
        return int(end.code or 1)
    say(f"Done in {time.monotonic() - started:.0f} s; nothing is left running")
    return 0


def install(meltano: Meltano) -> None:
    """Install the plugins."""
    say("Installing the plugins into .meltano/")
    run = meltano.install()
    say_more(f"took {run.seconds:.1f} s" if run else "they are there from the last time")


def load(meltano: Meltano, braze: Sandbox) -> None:
    """Load the files and print the contents of Braze."""
    before = braze.get("/sandbox/summary")
    step(meltano, LOAD)
    after = braze.get("/sandbox/summary")
    print_table(
        "What Braze holds now",
        ("file", "rows", "in Braze", "before", "after"),
        [
            (f"demo/data/{name}.csv", len(rows(name)), kind, before[kind], after[kind])
            for name, kind in LANDS_AS.items()
        ],
    )
    customer = rows("customers")[0]
    profile = braze.get(f"/sandbox/users/{customer['customer_id']}")
    print_table(
        f"Customer {customer['customer_id']}: text in the file, typed in Braze",
        ("attribute", "in the file", "in Braze"),
        [
            (name, customer[RENAMED.get(name, name)], json.dumps(value, ensure_ascii=False))
            for name, value in {**profile["attributes"], **profile["custom_attributes"]}.items()
        ],
    )
    say_more(f"A report of this run, for a browser: {meltano.report('target-braze')}")


def export_twice(meltano: Meltano, braze: Sandbox, database: Postgres) -> tuple[Run, Run]:
    """Export twice; print what was loaded and the requests that each export needed."""
    runs, requests = [], []
    for _ in range(2):
        requests_before = braze.get("/sandbox/summary")["requests"]
        runs.append(step(meltano, EXPORT))
        requests.append(braze.get("/sandbox/summary")["requests"] - requests_before)
    first, second = (run.records() for run in runs)
    print_table(
        f"What PostgreSQL holds now in schema {SCHEMA}, and what each export had to read for it",
        ("table", "rows", "read first", "read second"),
        [
            *((table, count, first[table], second[table]) for table, count in database.counts(SCHEMA).items()),
            ("requests to Braze", "", *requests),
            ("seconds", "", *(round(run.seconds) for run in runs)),
        ],
    )
    return runs[0], runs[1]


def model(folder: Path, database: Postgres) -> None:
    """Build the dbt models from the loaded data and the history of runs, and write a page of charts."""
    if not dbt.is_installed():
        say("No dbt models and no chart: dbt needs a Python from 3.10 to 3.13")
        return
    load_history(folder, database)
    say("$ dbt build    # the models of dbt-braze, with their tests")
    say_more(f"took {dbt.build_in_postgres(folder, database.socket).seconds:.1f} s")
    tables = database.counts(dbt.MARTS)
    print_table(f"What dbt made of it in schema {dbt.MARTS}", ("table", "rows"), tables.items())
    page = folder / "braze.html"
    chart.write(page, database)
    say(f"Charts of these tables: open {page} in a browser; it needs no network")


def load_history(folder: Path, database: Postgres) -> None:
    """Load the lines that both plugins have appended to their histories, for the models of runs."""
    with psycopg.connect(database.uri) as connection:
        connection.execute("create schema braze_runs")
        connection.execute("create table braze_runs.run_history (run jsonb)")
        for history in folder.glob("*-braze.jsonl"):
            # Each line is one value, whatever is in it.
            lines = "copy braze_runs.run_history from stdin csv quote e'\\x01' delimiter e'\\x02'"
            with connection.cursor().copy(lines) as copy:
                copy.write(history.read_bytes())


def step(meltano: Meltano, command: Sequence[str]) -> Run:
    """Run one Meltano command and print it as a person would type it."""
    say(f"$ meltano {' '.join(command)}")
    run = meltano.run(*command)
    say_more(f"took {run.seconds:.1f} s")
    return run


def rows(name: str) -> list[dict[str, str]]:
    """Return the rows of a demo file."""
    with (ROOT / "demo" / "data" / f"{name}.csv").open(encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file))


def say(text: str) -> None:
    """Print the step that now begins."""
    print(f"\n{text}", flush=True)


def say_more(text: str) -> None:
    """Print progress of the current step."""
    print(f"    {text}", flush=True)


def print_table(title: str, head: Sequence[str], body: Iterable[Sequence[Any]]) -> None:
    """Print rows under their headings; numbers are right-aligned."""
    table = [tuple(head), *body]
    texts = [[f"{cell:,}" if isinstance(cell, int) else str(cell) for cell in row] for row in table]
    widths = [max(map(len, column)) for column in zip(*texts, strict=True)]
    right = [any(isinstance(cell, int) for cell in column) for column in zip(*table, strict=True)]
    lines = [
        "  ".join(
            text.rjust(width) if number else text.ljust(width)
            for text, width, number in zip(row, widths, right, strict=True)
        ).rstrip()
        for row in [*texts[:1], ["-" * width for width in widths], *texts[1:]]
    ]
    print(f"\n    {title}\n\n" + "\n".join(f"    {line}" for line in lines), flush=True)


if __name__ == "__main__":
    sys.exit(main())
