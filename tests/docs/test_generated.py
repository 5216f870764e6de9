"""What is generated from the code is fresh: plugin definitions, lock files, reference pages, tables of READMEs."""

from __future__ import annotations

import re
import subprocess
from typing import TYPE_CHECKING

import pytest
import yaml

from generate.files import moved, stale
from generate.plugins import SCHEMAS, definitions, deselected
from generate.project import PLACEHOLDER, REPOSITORY, VARIANT

if TYPE_CHECKING:
    from pathlib import Path


def test_generated_files_are_fresh() -> None:
    assert [*stale()] == [], "run: make generate"


def test_the_address_of_the_project_is_the_same_everywhere(root: Path) -> None:
    assert moved() == {}, "run: make generate"
    listed = subprocess.run(
        ["git", "grep", "-hoE", rf"https?://{re.escape(PLACEHOLDER)}/[^/]+/[^/ \"')>]+"],
        cwd=root,
        capture_output=True,
        text=True,
        check=False,
    )
    assert {address.removesuffix(".git") for address in listed.stdout.split()} <= {REPOSITORY}


def test_meltano_yml_uses_the_generated_definitions(root: Path) -> None:
    project = yaml.safe_load((root / "meltano.yml").read_text("utf-8"))
    entries = {entry["name"]: entry for plugins in project["plugins"].values() for entry in plugins}
    for name in definitions():
        # With a namespace it would be a plugin of the project's own, which ignores the lock file.
        assert {"name": name, "variant": VARIANT, "pip_url": f"-e ./{name}"}.items() <= entries[name].items()
        assert set(entries[name]) <= {"name", "variant", "pip_url", "config"}


def test_no_stream_of_people_is_selected_by_a_definition() -> None:
    people = [name for name in deselected() if name.startswith(("users", "user_", "segment_members", "subscription_"))]
    assert len(people) >= 10
    assert {f"!{name}.*" for name in [*people, "global_control_group_users"]} <= {*definitions()["tap-braze"]["select"]}


@pytest.mark.parametrize("name", SCHEMAS)
def test_each_setting_has_a_label_and_a_description(name: str) -> None:
    for setting in definitions()[name]["settings"]:
        assert setting["label"] != setting["name"]
        assert setting["description"]
        assert setting["kind"] != "options" or setting["options"]
        assert setting.get("sensitive", False) == (setting["name"] in {"api_key", "braze_broker_token", "scim_token"})
