"""The two plugins as a pipe, with settings from a page of the docs."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from typing import TYPE_CHECKING, Any

import yaml
from tap_braze.singer.tap import TapBraze

if TYPE_CHECKING:
    from collections.abc import Iterable
    from pathlib import Path


def blocks(page: Path, language: str) -> list[str]:
    """The code of a language on a page."""
    return re.findall(rf"```{language}\n(.*?)```", page.read_text("utf-8"), re.DOTALL)


def plugins(page: Path) -> dict[str, list[Any]]:
    """The plugins in the first block of YAML on a page, as meltano.yml has them."""
    found: dict[str, list[Any]] = yaml.safe_load(blocks(page, "yaml")[0])["plugins"]
    return found


def tap(folder: Path, config: dict[str, Any], select: Iterable[str]) -> list[str]:
    """The command that reads some streams, each selected as `name.*`."""
    wanted = {pattern.removesuffix(".*") for pattern in select}
    catalog = TapBraze(config=dict(config), setup_mapper=False).catalog_dict
    for entry in catalog["streams"]:
        root = next(item for item in entry["metadata"] if not item["breadcrumb"])
        root["metadata"]["selected"] = entry["tap_stream_id"] in wanted
        wanted.discard(entry["tap_stream_id"])
    assert not wanted, f"no such streams: {wanted}"
    files = {"tap.json": config, "catalog.json": catalog}
    for name, content in files.items():
        (folder / name).write_text(json.dumps(content, default=str), "utf-8")
    return [*_module("tap_braze"), "--config", f"{folder / 'tap.json'}", "--catalog", f"{folder / 'catalog.json'}"]


def target(folder: Path, config: dict[str, Any]) -> list[str]:
    """The command that writes to Braze."""
    (folder / "target.json").write_text(json.dumps(config, default=str), "utf-8")
    return [*_module("target_braze"), "--config", f"{folder / 'target.json'}"]


def pipe(reads: list[str], writes: list[str]) -> str:
    """Run one command into another; answers what the second one logs. Both have to end well."""
    with (
        subprocess.Popen(reads, stdout=subprocess.PIPE) as reader,
        subprocess.Popen(writes, stdin=reader.stdout, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE) as writer,
    ):
        assert reader.stdout
        reader.stdout.close()
        _, log = writer.communicate(timeout=120)
        text = log.decode()
    assert (reader.returncode, writer.returncode) == (0, 0), text
    return text


def _module(name: str) -> list[str]:
    return [sys.executable, "-m", name]
