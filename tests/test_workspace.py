"""What holds the packages of this repository together, and apart."""

from __future__ import annotations

import ast
import json
import os
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import yaml
from singer_sdk import Tap, Target

ROOT = Path(__file__).resolve().parent.parent
PACKAGES = {"tap-braze": "tap_braze", "target-braze": "target_braze", "braze-sandbox": "braze_sandbox"}
PLUGINS = {"tap-braze": Tap, "target-braze": Target}
BIN = Path(sys.executable).parent


@pytest.mark.parametrize("module", ["client.py", "connection.py", "error_texts.py", "rate_limits.py"])
def test_the_two_copies_of_a_module_are_one_text(module: str) -> None:
    tap, target = (ROOT / name / PACKAGES[name] / "braze" / module for name in PLUGINS)
    assert tap.read_bytes() == target.read_bytes(), f"copy the newer of {tap} and {target} over the other"


@pytest.mark.parametrize("name", PACKAGES)
def test_a_package_imports_none_of_the_others(name: str) -> None:
    others = {*PACKAGES.values()} - {PACKAGES[name]}
    for path in (ROOT / name / PACKAGES[name]).rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            modules = (
                [alias.name for alias in node.names]
                if isinstance(node, ast.Import)
                else [node.module or ""]
                if isinstance(node, ast.ImportFrom)
                else []
            )
            assert not others & {module.partition(".")[0] for module in modules}, path


@pytest.mark.parametrize("name", PLUGINS)
def test_a_plugin_installs_alone_from_a_git_url(name: str, tmp_path: Path) -> None:
    repository, venv = tmp_path / "repository", tmp_path / "venv"
    repository.mkdir()
    shutil.copy(ROOT / "pyproject.toml", repository)
    for package in PACKAGES:
        shutil.copytree(ROOT / package, repository / package, ignore=shutil.ignore_patterns("__pycache__"))
    run("git", "init", "--quiet", cwd=repository)
    run("git", "add", ".", cwd=repository)
    run("git", "-c", "user.name=t", "-c", "user.email=t@example.com", "commit", "-qm", "All", cwd=repository)

    run(BIN / "uv", "venv", "--quiet", "--python", sys.executable, venv)
    url = f"{name} @ git+{repository.as_uri()}#subdirectory={name}"
    run(BIN / "uv", "pip", "install", "--quiet", "--python", venv, "--constraint", ROOT / "constraints.txt", url)

    assert name in run(venv / "bin" / name, "--version")
    installed = run(BIN / "uv", "pip", "list", "--python", venv)
    assert {package for package in PACKAGES if package in installed} == {name}


@pytest.mark.parametrize("name", PLUGINS)
def test_meltano_yml_declares_the_settings_that_the_plugin_has(name: str) -> None:
    declared = {setting["name"]: setting for setting in plugin(name)["settings"]}
    schema = about(name)["settings"]["properties"]
    own = {key: value for key, value in schema.items() if key not in built_in(PLUGINS[name])}
    assert set(declared) == set(own)
    assert {key for key, setting in declared.items() if setting.get("sensitive")} == {
        key for key, value in own.items() if value.get("secret")
    }
    kinds = {"integer": "integer", "boolean": "boolean", "array": "array", "object": "object", "number": "decimal"}
    for key, value in own.items():
        (type_,) = {*([value["type"]] if isinstance(value["type"], str) else value["type"])} - {"null"}
        if type_ in kinds:
            assert declared[key]["kind"] == kinds[type_], key
        if "enum" in value:
            assert [option["value"] for option in declared[key]["options"]] == [v for v in value["enum"] if v], key


@pytest.mark.parametrize("name", PLUGINS)
def test_meltano_yml_declares_no_capability_that_the_plugin_lacks(name: str) -> None:
    assert set(plugin(name)["capabilities"]) <= set(about(name)["capabilities"])


def test_no_plugin_of_meltano_yml_asks_the_hub() -> None:
    for plugins in project()["plugins"].values():
        for entry in plugins:
            assert {"namespace", "pip_url", "executable"} <= set(entry), entry["name"]


def test_constraints_name_versions_and_no_place() -> None:
    for line in (ROOT / "constraints.txt").read_text(encoding="utf-8").splitlines():
        assert "==" in line, line
        assert "://" not in line, line


def project() -> Any:
    return yaml.safe_load((ROOT / "meltano.yml").read_text(encoding="utf-8"))


def plugin(name: str) -> Any:
    (entry,) = (entry for plugins in project()["plugins"].values() for entry in plugins if entry["name"] == name)
    return entry


def about(name: str) -> Any:
    return json.loads(run(BIN / name, "--about", "--format", "json"))


def built_in(kind: type[Any]) -> set[str]:
    """The settings that the SDK gives to every tap or target."""
    schema: dict[str, Any] = {"properties": {}}
    kind.append_builtin_config(schema)
    return set(schema["properties"])


def run(*command: str | Path, cwd: Path = ROOT) -> str:
    environment = {name: value for name, value in os.environ.items() if name != "VIRTUAL_ENV"}
    done = subprocess.run(
        [str(part) for part in command],
        cwd=cwd,
        env=environment,
        capture_output=True,
        text=True,
        check=False,
        timeout=300,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout
