"""The tap: its settings, its streams, one client for them all, and what a user sees when something is wrong."""

from __future__ import annotations

import copy
import gc
import signal
import threading
from contextlib import contextmanager
from functools import cached_property
from typing import TYPE_CHECKING, Any, ClassVar, Final

import click
import simplejson  # type: ignore[import-untyped]
from singer_sdk import Tap
from singer_sdk.configuration._dict_config import parse_environment_config
from singer_sdk.exceptions import ConfigValidationError
from singer_sdk.helpers._catalog import get_selected_schema
from singer_sdk.helpers.capabilities import CapabilitiesEnum, PluginCapabilities, TapCapabilities
from singer_sdk.plugin_base import _ConfigInput
from singer_sdk.tap_base import CliTestOptionValue
from typing_extensions import override

from tap_braze.braze.client import BrazeError
from tap_braze.settings.schema import CONFIG_SCHEMA, config_errors
from tap_braze.singer import access
from tap_braze.singer.writer import OutputError, Writer, check_standard_streams
from tap_braze.streams import STREAMS, currents
from tap_braze.streams.base.context import RunContext
from tap_braze.untrusted import one_line

if TYPE_CHECKING:
    from collections.abc import Iterator
    from types import FrameType

    from tap_braze.streams.base.stream import BrazeStream

_OBJECTS_BETWEEN_COLLECTIONS: Final = 100_000


class TapBraze(Tap):
    """Singer tap for Braze: campaigns, Canvases, segments, events and KPIs over its REST API."""

    name = "tap-braze"
    config_jsonschema: ClassVar[dict[str, Any]] = copy.deepcopy(CONFIG_SCHEMA)
    capabilities: ClassVar[list[CapabilitiesEnum]] = [
        PluginCapabilities.ABOUT,
        TapCapabilities.CATALOG,
        TapCapabilities.DISCOVER,
        TapCapabilities.STATE,
        PluginCapabilities.STREAM_MAPS,
        PluginCapabilities.FLATTENING,
        PluginCapabilities.STRUCTURED_LOGGING,
    ]
    message_writer_class = Writer
    message_writer: Writer

    _ordered: dict[str, BrazeStream] | None = None
    _terminated = False

    @property
    @override
    def streams(self) -> dict[str, BrazeStream]:  # type: ignore[override]
        """All streams; those that wait for the 1,000 requests an hour last, so that they hold up no other."""
        if self._ordered is None:
            streams: list[BrazeStream] = list(super().streams.values())  # type: ignore[arg-type]
            self._ordered = {stream.name: stream for stream in sorted(streams, key=lambda each: each.is_slow)}
        return self._ordered

    @cached_property
    def run(self) -> RunContext:
        """What the streams of this run share."""
        return RunContext(self)

    @override
    def discover_streams(self) -> list[BrazeStream]:
        streams = [stream(self.run) for stream in STREAMS]
        if "url" in self.config.get("currents", ()):
            self._validate_config()  # what there is to discover is in the bucket that the settings name
            streams += currents.streams(self.run)
        return streams

    @override
    def setup_mapper(self) -> None:
        """Streams that are not selected keep their columns: the SDK lacks their key where a map's glob has them too."""
        super(Tap, self).setup_mapper()
        for entry in self.catalog.streams:
            mask, schema = entry.metadata.resolve_selection(), entry.schema.to_dict()
            selected = get_selected_schema(entry.tap_stream_id, schema, mask) if mask.get((), True) else schema
            self.mapper.register_raw_stream_schema(entry.tap_stream_id, selected, entry.key_properties)

    @property
    @override
    def _env_var_config(self) -> dict[str, Any]:
        """Settings out of the environment, with numbers as text: the check of the settings reads these.

        The SDK reads whole numbers only, and with a traceback where there is none.
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
        errors = config_errors(self._config, self.config_jsonschema, self._env_var_prefix)
        if errors and raise_errors:
            raise ConfigValidationError("Wrong settings", errors=errors, schema=self.config_jsonschema)
        return errors

    # Errors that a user can do something about are one line each, wherever the SDK meets them.

    @classmethod
    @override
    def invoke(cls, **arguments: Any) -> None:
        # Records are many objects that live shortly and in no cycles: to look for these at the usual pace takes a tenth
        # of the run.
        gc.set_threshold(_OBJECTS_BETWEEN_COLLECTIONS)
        with cls._plain_errors():
            check_standard_streams()
            super().invoke(**arguments)

    @classmethod
    @override
    def cb_config(cls, ctx: click.Context, param: click.Option, value: tuple[str, ...]) -> Any:
        with cls._plain_errors():
            return super().cb_config(ctx, param, value)

    @classmethod
    @override
    def cb_discover(cls, ctx: click.Context, param: click.Option, value: bool) -> None:
        with cls._plain_errors():
            super().cb_discover(ctx, param, value)

    @classmethod
    @override
    def cb_test(cls, ctx: click.Context, param: click.Option, value: str) -> None:
        with cls._plain_errors():
            if value != CliTestOptionValue.All.value:
                super().cb_test(ctx, param, value)
                return
            # The SDK would read a record of each stream, all pages of its lists before, and stop at the first refusal.
            config = ctx.params.get("config", _ConfigInput())
            tap = cls(config=config.config, parse_env_config=config.parse_env, validate_config=True)
            for line in access.report(tap):
                click.echo(line)
            ctx.exit()

    @classmethod
    @contextmanager
    def _plain_errors(cls) -> Iterator[None]:
        try:
            yield
        except ConfigValidationError as error:
            lines = list(error.errors)
        except (BrazeError, OutputError) as error:
            lines = [str(error)]
        except FileNotFoundError as error:
            lines = [f"option --config: {error}"]
        except simplejson.JSONDecodeError as error:
            lines = [f"options --config, --state, --catalog: one of the files is not JSON ({error})"]
        else:
            return
        for line in lines:
            cls.logger.error(one_line(line))
        raise SystemExit(1)

    @override
    def _setup_signal_handlers(self) -> None:
        """Have SIGHUP stop the run like SIGTERM, unless `nohup` has it ignored."""
        super()._setup_signal_handlers()
        in_main_thread = threading.current_thread() is threading.main_thread()
        if in_main_thread and hasattr(signal, "SIGHUP") and signal.getsignal(signal.SIGHUP) != signal.SIG_IGN:
            signal.signal(signal.SIGHUP, self._handle_termination)

    @override
    def _handle_termination(self, signum: int, frame: FrameType | None) -> None:
        """Stop at once: STATE is valid between any two messages."""
        if self._terminated:
            return
        self._terminated = True
        self.run.stop()
        self.message_writer.between_lines(lambda: self._terminate(signum))

    def _terminate(self, signum: int) -> None:
        self.state_writer.write_state(self.state)
        self.message_writer.flush()
        self.logger.warning("Stopped by signal %d; the next run goes on from the last STATE", signum)
        raise SystemExit(128 + signum)
