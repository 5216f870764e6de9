"""The private parts of the SDK that we use, under our own names: the one module to check when the SDK changes."""

from __future__ import annotations

import copy
import logging
import math
import os
from typing import TYPE_CHECKING, Any, ClassVar, Final

from singer_sdk import Target
from singer_sdk.configuration._dict_config import parse_environment_config
from singer_sdk.exceptions import ConfigValidationError
from singer_sdk.helpers import capabilities
from singer_sdk.helpers.capabilities import PluginCapabilities
from singer_sdk.mapper import RemoveRecordTransform, SameRecordTransform
from singer_sdk.metrics import METRICS_LOGGER_NAME
from singer_sdk.plugin_base import SingerCommand, _ConfigInput
from typing_extensions import override

from target_braze.settings.config import CONFIG
from target_braze.settings.given import unread
from target_braze.settings.validation import mistakes, numbers, prepare

if TYPE_CHECKING:
    from collections.abc import Mapping

    from singer_sdk.mapper import StreamMap
    from singer_sdk.sinks import Sink

    from target_braze.singer.receiver import Receiver

__all__ = ["ConfigInput", "SdkTarget", "SingerCommand"]

ConfigInput = _ConfigInput

# Beginnings of the SDK's messages that users need only for debugging.
_DETAILS: Final = (
    "METRIC: ",
    "Initializing ",
    "Parsing env var",
    "Reader '%s' completed",
    "Skipping parse of env var",
    "Target '%s' is listening",
)


class _Details(logging.Filter):
    """Lowers the SDK's detailed messages from INFO to DEBUG."""

    @override
    def filter(self, record: logging.LogRecord) -> bool:
        if not str(record.msg).startswith(_DETAILS):
            return True
        record.levelno, record.levelname = logging.DEBUG, "DEBUG"
        return logging.getLogger(record.name).isEnabledFor(logging.DEBUG)


for _name in ("target-braze", METRICS_LOGGER_NAME):
    logging.getLogger(_name).addFilter(_Details())


def _names(*settings: dict[str, Any]) -> frozenset[str]:
    return frozenset(name for each in settings for name in each["properties"])


# The SDK's settings, including those for other plugins: shared configurations contain them, without effect here.
SDK_SETTINGS = _names(
    capabilities.ACTIVATE_VERSION_CONFIG,
    capabilities.ADD_RECORD_METADATA_CONFIG,
    capabilities.BATCH_CONFIG,
    capabilities.EMIT_ACTIVATE_VERSION_CONFIG,
    capabilities.FLATTENING_CONFIG,
    capabilities.STREAM_MAPS_CONFIG,
    capabilities.TARGET_BATCH_SIZE_ROWS_CONFIG,
    capabilities.TARGET_HARD_DELETE_CONFIG,
    capabilities.TARGET_LOAD_METHOD_CONFIG,
    capabilities.TARGET_SCHEMA_CONFIG,
    capabilities.TARGET_VALIDATE_RECORDS_CONFIG,
)


class SdkTarget(Target):
    """A target with public methods for its messages and our own check of its settings."""

    # A copy, because the SDK adds its own settings to it.
    config_jsonschema: ClassVar[dict[str, Any]] = copy.deepcopy(CONFIG)
    capabilities: ClassVar[list[Any]] = [
        PluginCapabilities.ABOUT,
        PluginCapabilities.STREAM_MAPS,
        PluginCapabilities.FLATTENING,
        PluginCapabilities.STRUCTURED_LOGGING,
    ]
    sends: ClassVar[bool] = True
    # Settings that are the same whatever a user sets.
    fixed: ClassVar[Mapping[str, Any]] = {}
    # Delivery limits how long records wait.
    _MAX_RECORD_AGE_IN_MINUTES = math.inf

    def open_stream(self, name: str, schema: Mapping[str, Any], keys: tuple[str, ...]) -> Receiver:
        """Return the receiver of a stream's records."""
        raise NotImplementedError

    def on_schema(self, message: dict[str, Any]) -> None:
        """Handle a SCHEMA message."""
        raise NotImplementedError

    def on_record(self, message: dict[str, Any]) -> None:
        """Handle a RECORD message."""
        raise NotImplementedError

    def on_state(self, message: dict[str, Any]) -> None:
        """Handle a STATE message."""
        raise NotImplementedError

    def on_version(self, message: dict[str, Any]) -> None:
        """Handle an ACTIVATE_VERSION message."""
        raise NotImplementedError

    def register(self, schema: dict[str, Any]) -> list[tuple[StreamMap, Sink]]:
        """Return the stream maps of a stream, each with its sink. Create new sinks if needed.

        Args:
            schema: The stream's SCHEMA message.
        """
        super()._process_schema_message(schema)
        return [
            (stream_map, self.get_sink(stream_map.stream_alias))
            for stream_map in self.mapper.stream_maps[schema["stream"]]
            if not isinstance(stream_map, RemoveRecordTransform)
        ]

    def require_schema(self, stream: str) -> None:
        """Check that the stream's SCHEMA has arrived.

        Raises:
            RecordsWithoutSchemaException: It has not.
        """
        if stream not in self.mapper.stream_maps:
            self._assert_sink_exists(stream)

    # Called by the SDK.

    @override
    def _process_schema_message(self, message_dict: dict[str, Any]) -> None:
        self.on_schema(message_dict)

    @override
    def _process_record_message(self, message_dict: dict[str, Any]) -> None:
        self.on_record(message_dict)

    @override
    def _process_state_message(self, message_dict: dict[str, Any]) -> None:
        # The SDK would hold states back until the end of the input.
        self.on_state(message_dict)

    @override
    def _process_activate_version_message(self, message_dict: dict[str, Any]) -> None:
        self.on_version(message_dict)

    @override
    def _setup_signal_handlers(self) -> None:
        """Set no handlers: the SDK's would emit a STATE that covers records still in flight, and exit with 0."""

    @property
    @override
    def _env_var_config(self) -> dict[str, Any]:
        """Return settings from the environment, with numbers as text, which the check of the settings parses.

        The SDK parses only integers, and fails with a traceback on other values.
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
        self._config |= self.fixed
        errors = prepare(self._config, self.config_jsonschema, SDK_SETTINGS, sends=self.sends)
        errors += unread(os.environ, self._env_var_prefix, self._config, self.config_jsonschema)
        if not errors:
            errors = super()._validate_config(raise_errors=raise_errors) or mistakes(self._config)
        if errors and raise_errors:
            raise ConfigValidationError("Config validation failed", errors=errors, schema=self.config_jsonschema)
        return errors

    @classmethod
    @override
    def append_builtin_config(cls, config_jsonschema: dict[str, Any]) -> None:
        super().append_builtin_config(config_jsonschema)
        # The SDK's settings for loading tables, and for batches, which delivery controls.
        for setting in ("add_record_metadata", "batch_size_rows", "load_method"):
            config_jsonschema["properties"].pop(setting, None)


def passes_unchanged(routes: list[tuple[StreamMap, Sink]]) -> bool:
    """Return whether stream maps and flattening leave the records of a stream unchanged."""
    return len(routes) == 1 and type(routes[0][0]) is SameRecordTransform and not routes[0][0].flattening_enabled
