"""The documentation site builds without a warning, has every page, and its links lead somewhere."""

from __future__ import annotations

import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
import yaml

from generate.project import REPOSITORY

ROOT = Path(__file__).resolve().parent.parent.parent
LINK = re.compile(r"\]\(([^)\s]+)\)")
PUBLISHED = ["tap-braze", "target-braze", "braze-sandbox"]


def build(folder: Path) -> subprocess.CompletedProcess[str]:
    """Build the site of a folder that has mkdocs.yml and docs/, as `make docs` does."""
    pytest.importorskip("zensical", reason="Zensical needs Python 3.11")
    command = [str(Path(sys.executable).with_name("zensical")), "build", "--strict"]
    return subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False, timeout=120)


@pytest.fixture
def copied(tmp_path: Path) -> Path:
    shutil.copy(ROOT / "mkdocs.yml", tmp_path)
    shutil.copytree(ROOT / "docs", tmp_path / "docs")
    return tmp_path


def test_the_site_builds_without_a_warning(copied: Path) -> None:
    done = build(copied)
    assert done.returncode == 0, done.stdout + done.stderr
    assert "mermaid" in (copied / "site" / "architecture" / "index.html").read_text("utf-8")


@pytest.mark.parametrize("link", ["nowhere.md", "guarantees.md#nowhere"])
def test_a_broken_link_fails_the_build(copied: Path, link: str) -> None:
    page = copied / "docs" / "cost.md"
    page.write_text(page.read_text("utf-8") + f"\n[broken]({link})\n", "utf-8")
    assert build(copied).returncode != 0


def test_the_navigation_has_every_page() -> None:
    # The tag is that of the function which draws diagrams; which one does not matter here.
    navigation = re.sub(r"!!python/\S+", "", (ROOT / "mkdocs.yml").read_text("utf-8"))
    listed = set(re.findall(r"[\w/-]+\.md", str(yaml.safe_load(navigation)["nav"])))
    assert listed == {str(path.relative_to(ROOT / "docs")) for path in (ROOT / "docs").rglob("*.md")}


@pytest.mark.parametrize("page", sorted([*ROOT.glob("*.md"), *ROOT.glob("*/README.md")]), ids=str)
def test_links_of_other_pages_lead_somewhere(page: Path) -> None:
    for link in LINK.findall(page.read_text("utf-8")):
        target, _, anchor = link.partition("#")
        if target.startswith(f"{REPOSITORY}/blob/main/"):
            place = ROOT / target.removeprefix(f"{REPOSITORY}/blob/main/")
        elif "://" in target:
            continue
        else:
            place = page.parent / target if target else page
        assert place.exists(), f"{page}: {link}"
        if anchor:
            assert anchor in anchors(place), f"{page}: {link}"


@pytest.mark.parametrize("package", PUBLISHED)
def test_links_of_a_published_readme_work_on_pypi(package: str) -> None:
    for link in LINK.findall((ROOT / package / "README.md").read_text("utf-8")):
        assert "://" in link or link.startswith("#"), link


def test_the_root_readme_is_short() -> None:
    assert len((ROOT / "README.md").read_text("utf-8").split()) < 500


@pytest.mark.parametrize(
    "page", sorted([*ROOT.glob("*.md"), *ROOT.glob("*/README.md"), *(ROOT / "docs").glob("*.md")]), ids=str
)
def test_files_that_a_page_names_exist(page: Path) -> None:
    named = re.findall(r"(?:tests|generate|docs|plugins)/[\w./-]+\.(?:py|md|yml)", page.read_text("utf-8"))
    assert [name for name in named if not (ROOT / name).exists()] == []


def anchors(page: Path) -> set[str]:
    titles = re.findall(r"^#+ (.+)$", page.read_text("utf-8"), re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", title.lower()).replace(" ", "-") for title in titles}
