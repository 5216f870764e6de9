"""The tables of the README, written from the code: `python -m target_braze.docs target-braze/README.md`."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

from target_braze.mapping import keys_of_kinds
from target_braze.settings.config import CONFIG
from target_braze.settings.schema import STREAM

if TYPE_CHECKING:
    from collections.abc import Iterator


def with_tables(readme: str) -> str:
    """The README with its tables as they should be."""
    for name, table in (("settings", _settings()), ("mapping", _mapping())):
        begin, end = f"<!-- {name}:begin -->\n", f"<!-- {name}:end -->"
        before, _, rest = readme.partition(begin)
        _, found, after = rest.partition(end)
        if not found:
            raise ValueError(f"the README lacks the line {begin!r}, or {end!r} after it")
        readme = before + begin + table + end + after
    return readme


def _settings() -> str:
    lines = ["| setting | required | default | |", "|---|---|---|---|"]
    for name, described in CONFIG["properties"].items():
        required = "yes" if name in CONFIG["required"] else ""
        default = f"`{json.dumps(described['default'])}`" if "default" in described else ""
        lines.append(f"| `{name}` | {required} | {default} | {described['description']} |")
    return "\n".join(lines) + "\n"


def _mapping() -> str:
    kinds = keys_of_kinds()
    lines = ["| key | for | |", "|---|---|---|"]
    for name, description in _described(STREAM["properties"]):
        of = [kind for kind, keys in kinds.items() if name.partition(".")[0] in keys]
        lines.append(f"| `{name}` | {'all' if len(of) == len(kinds) else ', '.join(of)} | {description} |")
    return "\n".join(lines) + "\n"


def _described(properties: dict[str, Any], prefix: str = "") -> Iterator[tuple[str, str]]:
    for name, schema in properties.items():
        if description := schema.get("description"):
            yield prefix + name, description
        else:
            yield from _described(schema["properties"], f"{prefix}{name}.")


if __name__ == "__main__":
    for path in map(Path, sys.argv[1:]):
        path.write_text(with_tables(path.read_text("utf-8")), "utf-8")
