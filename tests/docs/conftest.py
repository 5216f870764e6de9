"""What the commands of the documentation find when they run: a sandbox, settings, a tap."""

from __future__ import annotations

import json
import os
import stat
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from braze_sandbox.testing import Sandbox

if TYPE_CHECKING:
    from collections.abc import Iterator

CUSTOMERS = [
    {
        "type": "SCHEMA",
        "stream": "customers",
        "key_properties": ["external_id"],
        "schema": {"properties": {"external_id": {"type": "string"}, "plan": {"type": "string"}}},
    },
    {"type": "RECORD", "stream": "customers", "record": {"external_id": "c-1", "plan": "gold"}},
    {"type": "STATE", "value": {"customers": 1}},
]


@pytest.fixture(scope="session")
def sandbox() -> Iterator[Sandbox]:
    with Sandbox() as served:
        yield served


@pytest.fixture
def workplace(tmp_path: Path) -> Path:
    """A folder with what pages take for granted: customers.singer, config.json, and the tap `tap-something`."""
    lines = "".join(json.dumps(message) + "\n" for message in CUSTOMERS)
    (tmp_path / "customers.singer").write_text(lines, "utf-8")
    (tmp_path / "dead.singer").write_text(lines, "utf-8")
    (tmp_path / "config.json").write_text("{}", "utf-8")
    tap = tmp_path / "bin" / "tap-something"
    tap.parent.mkdir()
    tap.write_text(f"#!{sys.executable}\nprint({lines!r}, end='')\n", "utf-8")
    tap.chmod(tap.stat().st_mode | stat.S_IXUSR)
    return tmp_path


@pytest.fixture
def environment(sandbox: Sandbox, workplace: Path) -> dict[str, str]:
    """Variables with both plugins, `tap-something` and the key and address of the sandbox."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith(("TAP_", "TARGET_", "MELTANO"))}
    # The sandbox of these pages has live campaigns.
    known = {"api_key": sandbox.api_key, "endpoint": sandbox.url, "acknowledge_live_campaigns": True}
    both = {"API_KEY": sandbox.api_key, "ENDPOINT": sandbox.url}
    config = json.loads((workplace / "config.json").read_text("utf-8"))
    (workplace / "config.json").write_text(json.dumps({**config, **known}), "utf-8")
    return {
        **kept,
        "TARGET_BRAZE_ACKNOWLEDGE_LIVE_CAMPAIGNS": "true",
        **{f"{plugin}_BRAZE_{name}": value for plugin in ("TAP", "TARGET") for name, value in both.items()},
        "PATH": f"{workplace / 'bin'}:{Path(sys.executable).parent}:{os.environ['PATH']}",
    }
