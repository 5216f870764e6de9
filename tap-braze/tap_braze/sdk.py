"""Everything the tap uses of the Singer SDK's private parts: the one module to check when the SDK changes."""

from __future__ import annotations

import copy
from typing import TYPE_CHECKING, Any

from singer_sdk import Tap
from singer_sdk.configuration._dict_config import parse_environment_config
from singer_sdk.exceptions import ConfigValidationError
from singer_sdk.helpers import capabilities
from singer_sdk.helpers._catalog import get_selected_schema
from singer_sdk.plugin_base import _ConfigInput as ConfigInput
from typing_extensions import override

if TYPE_CHECKING:
    from contextlib import AbstractContextManager


__all__ = ["SDK_SETTINGS", "ConfigInput", "SdkTap", "get_selected_schema"]


def _names(*settings: dict[str, Any]) -> frozenset[str]:
    return frozenset(name for each in settings for name in each["properties"])


# The SDK's settings, also those of other plugins: shared configurations have them, and they change nothing here.
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


class SdkTap(Tap):
    """A tap that checks its settings itself and leaves signals alone until the sync begins."""

    def checked(self, config: dict[str, Any], env_prefix: str) -> tuple[dict[str, Any], list[str]]:
        """Return the config as the tap reads it, and one line for each mistake."""
        raise NotImplementedError

    def syncing(self) -> AbstractContextManager[None]:
        """Return the context that all streams are read in."""
        raise NotImplementedError

    def validate(self) -> None:
        """Check the settings.

        Raises:
            ConfigValidationError: A setting is wrong; `errors` has one line for each mistake.
        """
        self._validate_config()

    @property
    @override
    def _env_var_config(self) -> dict[str, Any]:
        """Settings from the environment, with numbers as text: the check of the settings parses these.

        The SDK parses integers only, and ends with a traceback where there is none.
        """
        schema = copy.deepcopy(self.config_jsonschema)
        for described in schema["properties"].values():
            if {"integer", "number"} & set(described["type"]):
                described["type"] = ["string"]
        return parse_environment_config(schema, self._env_var_prefix)

    @override
    def _validate_config(self, *, raise_errors: bool = True) -> list[str]:
        """Check the settings, in the user's terms; discovery needs none and does not raise."""
        self.append_builtin_config(self.config_jsonschema)
        self._config, errors = self.checked(self._config, self._env_var_prefix)
        if errors and raise_errors:
            raise ConfigValidationError("Wrong settings", errors=errors, schema=self.config_jsonschema)
        return errors

    @override
    def _setup_signal_handlers(self) -> None:
        """Do nothing: before the first message, and in --discover and --test, a signal has its usual effect."""

    @override  # type: ignore[misc] # final, but no other method surrounds all streams
    def sync_all(self) -> None:
        with self.syncing():
            super().sync_all()
