"""Every block of commands in the documentation runs, or says why it does not: `<!-- not run: why -->` above it."""

from __future__ import annotations

import re
import shlex
import socket
import subprocess
import sys
from pathlib import Path
from typing import NamedTuple

import pytest

ROOT = Path(__file__).resolve().parent.parent.parent
PAGES = [
    path
    for path in [*sorted(ROOT.glob("*.md")), *sorted(ROOT.glob("docs/**/*.md")), *sorted(ROOT.glob("*/README.md"))]
    if "```" in path.read_text("utf-8")
]
_BLOCK = re.compile(
    r"(?:^<!-- not run: (?P<why>.+?) -->\n)?^```(?P<language>sh|console|python)\n(?P<code>.*?)^```",
    re.MULTILINE | re.DOTALL,
)


class Block(NamedTuple):
    language: str
    code: str
    why_not: str | None


def blocks(page: Path) -> list[Block]:
    return [Block(m["language"], m["code"], m["why"]) for m in _BLOCK.finditer(page.read_text("utf-8"))]


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
