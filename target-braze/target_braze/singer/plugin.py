"""The target as a plugin: its command, its settings, and errors as a user can read them."""

from __future__ import annotations

import copy
import gc
import logging
import sys
from typing import IO, TYPE_CHECKING, Any, ClassVar, Final

import click
from singer_sdk import Target
from singer_sdk.configuration._dict_config import parse_environment_config
from singer_sdk.exceptions import (
    ConfigValidationError,
    MapExpressionError,
    RecordsWithoutSchemaException,
    StreamMapConfigError,
)
from singer_sdk.helpers.capabilities import PluginCapabilities
from singer_sdk.plugin_base import SingerCommand
from singer_sdk.singerlib.exceptions import InvalidInputLine
from typing_extensions import override

from target_braze.braze.client import BrazeError, EndpointError
from target_braze.delivery.dispatcher import RejectedError
from target_braze.ledger.file import LedgerError
from target_braze.records import MappingError
from target_braze.settings.config import CONFIG
from target_braze.settings.validation import mistakes, numbers, prepare
from target_braze.singer import standard_streams
from target_braze.singer.signals import handle

if TYPE_CHECKING:
    import signal

    from singer_sdk.plugin_base import _ConfigInput

_log = logging.getLogger("target-braze")

# Objects that may be made before Python looks for cycles.
_COLLECT_EVERY: Final = 100_000

# What a user can mend: shown as one line, without a traceback.
_USERS_ERRORS = (
    BrazeError,
    EndpointError,
    InvalidInputLine,
    LedgerError,
    MapExpressionError,
    MappingError,
    OSError,
    RecordsWithoutSchemaException,
    RejectedError,
    StreamMapConfigError,
)


class _Commands(SingerCommand, click.Group):
    """The command of a Singer target, with others beside."""


class Plugin(Target):
    """What of the target is not about records."""

    # A copy, for the SDK adds its own settings to it.
    config_jsonschema: ClassVar[dict[str, Any]] = copy.deepcopy(CONFIG)
    capabilities: ClassVar[list[Any]] = [
        PluginCapabilities.ABOUT,
        PluginCapabilities.STREAM_MAPS,
        PluginCapabilities.FLATTENING,
        PluginCapabilities.STRUCTURED_LOGGING,
    ]

    def run(self, file_input: IO[str] | None = None) -> None:
        """Read all messages and deliver them."""
        raise NotImplementedError

    def stop(self, signum: signal.Signals) -> None:
        """End the run for a signal; may be called at any instruction, so it neither waits nor raises."""
        raise NotImplementedError

    @classmethod
    @override
    def invoke(  # type: ignore[override]
        cls,
        *,
        about: bool = False,
        about_format: str | None = None,
        config: _ConfigInput | None = None,
        file_input: IO[str] | None = None,
    ) -> None:
        """Run the target, as the SDK does, but show what a user can mend as one line."""
        if click.get_current_context().invoked_subcommand:
            return
        if about:
            cls.print_about(about_format)
            return
        # Records come and go without cycles, and looking for some costs a sixth of a run at the usual pace.
        gc.set_threshold(_COLLECT_EVERY)
        try:
            standard_streams.check()
            target = cls(
                config=config.config if config else None,
                parse_env_config=bool(config and config.parse_env),
            )
            # For as long as the process lives: what comes after the run does not change how it ended.
            handle(target.stop)
            target.run(file_input)
        except _USERS_ERRORS as error:
            _log.error("%s", error)
            sys.exit(1)
        finally:
            standard_streams.give_up_unwritable()

    @override
    def _setup_signal_handlers(self) -> None:
        """None yet: the SDK's would end the run with a STATE that covers what is still in flight, and exit with 0."""

    @classmethod
    @override
    def get_singer_command(cls) -> click.Command:
        from target_braze.ledger.commands import ledger  # noqa: PLC0415 - few runs need it
        from target_braze.preview.explain import command  # noqa: PLC0415 - it is a target itself

        singer = super().get_singer_command()
        return _Commands(
            name=singer.name,
            callback=singer.callback,
            params=singer.params,
            help=singer.help,
            logger=cls.logger,
            invoke_without_command=True,
            commands=[command(), ledger],
        )

    @classmethod
    @override
    def cb_config(cls, ctx: click.Context, param: click.Option, value: tuple[str, ...]) -> _ConfigInput:
        """Read the files of `--config`."""
        try:
            return super().cb_config(ctx, param, value)
        except (OSError, ValueError) as error:
            raise click.BadParameter(str(error)) from None

    @property
    @override
    def _env_var_config(self) -> dict[str, Any]:
        """Settings from the environment, numbers as text, which the check of the settings reads.

        The SDK reads whole numbers only, and with a traceback where there is none.
        """
        schema = copy.deepcopy(self.config_jsonschema)
        self.append_builtin_config(schema)
        for described in numbers(schema).values():
            described["type"] = ["string"]
        try:
            return parse_environment_config(schema, self._env_var_prefix)
        except ValueError as error:
            raise ConfigValidationError(
                "Config validation failed", errors=[f"{self._env_var_prefix}…: not JSON: {error}"], schema=schema
            ) from None

    @override
    def _validate_config(self, *, raise_errors: bool = True) -> list[str]:
        errors = prepare(self._config, self.config_jsonschema)
        if not errors:
            errors = super()._validate_config(raise_errors=raise_errors) or mistakes(self._config)
        if errors and raise_errors:
            raise ConfigValidationError("Config validation failed", errors=errors, schema=self.config_jsonschema)
        return errors

    @classmethod
    @override
    def append_builtin_config(cls, config_jsonschema: dict[str, Any]) -> None:
        super().append_builtin_config(config_jsonschema)
        # Settings of the SDK that mean nothing here: how tables are loaded, and batches that delivery makes.
        for setting in ("add_record_metadata", "batch_size_rows", "load_method"):
            config_jsonschema["properties"].pop(setting, None)
