"""The rooms of each package: each says what is in it, stays small, and imports from lower rooms only.

A package takes part once it has rooms: list them in `ROOMS`, those that import from top to bottom. What stands at the
top of a package goes by the name of its module. Imports for types count as all others.
"""

from __future__ import annotations

import ast
from graphlib import CycleError, TopologicalSorter
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent
MODULES = 14
LINES = 400

ROOMS: dict[str, list[str]] = {
    "braze-sandbox/braze_sandbox": [
        "__main__",
        "pytest_plugin",
        "testing",
        "cli",
        "server",
        "pages",
        "currents",
        "endpoints.registry",
        "endpoints.sending",
        "endpoints.users",
        "endpoints.exports",
        "endpoints.subscriptions",
        "endpoints.email",
        "endpoints.catalogs",
        "endpoints.data_objects",
        "endpoints.messaging",
        "endpoints.analytics",
        "endpoints.settings",
        "request",
        "state",
        "seeds",
        "rules",
        "model",
        "wire",
        "arguments",
    ],
    "tap-braze/tap_braze": [
        "__main__",
        "singer",
        "streams",
        "exports",
        "currents",
        "comparison",
        "settings",
        "reporting",
        "fetching",
        "storage",
        "sdk",
        "untrusted",
        "braze",
        "process",
        "times",
    ],
    "target-braze/target_braze": [
        "__main__",
        "singer",
        "processes",
        "erasure",
        "spark",
        "loader",
        "outcome_log",
        "preview",
        "guards",
        "settings",
        "reporting",
        "delivery",
        "ledger",
        "mapping",
        "braze",
        "process",
        "records",
        "damaged_json",
        "encode",
    ],
}


def modules_of(package: Path) -> dict[str, Path]:
    """Return the modules of a package by their names without its own; a folder's is that of its `__init__`."""
    found = {}
    for path in package.rglob("*.py"):
        parts = path.relative_to(package).with_suffix("").parts
        found[".".join(parts[:-1] if parts[-1] == "__init__" else parts)] = path
    return found


def imports_of(path: Path, package: str, modules: dict[str, Path]) -> set[str]:
    """Return the modules of its package that a module imports."""
    named: set[str] = set()
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            named.update(alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module and not node.level:
            for alias in node.names:
                inner = f"{node.module}.{alias.name}".removeprefix(f"{package}.")
                named.add(f"{package}.{inner}" if inner in modules else node.module)
    return {name.removeprefix(f"{package}.") for name in named if name.startswith(f"{package}.")}


def room_of(module: str, rooms: list[str]) -> str | None:
    return next((room for room in rooms if module == room or module.startswith(f"{room}.")), None)


@pytest.mark.parametrize("folder", ROOMS)
def test_imports_go_down(folder: str) -> None:
    package, rooms = ROOT / folder, ROOMS[folder]
    modules = modules_of(package)
    lost = [name for name, path in modules.items() if path.name != "__init__.py" and room_of(name, rooms) is None]
    assert lost == [], "modules that are in no room"
    upward = [
        f"{name} imports {other}"
        for name, path in modules.items()
        for other in imports_of(path, package.name, modules)
        if (here := room_of(name, rooms))
        and (there := room_of(other, rooms))
        and rooms.index(there) < rooms.index(here)
    ]
    assert upward == []


@pytest.mark.parametrize("folder", ROOMS)
def test_no_imports_go_in_a_circle(folder: str) -> None:
    package = ROOT / folder
    modules = modules_of(package)
    graph = {name: imports_of(path, package.name, modules) - {name} for name, path in modules.items()}
    try:
        TopologicalSorter(graph).prepare()
    except CycleError as error:
        pytest.fail(f"imports in a circle: {' -> '.join(error.args[1])}")


@pytest.mark.parametrize("folder", ROOMS)
def test_rooms_are_small_and_say_what_is_in_them(folder: str) -> None:
    package = ROOT / folder
    for room in [path for path in (package, *package.rglob("*")) if path.is_dir() and any(path.glob("*.py"))]:
        files = [path for path in room.glob("*.py") if path.name != "__init__.py"]
        assert len(files) <= MODULES, f"{room} has {len(files)} modules"
        init = room / "__init__.py"
        assert init.exists(), f"{room} has no __init__.py"
        assert ast.get_docstring(ast.parse(init.read_text(encoding="utf-8"))), f"{room} does not say what is in it"
        for path in files:
            lines = path.read_text(encoding="utf-8").splitlines()
            copied = lines[:1] and lines[0].startswith("# Generated by")
            assert len(lines) - bool(copied) <= LINES, f"{path} has {len(lines)} lines"
