"""Every block of commands in the documentation runs, or says why it does not: `<!-- not run: why -->` above it."""

from __future__ import annotations

import re
import shlex
import socket
import subprocess
import sys
import textwrap
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

import pytest

if TYPE_CHECKING:
    from collections.abc import Iterator

ROOT = Path(__file__).resolve().parent.parent.parent
TESTS = {path.name for path in ROOT.glob("tests/**/test_*.py")}
PAGES = [
    ROOT / name
    for name in subprocess.run(
        ["git", "ls-files", "*.md"], cwd=ROOT, capture_output=True, text=True, check=True
    ).stdout.splitlines()
]
COMMANDS = {"sh", "console", "python"}
DATA = {"dockerfile", "http", "json", "jsonl", "mermaid", "sql", "text", "yaml"}
# Programs that a reader would run; a line that begins with one is a command.
PROGRAMS = (
    *("tap-braze", "target-braze", "braze-sandbox", "meltano", "make", "dbt", "pip", "pipx", "uv", "uvx", "python"),
    *("curl", "docker", "kubectl", "git", "export", "npm", "npx", "node", "sudo", "brew"),
)
_BLOCK = re.compile(
    r"(?:^ *<!-- not run: (?P<why>.+?) -->\n)?^(?P<indent> *)```(?P<language>sh|console|python)\n(?P<code>.*?)^ *```",
    re.MULTILINE | re.DOTALL,
)
_FENCE = re.compile(r"^[ >]*(?:`{3,}|~{3,})(?P<language>.*)$")
_COMMAND = re.compile(rf"[ >]*(?:\$ |(?:[A-Z_]+=\S+ +)*(?:{'|'.join(PROGRAMS)}) )")


class Block(NamedTuple):
    language: str
    code: str
    why_not: str | None


def blocks(page: Path) -> list[Block]:
    return [
        Block(m["language"], textwrap.dedent(m["code"]), m["why"]) for m in _BLOCK.finditer(page.read_text("utf-8"))
    ]


def lines(page: Path) -> Iterator[tuple[str, str]]:
    """Yield the lines of a page with the language of their block; as a block begins, yield "begin" and its language."""
    language = ""
    for line in page.read_text("utf-8").splitlines():
        if (fence := _FENCE.match(line)) is None:
            yield language, line
        elif language:
            language = ""
        else:
            language = fence["language"].strip() or "unnamed"
            yield "begin", language


@pytest.mark.parametrize("page", PAGES, ids=lambda path: str(path.relative_to(ROOT)))
def test_no_command_of_a_page_goes_untested(page: Path) -> None:
    languages = [line for language, line in lines(page) if language == "begin"]
    assert {*languages} <= COMMANDS | DATA, "a block in no known language"
    assert len(blocks(page)) == sum(language in COMMANDS for language in languages), "a block that no test finds"
    hidden = [
        line
        for language, line in lines(page)
        if (language in {"text", "json", "yaml"} or (not language and line.startswith("    "))) and _COMMAND.match(line)
    ]
    assert hidden == [], "commands in a block that is not sh"
    for block in blocks(page):
        named = re.findall(r"test_\w+\.py", block.why_not or "")
        assert TESTS.issuperset(named), f"{block.why_not}: no such test"
        assert block.why_not is None or len(block.why_not.split()) > 1, "say why"


@pytest.mark.parametrize(
    "text",
    [
        "```bash\nmake demo\n```\n",
        "```\nmake demo\n```\n",
        "~~~sh\nmake demo\n~~~\n",
        "```sh title=x\nmake demo\n```\n",
        "> ```sh\n> make demo\n> ```\n",
        "```text\n$ make demo\n```\n",
        "    TARGET_BRAZE_DRY_RUN=true target-braze --config x\n",
        "<!-- not run: tests/test_nothing.py runs it -->\n```sh\nmake demo\n```\n",
    ],
)
def test_a_command_that_would_go_untested_is_found(text: str, tmp_path: Path) -> None:
    page = tmp_path / "page.md"
    page.write_text(f"# Page\n\n{text}", "utf-8")
    with pytest.raises(AssertionError):
        test_no_command_of_a_page_goes_untested(page)


@pytest.mark.parametrize("page", PAGES, ids=lambda path: str(path.relative_to(ROOT)))
def test_the_commands_of_a_page_run(page: Path, workplace: Path, environment: dict[str, str]) -> None:
    steps = []
    for number, block in enumerate(blocks(page)):
        if block.language == "python":
            compile(block.code, f"block {number}", "exec")
        if block.why_not:
            continue
        assert block.language != "console", "a transcript cannot run: make it sh, or say why it does not run"
        if block.language == "python":
            (workplace / f"block{number}.py").write_text(block.code, "utf-8")
            steps.append(f"{shlex.quote(sys.executable)} block{number}.py")
        else:
            steps.append(block.code)
    if not steps:
        return
    port = str(free_port())
    script = "set -euo pipefail\n" + "\n".join(steps)
    script = script.replace("braze-sandbox serve", f"braze-sandbox serve --port {port}").replace("8027", port)
    done = subprocess.run(
        ["bash", "-c", f"trap 'kill $(jobs -p) 2>/dev/null || true' EXIT\n{script}"],
        cwd=workplace,
        env=environment,
        capture_output=True,
        text=True,
        check=False,
        timeout=240,
    )
    assert done.returncode == 0, f"{script}\n{done.stdout[-3000:]}\n{done.stderr[-3000:]}"


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port
