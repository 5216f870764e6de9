"""The command `target-braze`, also as `python -m target_braze`."""

from __future__ import annotations

import sys
from importlib.metadata import version


def main() -> None:
    """Run the command line; print the version without loading the Singer SDK, which takes half a second."""
    if sys.argv[1:] == ["--version"]:
        print(f"target-braze v{version('target-braze')}, Meltano SDK v{version('singer-sdk')}")  # noqa: T201
        return
    from target_braze.singer import cli  # noqa: PLC0415 - see above

    cli.main()


if __name__ == "__main__":
    main()
