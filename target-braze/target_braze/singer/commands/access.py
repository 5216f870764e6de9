"""`target-braze --test`: print what preview/access.py finds."""

from __future__ import annotations

from typing import IO, TYPE_CHECKING, Any, ClassVar

import click
from typing_extensions import override

from target_braze.loader.parts import new_client
from target_braze.preview import access
from target_braze.process.ticker import heartbeat
from target_braze.singer.plugin import Plugin

if TYPE_CHECKING:
    import signal
    from collections.abc import Mapping


class AccessTarget(Plugin):
    """Checks what the API key may do, and reads no input."""

    name = "target-braze"
    # A dry run needs no key; this does.
    fixed: ClassVar[Mapping[str, Any]] = {"dry_run": False}

    def __init__(self, **options: Any) -> None:  # noqa: ANN401
        super().__init__(**options)
        self._client = new_client(self.config)

    @override
    def run(self, file_input: IO[str] | None = None) -> None:
        with heartbeat(self.logger, "testing what the key may do"):
            for line in access.report(self._client, self.config):
                click.echo(line)

    @override
    def stop(self, signum: signal.Signals) -> None:
        self._client.stop(grace=0.0)
