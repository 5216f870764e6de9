"""`python -m tap_braze` is `tap-braze`."""

from __future__ import annotations

from tap_braze.singer.tap import TapBraze

TapBraze.cli()
