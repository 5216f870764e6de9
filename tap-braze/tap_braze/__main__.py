"""The command `tap-braze`, also as `python -m tap_braze`."""

from __future__ import annotations

import sys
from importlib.metadata import version


def main() -> None:
    """Run the command line; print the version without loading the Singer SDK, which takes half a second."""
    if sys.argv[1:] == ["--version"]:
        print(f"tap-braze v{version('tap-braze')}, Meltano SDK v{version('singer-sdk')}")  # noqa: T201
        return
    from tap_braze.singer.tap import TapBraze  # noqa: PLC0415 - see above

    TapBraze.cli()


if __name__ == "__main__":
    main()
