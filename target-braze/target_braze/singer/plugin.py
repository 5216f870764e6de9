"""The target's command line, with one line for each error that a user can fix."""

from __future__ import annotations

import logging
import sys
from typing import IO, TYPE_CHECKING

import click
from singer_sdk.exceptions import (
    MapExpressionError,
    RecordsWithoutSchemaException,
    StreamMapConfigError,
)
from singer_sdk.singerlib.exceptions import InvalidInputLine
from typing_extensions import override

from target_braze.braze.client import BrazeError
from target_braze.braze.hosts import EndpointError
from target_braze.delivery.dispatcher import RejectedError
from target_braze.ledger.file import LedgerError
from target_braze.loader.errors import ChildError
from target_braze.process import standard_streams
from target_braze.process.signals import handle
from target_braze.process.standard_streams import OutputError
from target_braze.records import GuardError, MappingError
from target_braze.singer.sdk import ConfigInput, SdkTarget

if TYPE_CHECKING:
    import signal


_log = logging.getLogger("target-braze")

# Number of new objects before Python looks for cycles.

# Errors that a user can fix: shown as one line, without a traceback.
_USERS_ERRORS = (
    BrazeError,
    ChildError,
    EndpointError,
    GuardError,
    InvalidInputLine,
    LedgerError,
    MapExpressionError,
    MappingError,
    OSError,
    OutputError,
    RecordsWithoutSchemaException,
    RejectedError,
    StreamMapConfigError,
)


class Plugin(SdkTarget):
    """The target's command line; knows no messages."""

    def run(self, file_input: IO[str] | None = None) -> None:
        """Read all messages and deliver them."""
        raise NotImplementedError

    def stop(self, signum: signal.Signals) -> None:
        """End the run for a signal. It may be called at any instruction, so it must neither wait nor raise."""
        raise NotImplementedError

    @classmethod
    @override
    def invoke(  # type: ignore[override]
        cls,
        *,
        about: bool = False,
        about_format: str | None = None,
        config: ConfigInput | None = None,
        file_input: IO[str] | None = None,
    ) -> None:
        """Run the target as the SDK does, but show errors that a user can fix as one line."""
        if click.get_current_context().invoked_subcommand:
            return
        if about:
            cls.print_about(about_format)
            return
        try:
            standard_streams.check()
            target = cls(
                config=config.config if config else None,
                parse_env_config=bool(config and config.parse_env),
            )
            # Handle signals until the process ends: a signal after the run must not change how the run ended.
            handle(target.stop)
            target.run(file_input)
        except _USERS_ERRORS as error:
            _log.error("%s", error)
            sys.exit(1)
        finally:
            standard_streams.discard_if_unwritable(sys.stderr)

    @classmethod
    @override
    def cb_config(cls, ctx: click.Context, param: click.Option, value: tuple[str, ...]) -> ConfigInput:
        """Read the files of `--config`."""
        try:
            return super().cb_config(ctx, param, value)
        except (OSError, ValueError) as error:
            raise click.BadParameter(str(error)) from None
