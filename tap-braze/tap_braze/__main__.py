"""The command `tap-braze`, also as `python -m tap_braze`."""

from __future__ import annotations

import gc
import sys
from importlib.metadata import version
from typing import Final

# Neither modules nor records make cycles that matter. At Python's default, looking for them takes a tenth of the start
# and of a run.
_OBJECTS_BETWEEN_COLLECTIONS: Final = 100_000


def main() -> None:
    """Run the command line; print the version without loading the Singer SDK, which takes half a second."""
    if sys.argv[1:] == ["--version"]:
        print(f"tap-braze v{version('tap-braze')}, Meltano SDK v{version('singer-sdk')}")  # noqa: T201
        return
    gc.set_threshold(_OBJECTS_BETWEEN_COLLECTIONS)
    from tap_braze.singer.tap import TapBraze  # noqa: PLC0415 - see above

    TapBraze.cli()


if __name__ == "__main__":
    main()
