"""The tutorial in an empty folder with an empty HOME: `meltano add --from-ref`, no Hub, no account, nothing copied."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
import yaml
from braze_sandbox.testing import Sandbox
from psycopg.sql import SQL

from demo import machinery

if TYPE_CHECKING:
    from collections.abc import Iterator

BIN = Path(sys.executable).parent
# A block that names this test, and the one that writes customers.singer.
BLOCK = re.compile(
    rf"<!-- not run: [^\n]*{Path(__file__).name} runs it[^\n]*-->\n```sh\n(.*?)```|```sh\n(cat > customers.*?\nEND\n)",
    re.DOTALL,
)


@pytest.fixture
def sandbox() -> Iterator[Sandbox]:
    with Sandbox() as served:
        yield served


@pytest.fixture
def database(tmp_path: Path) -> Iterator[machinery.Postgres]:
    with machinery.postgres(tmp_path) as database:
        machinery.Meltano(tmp_path, machinery.Sandbox("http://localhost", "-"), database).install()
        yield database


def test_the_tutorial_leads_to_rows_and_users(
    root: Path, tmp_path: Path, sandbox: Sandbox, database: machinery.Postgres
) -> None:
    wheels, folder = tmp_path / "wheels", tmp_path / "empty"
    for package in ("tap-braze", "target-braze"):
        run(BIN / "uv", "build", "--quiet", "--wheel", "--out-dir", wheels, root / package, cwd=root)
    folder.mkdir()
    loader = {
        "plugin_type": "loaders",
        "name": "target-postgres",
        "namespace": "target_postgres",
        "dialect": "postgres",
        "executable": str(machinery.ROOT / ".meltano/loaders/target-postgres/venv/bin/target-postgres"),
        # As the Hub has them.
        "settings": [
            {"name": "sqlalchemy_url"},
            {"name": "default_target_schema", "value": "$MELTANO_EXTRACT__LOAD_SCHEMA"},
            {"name": "load_method", "value": "append-only"},
        ],
    }
    loader_file = tmp_path / "target-postgres.yml"
    loader_file.write_text(yaml.safe_dump(loader), "utf-8")
    environment = {
        # As it is once the packages are published: PyPI, with these two wheels on it.
        "UV_FIND_LINKS": str(wheels),
        "UV_CONSTRAINT": str(root / "constraints.txt"),
        "MELTANO_HUB_URL": "http://127.0.0.1:9",
        "HOME": str(tmp_path),
        "PATH": f"{BIN}:{os.environ['PATH']}",
        "UV_CACHE_DIR": run(BIN / "uv", "cache", "dir", cwd=root).strip(),
    }
    page = (root / "docs" / "tutorial.md").read_text("utf-8")
    commands = "\n".join(one or other for one, other in BLOCK.findall(page))
    assert commands.count("meltano ") == 8
    for theirs, ours in {
        "$REPOSITORY/raw/main": str(root),
        "meltano add target-postgres": f"meltano add --no-install --from-ref {loader_file} target-postgres",
        "http://127.0.0.1:8027": sandbox.url,
        "postgresql+psycopg://me:secret@localhost/mydb": database.sqlalchemy_url,
    }.items():
        assert theirs in commands
        commands = commands.replace(theirs, ours)

    output = run("bash", "-c", f"set -euo pipefail\n{commands}", cwd=folder, **environment)

    assert "streams can be read" in output
    assert "users.track  permitted" in output
    ((days, active),) = database.rows(SQL("select count(*), sum(dau) from tap_braze.kpi_daily_active_users"))
    assert (days, active > 0) == (101, True)
    found = database.rows(SQL("select tablename from pg_tables where schemaname = 'tap_braze'"))
    tables = {name for (name,) in found}
    assert {"campaigns", "segments", "kpi_daily_new_users"} <= tables
    assert not {name for name in tables if name.startswith(("user", "segment_members"))}
    profile = sandbox.profile("c-1")
    assert profile is not None
    assert profile.custom_attributes == {"plan": "gold", "points": 120}
    written = yaml.safe_load((folder / "project" / "meltano.yml").read_text("utf-8"))["plugins"]
    (tap,), (target, _) = written["extractors"], written["loaders"]
    assert "!users.*" in tap["select"]
    assert {"label", "logo_url", "docs", "settings_group_validation"} <= tap.keys() & target.keys()
    assert next(s for s in target["settings"] if s["name"] == "on_error")["options"][1]["value"] == "dead_letter"


def run(*command: str | Path, cwd: Path, **variables: str) -> str:
    kept = {
        name: value
        for name, value in os.environ.items()
        if not name.startswith(("VIRTUAL_ENV", "TAP_", "TARGET_", "MELTANO"))
    }
    done = subprocess.run(
        [str(part) for part in command],
        cwd=cwd,
        env={**kept, **variables},
        capture_output=True,
        text=True,
        check=False,
        timeout=300,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout
