"""Hand-written tables of the documentation say what the code does."""

from __future__ import annotations

import ast
import json
import re
import subprocess
import sys
import textwrap
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from tap_braze.streams import STREAMS
from target_braze.braze import limits
from target_braze.mapping.base import stream_mapping
from target_braze.mapping.kinds import KINDS
from target_braze.reporting import history
from target_braze.reporting import summary as summary_of_target

from generate.permissions import READING

if TYPE_CHECKING:
    from collections.abc import Iterator

ROOT = Path(__file__).resolve().parent.parent.parent
DOCS = ROOT / "docs"
PERMISSION = re.compile(r"(?:catalogs|custom_attributes|email|sms|subscription(?=\.status)|users)(?:\.[a-z_]+)+")


def texts(package: str) -> Iterator[str]:
    """Every string in the code of a package; of an f-string, its parts; neighbors as one."""
    for path in (ROOT / package).rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text("utf-8"))):
            if isinstance(node, ast.JoinedStr):
                yield "".join(str(part.value) if isinstance(part, ast.Constant) else "\0" for part in node.values)
            elif isinstance(node, ast.Constant) and isinstance(node.value, str):
                yield node.value


CODE = [*texts("tap-braze/tap_braze"), *texts("target-braze/target_braze")]


def quoted() -> list[str]:
    return re.findall(r"^\*\*`(.+)`\*\*$", (DOCS / "troubleshooting.md").read_text("utf-8"), re.MULTILINE)


@pytest.mark.parametrize("text", quoted())
def test_an_error_that_is_explained_exists(text: str) -> None:
    assert any(text in each for each in [*CODE, "HTTP 429"]), f"no error of the code says {text!r}"


def test_every_permission_of_the_target_is_listed() -> None:
    listed = set(PERMISSION.findall((DOCS / "permissions.md").read_text("utf-8").partition("## Read")[0]))
    used = {name for text in texts("target-braze/target_braze/braze") for name in PERMISSION.findall(text)}
    used |= {name for text in texts("target-braze/target_braze/mapping") for name in PERMISSION.findall(text)}
    used |= {name for text in texts("target-braze/target_braze/settings") for name in PERMISSION.findall(text)}
    assert listed == used


def test_the_recipe_for_a_stream_is_a_stream() -> None:
    example = re.findall(r" +```python\n(.*?)```", (ROOT / "CONTRIBUTING.md").read_text("utf-8"), re.DOTALL)[0]
    declarations = "".join(path.read_text("utf-8") for path in (ROOT / "tap-braze/tap_braze/streams").rglob("*.py"))
    assert textwrap.dedent(example).strip() in declarations


def test_the_recipe_for_a_kind_names_what_a_kind_declares() -> None:
    recipe = (ROOT / "CONTRIBUTING.md").read_text("utf-8")
    assert [name for name in stream_mapping._DECLARATIONS if f"| `{name}` |" not in recipe] == []


def test_every_kind_has_its_permissions() -> None:
    page = (DOCS / "permissions.md").read_text("utf-8")
    assert [kind for kind in KINDS if f"`{kind}`" not in page] == []


def test_every_stream_belongs_to_one_job() -> None:
    for stream in STREAMS:
        assert sum(stream.name.startswith(prefixes) for _, prefixes in READING) == 1, stream.name


def test_the_sizes_are_those_that_are_checked() -> None:
    page = (DOCS / "tuning.md").read_text("utf-8")
    sizes = {
        f"{limits.OBJECTS_PER_REQUEST} attributes, events and purchases together",
        f"{limits.EXTERNAL_ID_BYTES} and {limits.ALIAS_BYTES} bytes",
        f"{limits.STRING_LENGTH} characters",
        f"{limits.ARRAY_ELEMENTS} elements",
        f"{limits.EVENT_PROPERTIES_BYTES // 1024} KB",
        f"{limits.PURCHASE_PROPERTIES_BYTES // 1024} KB",
        f"1 to {limits.PURCHASE_QUANTITY}",
    }
    assert [size for size in sizes if size not in page] == []


def test_the_summary_has_the_keys_that_are_described(workplace: Path, environment: dict[str, str]) -> None:
    done = subprocess.run(
        [sys.executable, "-m", "target_braze", "--config=ENV"],
        input=(workplace / "customers.singer").read_bytes(),
        env=environment,
        cwd=workplace,
        capture_output=True,
        check=True,
        timeout=120,
    )
    (line,) = (line for line in done.stderr.decode().splitlines() if line.startswith('{"summary":'))
    summary = json.loads(line)["summary"]
    counts = {*summary_of_target.RECORD_COUNTS, *summary_of_target.OTHER_COUNTS}
    assert {*summary} == {*history.RUN_FIELDS, *summary_of_target.FIELDS}
    assert {*summary["total"]} == counts


@pytest.mark.parametrize("command", ["tap_braze", "target_braze"])
def test_exit_codes_are_those_that_are_listed(command: str, tmp_path: Path) -> None:
    page = (DOCS / "reference" / "exit-codes.md").read_text("utf-8")
    for option, code in (("--no-such-option", 2), ("--config=ENV", 1)):
        whole = [sys.executable, "-m", command, option]
        done = subprocess.run(whole, cwd=tmp_path, capture_output=True, input=b"", check=False, timeout=60)
        assert done.returncode == code, done.stderr
        assert f"| {code} |" in page
