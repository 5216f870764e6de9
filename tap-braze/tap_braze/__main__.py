"""Run `tap-braze` as `python -m tap_braze`."""

from __future__ import annotations

from tap_braze.singer.tap import TapBraze

TapBraze.cli()
