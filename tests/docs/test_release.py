"""What a release needs: one version, links for PyPI, workflows with the least permissions, and a real address."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest
import yaml

from generate.plugins import definitions
from generate.project import PLACEHOLDER
from generate.release import faults

ROOT = Path(__file__).resolve().parent.parent.parent
WORKFLOWS = sorted((ROOT / ".github" / "workflows").glob("*.yml"))


def test_a_placeholder_is_never_published() -> None:
    assert any("placeholder" in fault for fault in faults("v0.1.0", f"https://{PLACEHOLDER}/a/b"))
    assert faults("v0.1.0", "https://git.invalid/a/b") == []


def test_a_tag_that_is_no_version_of_ours_is_refused() -> None:
    found = faults("v9.9.9", "https://git.invalid/a/b")
    assert len([fault for fault in found if "has version" in fault]) == len(definitions())
    assert any("CHANGELOG" in fault for fault in found)


@pytest.mark.parametrize("name", definitions())
def test_a_package_tells_pypi_where_its_project_lives(name: str) -> None:
    text = (ROOT / name / "pyproject.toml").read_text("utf-8")
    for key in ("Homepage", "Documentation", "Changelog", "Issues"):
        assert re.search(rf'^{key} = "https://', text, re.MULTILINE), key


@pytest.mark.parametrize("workflow", WORKFLOWS, ids=lambda path: path.name)
def test_actions_are_pinned_and_jobs_have_the_least_permissions(workflow: Path) -> None:
    document: Any = yaml.safe_load(workflow.read_text("utf-8"))
    assert document["permissions"] == {}
    allowed = {("contents", "read"), ("id-token", "write"), ("pages", "write")}
    for job in document["jobs"].values():
        assert set(job["permissions"].items()) <= allowed
        assert job["timeout-minutes"]
        if "id-token" in job["permissions"]:
            assert job["environment"]
            assert not any("run" in step for step in job["steps"]), (
                "code of the repository next to the publishing right"
            )
    for action in re.findall(r"uses: (.+)", workflow.read_text("utf-8")):
        assert re.fullmatch(r"[\w./-]+@[0-9a-f]{40} # v\d+\.\d+\.\d+", action), action


def test_the_changelog_is_grouped_by_package() -> None:
    """A merge that keeps both sides of CHANGELOG.md brings back bullets that stood under no package."""
    lines = (ROOT / "CHANGELOG.md").read_text("utf-8").splitlines()
    headings = [line for line in lines if line.startswith("### ")]
    first = next(number for number, line in enumerate(lines) if line.startswith("### "))
    assert not [line for line in lines[:first] if line.startswith("- ")]
    assert len(headings) == len(set(headings))
    assert not [
        line for line in lines if line.startswith(("- `tap-braze`:", "- `target-braze`:", "- `braze-sandbox`:"))
    ]
