"""`target-braze explain`: pass the messages of standard input to preview/explain.py."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, ClassVar

import click
from typing_extensions import override

from target_braze.loader.parts import mapping_defaults, new_client
from target_braze.preview.explain import ExplainedStream
from target_braze.preview.preflight import Preflight
from target_braze.process.ticker import heartbeat
from target_braze.reporting.summary import Summary
from target_braze.settings.stream_config import Entries
from target_braze.singer.messages import MessageTarget

if TYPE_CHECKING:
    import signal
    from collections.abc import Mapping
    from typing import IO

    from target_braze.preview.likely_types import LikelyTypes
    from target_braze.singer.receiver import Receiver


class ExplainTarget(MessageTarget):
    """Prints what the first records of each stream become in Braze."""

    name = "target-braze"
    sends = False
    records: ClassVar[int] = 3

    def __init__(self, **options: Any) -> None:  # noqa: ANN401
        super().__init__(**options)
        self._entries = Entries(self.config["streams"])
        self._defaults = mapping_defaults(self.config)
        self._notice = Summary().notice
        self._likely_types: dict[str, LikelyTypes] = {}
        client = new_client(self.config)
        self._preflight = Preflight(client) if self.config["preflight"] else None

    @override
    def run(self, file_input: IO[str] | None = None) -> None:
        with heartbeat(self.logger, "reading the input"):
            self.listen(file_input)
        for likely_types in self._likely_types.values():
            likely_types.report()
        self._entries.check()

    @override
    def stop(self, signum: signal.Signals) -> None:
        self.message_reader.interrupt(SystemExit(128 + signum))

    @override
    def open_stream(self, name: str, schema: Mapping[str, Any], keys: tuple[str, ...]) -> Receiver:
        stream = ExplainedStream(
            name,
            schema,
            keys,
            entries=self._entries,
            defaults=self._defaults,
            most=self.records,
            echo=click.echo,
            notice=self._notice,
            likely_types=self._likely_types,
            bulk=self.config["track_endpoint"] == "bulk",
        )
        if self._preflight is not None:
            for doubt in self._preflight.doubts(stream.types):
                self._notice(f"stream '{name}': {doubt}")
        return stream

    @override
    def on_state(self, message: dict[str, Any]) -> None:
        """Emit no STATE, because nothing is delivered."""


def command() -> click.Command:
    """Return the command `explain`, with the options of the target itself."""
    found = ExplainTarget.get_singer_command()
    found.name = "explain"
    found.help = "Print what the first records of each stream become in Braze, and why; send nothing."
    found.params = [option for option in found.params if option.name in {"config", "file_input"}]
    found.params.append(
        click.Option(
            ["--records"], type=click.IntRange(1), default=3, help="Number of records of each stream. Default: 3."
        )
    )

    def explain(records: int, **options: Any) -> None:  # noqa: ANN401
        ExplainTarget.records = records
        parent = click.get_current_context().parent
        if parent is not None:
            # Meltano puts --config before the subcommand.
            if not (options["config"].config or options["config"].parse_env):
                options["config"] = parent.params["config"]
            options["file_input"] = options["file_input"] or parent.params["file_input"]
        ExplainTarget.invoke(**options)

    found.callback = explain
    return found
