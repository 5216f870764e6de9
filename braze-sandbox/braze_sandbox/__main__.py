"""The command `braze-sandbox`, also as `python -m braze_sandbox`."""

from __future__ import annotations

import sys
from importlib.metadata import version


def main() -> None:
    """Run the command line; print the version without loading the server."""
    if sys.argv[1:] == ["--version"]:
        print(f"braze-sandbox {version('braze-sandbox')}")  # noqa: T201
        return
    from braze_sandbox import cli  # noqa: PLC0415 - see above

    cli.main()


if __name__ == "__main__":
    main()
