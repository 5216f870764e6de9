"""The reference pages of the documentation that are generated as a whole."""

from __future__ import annotations

from typing import Final

from generate import endpoints, runs, tap_tables, target_tables

_NOTE: Final = "<!-- Generated from the code by `make generate`; do not edit. -->\n\n"


def files() -> dict[str, str]:
    """Return the text of each page by its path."""
    return {f"docs/reference/{name}.md": _NOTE + text for name, text in _pages().items()}


def _pages() -> dict[str, str]:
    return {
        "tap-settings": f"""# Settings of tap-braze

Set them in `config.json`, as `TAP_BRAZE_` and the name in capitals with `--config=ENV`, or with
`meltano config set tap-braze`. The [SDK's settings](https://sdk.meltano.com/en/latest/stream_maps.html) for stream maps
and flattening work too.

{tap_tables.settings()}""",
        "target-settings": f"""# Settings of target-braze

Set them in `config.json`, as `TARGET_BRAZE_` and the name in capitals with `--config=ENV` (`TARGET_BRAZE_STREAMS` is
JSON), or with `meltano config set target-braze`. The
[SDK's settings](https://sdk.meltano.com/en/latest/stream_maps.html) for stream maps and flattening work too; they apply
before the mapping.

{target_tables.settings()}""",
        "mapping": f"""# Mapping keys

Each key below `streams.NAME`, and the kinds of Braze objects that take it. [Map your records](../mapping.md)
explains them with examples.

{target_tables.mapping()}
## Identifiers

What may identify a user in each kind, as Braze's endpoints allow. `identifications` name the user to keep by external
ID, and the user to identify by alias, email address or phone number. None of these endpoints takes a device ID; push
tokens have one.

{target_tables.identifiers()}""",
        "streams": f"""# Streams

The API key needs the permission of each selected stream, and of the list it reads first: campaigns, Canvases, segments,
events or cards. A key gets its permissions when it is created; you cannot add any later.
[Permissions for each job](../permissions.md) has lists to copy.

{tap_tables.streams()}
Streams with the same rate limit share it with each other and with every other program that uses the workspace. The tap
follows the limits that Braze's responses state; [tuning and limits](../tuning.md) lists the defaults.
""",
        "endpoints": f"""# Endpoints

Every endpoint that Braze documents, with the permission that it needs, and the [streams](streams.md) and
[kinds](../mapping.md) that use it. {endpoints.counts()}
Currents is not among them, because it writes files, nor is the Messaging API (beta), whose keys are for apps and
websites.

{endpoints.endpoints()}""",
        "columns": f"""# Columns

Every stream with fixed columns. [Currents](../currents.md) has one stream for each event type, with its columns.

{tap_tables.columns()}""",
        "summary": runs.summary_page(),
        "log-fields": runs.log_fields_page(),
    }
