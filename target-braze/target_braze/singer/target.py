"""TargetBraze: a Loader that reads Singer messages from standard input and writes STATE to standard output."""

from __future__ import annotations

import json
import logging
import sys
from contextlib import ExitStack, suppress
from typing import IO, TYPE_CHECKING, Any

from singer_sdk.exceptions import MissingKeyPropertiesError
from typing_extensions import override

from target_braze.delivery.dispatcher import RejectedError
from target_braze.loader.errors import RejectedRecordError
from target_braze.process import terminal
from target_braze.process.repeated_warnings import counted
from target_braze.process.signals import Stopped, handle
from target_braze.processes.run import new_loader
from target_braze.reporting.dead_letter_file import FIELD
from target_braze.settings.config import CONFIG
from target_braze.singer import output
from target_braze.singer.messages import MessageTarget

if TYPE_CHECKING:
    import signal
    from collections.abc import Mapping

    from target_braze.singer.messages import Source
    from target_braze.singer.receiver import Receiver

_log = logging.getLogger("target-braze")


class KeylessRecordError(RejectedError, MissingKeyPropertiesError):
    """A rejected record has no value for its stream's key, which is also an error type of the SDK."""


class TargetBraze(MessageTarget):
    """Singer target for Braze: users, events and purchases from any source."""

    name = "target-braze"

    def __init__(self, **options: Any) -> None:  # noqa: ANN401
        super().__init__(**options)
        # Without the SDK's own settings, which apply before records reach the loader.
        settings = {name: value for name, value in self.config.items() if name in CONFIG["properties"]}
        self.loader = new_loader(
            settings,
            failed=self._give_up,
            share_read=self.message_reader.share_read,
            input_size=self.message_reader.input_size,
            live=terminal.is_free(),
        )
        self.message_reader.passed_on = self.loader.hand_over
        # Streams that have received a dead letter since their last SCHEMA.
        self._retried: set[str] = set()

    @override
    def run(self, file_input: IO[str] | None = None) -> None:
        """Read all messages and deliver them. However this ends, the last settled STATE has been emitted.

        Raises:
            LedgerError: The ledger cannot be used; nothing has been read.
        """
        with ExitStack() as at_end:
            # A signal only makes the next message, or the wait for room or answers, raise an error; see `stop`.
            at_end.callback(handle(self.stop))
            at_end.callback(self._write_summary)
            at_end.enter_context(counted(_log))
            at_end.enter_context(self.loader)
            self.listen(file_input)

    @override
    def stop(self, signum: signal.Signals) -> None:
        reason = Stopped(signum)
        self.message_reader.interrupt(reason)
        self.loader.interrupt(reason)

    @override
    def open_stream(self, name: str, schema: Mapping[str, Any], keys: tuple[str, ...]) -> Receiver:
        return self.loader.open(name, schema, keys)

    @override
    def on_schema(self, message: dict[str, Any]) -> None:
        self._retried.discard(message["stream"])
        super().on_schema(message)

    @override
    def on_record(self, message: dict[str, Any]) -> None:
        try:
            super().on_record(message)
        except RejectedRecordError as error:
            if error.lacks_key:
                raise KeylessRecordError(str(error)) from None
            raise

    @override
    def on_state(self, message: dict[str, Any]) -> None:
        self.loader.checkpoint(message["value"], output.write_line)

    @override
    def source_of(self, message: dict[str, Any]) -> Source:
        source = super().source_of(message)
        if FIELD in message and message["stream"] not in self._retried:
            self._retried.add(message["stream"])
            self.loader.retry(message)
        return source

    def _give_up(self, failure: BaseException) -> None:
        """Stop waiting for input, because delivery accepts nothing more."""
        if isinstance(failure, Stopped):
            _log.warning("%s: waiting for the requests in flight, then stopping", failure.signal_name)
        self.message_reader.interrupt(failure)

    def _write_summary(self) -> None:
        """Write one line of JSON to standard error, which begins with `{"summary":`."""
        if sys.stderr is None:
            return
        with suppress(OSError, ValueError):  # the reader of standard error is gone
            sys.stderr.write(json.dumps({"summary": self.loader.summary}) + "\n")
            sys.stderr.flush()
