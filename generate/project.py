"""Where the project lives, which the code does not know. This is the only place that says so."""

from __future__ import annotations

from pathlib import Path
from typing import Final

ROOT: Final = Path(__file__).resolve().parent.parent

# Not published yet. Set the real address here and run `make generate`: it replaces the old one in every file.
REPOSITORY: Final = "https://git.example.com/braze-singer/tap-braze"
# An address of RFC 2606, which nobody can register: the release workflow refuses to publish with it.
PLACEHOLDER: Final = "git.example.com"

# Which of several plugins of the same name this is, on Meltano Hub and in meltano.yml.
VARIANT: Final = "braze-singer"


def blob(path: str) -> str:
    """Return the address at which a person reads a file."""
    return f"{REPOSITORY}/blob/main/{path}"


def raw(path: str) -> str:
    """Return the address at which a program reads a file."""
    return f"{REPOSITORY}/raw/main/{path}"
