"""The package's pytest fixture, as another project's tests use it."""

from __future__ import annotations

import os
import subprocess
import sys
from typing import TYPE_CHECKING

import requests

if TYPE_CHECKING:
    from pathlib import Path

    from braze_sandbox.testing import Sandbox


def pytest_in(folder: Path, tests: str) -> str:
    """Return what pytest prints in a project with one file of tests that all pass."""
    (folder / "test_theirs.py").write_text(tests, encoding="utf-8")
    # A project with no settings but its own, as far from this one as the temporary folder.
    (folder / "pytest.ini").write_text("[pytest]\nfilterwarnings = error\n", encoding="utf-8")
    environment = {name: value for name, value in os.environ.items() if not name.startswith("PYTEST_")}
    run = subprocess.run(
        [sys.executable, "-m", "pytest", "-v", "-p", "no:cacheprovider"],
        cwd=folder,
        env=environment,
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert run.returncode == 0, run.stdout + run.stderr
    return run.stdout


def test_a_fixture_is_all_that_a_test_needs(braze_sandbox: Sandbox) -> None:
    key = {"Authorization": f"Bearer {braze_sandbox.api_key}"}
    body = {"attributes": [{"external_id": "c-1", "plan": "plus"}]}
    assert requests.post(f"{braze_sandbox.url}/users/track", json=body, headers=key, timeout=30).status_code == 201
    profile = braze_sandbox.profile("c-1")
    assert profile
    assert profile.custom_attributes == {"plan": "plus"}


def test_each_test_has_a_workspace_of_its_own(tmp_path: Path) -> None:
    pytest_in(
        tmp_path,
        "import pytest\n\n@pytest.mark.parametrize('number', [1, 2])\n"
        "def test_starts_clean(braze_sandbox, number):\n"
        "    assert len(braze_sandbox.workspace.campaigns) == 5\n"
        "    assert 'left over' not in braze_sandbox.workspace.apps\n"
        "    braze_sandbox.workspace.apps['left over'] = 'by the other one'\n",
    )


def test_runs_that_do_not_use_it_do_not_load_the_sandbox(tmp_path: Path) -> None:
    printed = pytest_in(
        tmp_path,
        "import sys\n\ndef test_nothing_is_loaded():\n"
        "    loaded = sorted(name for name in sys.modules if name.startswith('braze_sandbox.'))\n"
        "    assert loaded == ['braze_sandbox.pytest_plugin']\n"
        "    assert not {'starlette', 'uvicorn'} & set(sys.modules)\n",
    )
    assert "test_nothing_is_loaded PASSED" in printed
