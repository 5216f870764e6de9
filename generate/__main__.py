"""`python -m generate` writes all generated files, and the project's address into all others."""

from __future__ import annotations

from generate.files import moved, stale
from generate.project import ROOT


def main() -> None:
    """Write what is stale and print its path."""
    for path, text in {**moved(), **stale()}.items():
        place = ROOT / path
        place.parent.mkdir(parents=True, exist_ok=True)
        place.write_text(text, encoding="utf-8")
        print(path)


if __name__ == "__main__":
    main()
