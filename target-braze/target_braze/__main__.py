"""`python -m target_braze`, the same as the command `target-braze`."""

from __future__ import annotations

from target_braze.singer.cli import main

if __name__ == "__main__":
    main()
