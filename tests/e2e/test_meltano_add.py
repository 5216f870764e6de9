"""`meltano add --from-ref` in an empty project: no Hub, no account, nothing copied by hand."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
import yaml
from braze_sandbox.testing import Sandbox

if TYPE_CHECKING:
    from collections.abc import Iterator

BIN = Path(sys.executable).parent


@pytest.fixture
def sandbox() -> Iterator[Sandbox]:
    with Sandbox() as served:
        yield served


def test_two_commands_and_two_variables_read_braze(root: Path, tmp_path: Path, sandbox: Sandbox) -> None:
    wheels, project = tmp_path / "wheels", tmp_path / "project"
    for package in ("tap-braze", "target-braze"):
        run(BIN / "uv", "build", "--quiet", "--wheel", "--out-dir", wheels, root / package, cwd=root)
    project.mkdir()
    (project / "meltano.yml").write_text('requires_meltano: ">=4.4"\nproject_id: test\n', "utf-8")
    environment = {
        # As it is once the packages are published: PyPI, with these two wheels on it.
        "UV_FIND_LINKS": str(wheels),
        "UV_CONSTRAINT": str(root / "constraints.txt"),
        "MELTANO_HUB_URL": "http://127.0.0.1:9",
        "MELTANO_SEND_ANONYMOUS_USAGE_STATS": "false",
        "HOME": str(tmp_path),
        "UV_CACHE_DIR": run(BIN / "uv", "cache", "dir", cwd=root).strip(),
        "TAP_BRAZE_API_KEY": sandbox.api_key,
        "TAP_BRAZE_ENDPOINT": sandbox.url,
    }

    def meltano(*arguments: str) -> str:
        return run(BIN / "meltano", *arguments, cwd=project, **environment)

    meltano("add", "--from-ref", str(root / "plugins" / "tap-braze.yml"), "tap-braze")
    meltano("add", "--no-install", "--from-ref", str(root / "plugins" / "target-braze.yml"), "target-braze")
    read = [json.loads(line) for line in meltano("invoke", "tap-braze").splitlines() if line.startswith("{")]

    streams = {message["stream"] for message in read if message["type"] == "RECORD"}
    assert {"campaigns", "segments", "kpi_daily_new_users"} <= streams
    assert not {stream for stream in streams if stream.startswith(("user", "segment_members"))}
    written = yaml.safe_load((project / "meltano.yml").read_text("utf-8"))["plugins"]
    (tap,), (target,) = written["extractors"], written["loaders"]
    assert "!users.*" in tap["select"]
    assert {"label", "logo_url", "docs", "settings_group_validation"} <= tap.keys() & target.keys()
    assert next(s for s in target["settings"] if s["name"] == "on_error")["options"][1]["value"] == "dead_letter"


def run(*command: str | Path, cwd: Path, **variables: str) -> str:
    kept = {
        name: value for name, value in os.environ.items() if not name.startswith(("VIRTUAL_ENV", "TAP_", "MELTANO"))
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
