"""Conditions of a release: `python -m generate.release v0.1.0`."""

from __future__ import annotations

import re
import sys

from generate.files import stale
from generate.plugins import definitions
from generate.project import PLACEHOLDER, REPOSITORY, ROOT


def faults(tag: str, repository: str = REPOSITORY) -> list[str]:
    """Return what stands against a release under this tag."""
    found = []
    if PLACEHOLDER in repository:
        found.append(f"{repository} is a placeholder: set REPOSITORY in generate/project.py and run `make generate`")
    for name in definitions():
        version = re.search(r'^version = "(.+)"', (ROOT / name / "pyproject.toml").read_text("utf-8"), re.MULTILINE)
        if version is None or tag != f"v{version[1]}":
            found.append(f"{name} has version {version and version[1]}, and the tag is {tag}")
    if f"## [{tag.removeprefix('v')}]" not in (ROOT / "CHANGELOG.md").read_text("utf-8"):
        found.append(f"CHANGELOG.md has no section [{tag.removeprefix('v')}]")
    if paths := [*stale()]:
        found.append(f"stale: {', '.join(paths)}; run `make generate`")
    return found


if __name__ == "__main__":
    sys.exit("\n".join(faults(*sys.argv[1:2] or [""])) or None)
