"""Singer loaders that we did not write, each in an environment of its own, and the tables that they make."""

from __future__ import annotations

import json
import re
import subprocess
from typing import TYPE_CHECKING, Any, ClassVar

from psycopg import sql
from typing_extensions import override

from demo import machinery

if TYPE_CHECKING:
    from pathlib import Path

Row = dict[str, Any]

VENVS = machinery.ROOT / ".venv-loaders"


class Loader:
    """A loader with settings, and a reader of what it loaded."""

    name: ClassVar[str]
    executable: ClassVar[str]
    deletions: ClassVar[str] = "hard"
    """The tap's setting that makes rows leave its tables."""
    deletes: ClassVar[bool] = True
    """Whether rows leave its tables at all, and whether each key has one row."""
    empty_is_null: ClassVar[bool] = False
    """Whether it loads empty text as null."""

    def __init__(self, folder: Path, database: machinery.Postgres) -> None:
        self.folder, self.database = folder / self.name, database
        self.folder.mkdir()

    def venv(self) -> Path:
        """Return its environment."""
        return VENVS / self.name

    def settings(self) -> dict[str, Any]:
        """Return its configuration."""
        raise NotImplementedError

    def tables(self) -> dict[str, list[Row]]:
        """Return the rows of every table."""
        raise NotImplementedError

    def text(self, value: str) -> str:
        """Return what it makes of a text."""
        return value

    def column(self, name: str) -> str:
        """Return what it makes of a column's name."""
        return name

    def load(self, lines: bytes) -> Any:
        """Load messages; return the last STATE that it writes."""
        config = self.folder / "config.json"
        config.write_text(json.dumps(self.settings()), "utf-8")
        done = subprocess.run(
            [self.venv() / "bin" / self.executable, "--config", config],
            input=lines,
            capture_output=True,
            cwd=self.folder,
            timeout=300,
            check=False,
        )
        assert done.returncode == 0, f"{self.name}: {done.stderr.decode()[-3000:]}"
        return json.loads(done.stdout.splitlines()[-1])

    def _rows(self, schema: str, where: str) -> dict[str, list[Row]]:
        """Return the rows of every table of a schema of PostgreSQL."""
        found = {}
        names = self.database.rows(sql.SQL("select tablename from pg_tables where schemaname = {}").format(schema))
        for (name,) in names:
            query = sql.SQL("select row_to_json(found)::text from {} found where " + where)
            rows = self.database.rows(query.format(sql.Identifier(schema, name)))
            found[name] = [json.loads(row) for (row,) in rows]
        return found


def are_installed() -> bool:
    """Return whether the loaders are there; they are not if no Python is old enough for them."""
    return all(
        (VENVS / loader.name / "bin" / loader.executable).exists() for loader in LOADERS if loader is not TargetPostgres
    )


class TargetPostgres(Loader):
    """meltanolabs-target-postgres with its defaults: it marks what is gone."""

    name = "target-postgres"
    executable = "target-postgres"

    @override
    def settings(self) -> dict[str, Any]:
        return {"sqlalchemy_url": self.database.sqlalchemy_url, "default_target_schema": "meltanolabs"}

    @override
    def venv(self) -> Path:
        # Meltano installs this one, for the demo.
        return machinery.ROOT / ".meltano" / "loaders" / self.name / "venv"

    @override
    def tables(self) -> dict[str, list[Row]]:
        return self._rows("meltanolabs", "_sdc_deleted_at is null")


class PipelinewiseTargetPostgres(Loader):
    """It ignores versions, and deletes rows that come with `_sdc_deleted_at`."""

    name = "pipelinewise-target-postgres"
    executable = "target-postgres"
    deletions = "soft"
    empty_is_null = True

    @override
    def settings(self) -> dict[str, Any]:
        return {
            "host": str(self.database.socket),
            "port": 5432,
            "user": "postgres",
            "password": "unused",
            "dbname": "postgres",
            "default_target_schema": "pipelinewise",
            "hard_delete": True,
            # Its threads make indexes whose names have only the first letters of the tables', and collide.
            "parallelism": 1,
        }

    @override
    def tables(self) -> dict[str, list[Row]]:
        return self._rows("pipelinewise", "true")

    @override
    def column(self, name: str) -> str:
        return name.lower()

    @override
    def text(self, value: str) -> str:
        # Its CSV has the escapes of JSON, which PostgreSQL resolves for quotes and backslashes only.
        return re.sub(r'\\(["\\])', r"\1", json.dumps(value, ensure_ascii=False)[1:-1])


class TargetDuckdb(Loader):
    """With `hard_delete`, or `add_metadata_columns`, and DuckDB 1 it loses no row; see docs/reading.md."""

    name = "target-duckdb"
    executable = "target-duckdb"
    deletions = "soft"
    empty_is_null = True

    @override
    def settings(self) -> dict[str, Any]:
        return {"path": str(self.folder / "loaded.duckdb"), "default_target_schema": "main", "hard_delete": True}

    @override
    def column(self, name: str) -> str:
        return name.lower()

    @override
    def tables(self) -> dict[str, list[Row]]:
        script = """
            import duckdb, json, sys
            database = duckdb.connect(sys.argv[1], read_only=True)
            for (name,) in database.execute("select table_name from duckdb_tables()").fetchall():
                for (row,) in database.execute(f'select to_json(found)::text from "{name}" found').fetchall():
                    print(json.dumps([name, json.loads(row)]))
                print(json.dumps([name, None]))
        """
        lines = "\n".join(line[12:] for line in script.splitlines())
        command = [f"{self.venv()}/bin/python", "-c", lines, f"{self.folder}/loaded.duckdb"]
        done = subprocess.run(command, stdout=subprocess.PIPE, check=True, timeout=60)
        found: dict[str, list[Row]] = {}
        for name, row in map(json.loads, done.stdout.splitlines()):
            found.setdefault(name, []).extend([row] if row else [])
        return found


class TargetJsonl(Loader):
    """It appends, and cannot delete."""

    name = "target-jsonl"
    executable = "target-jsonl"
    deletes = False

    @override
    def settings(self) -> dict[str, Any]:
        return {"destination_path": str(self.folder / "files"), "do_timestamp_file": False}

    @override
    def tables(self) -> dict[str, list[Row]]:
        return {
            file.stem: [json.loads(line) for line in file.read_text("utf-8").splitlines()]
            for file in (self.folder / "files").iterdir()
        }


LOADERS = (TargetPostgres, PipelinewiseTargetPostgres, TargetDuckdb, TargetJsonl)
