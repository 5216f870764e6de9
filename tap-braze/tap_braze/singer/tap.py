"""The tap: discovery, the end of a run, and errors as a user sees them."""

from __future__ import annotations

import copy
import json
import os
import sys
from contextlib import ExitStack, contextmanager
from functools import cached_property, partial
from io import StringIO
from logging import INFO
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any, ClassVar

import click
import simplejson  # type: ignore[import-untyped]
from singer_sdk import Tap
from singer_sdk.exceptions import ConfigValidationError
from singer_sdk.helpers.capabilities import CapabilitiesEnum, PluginCapabilities, TapCapabilities
from singer_sdk.singerlib import StateMessage
from singer_sdk.tap_base import CliTestOptionValue
from typing_extensions import override

from tap_braze.braze.client import BrazeError, StoppedError
from tap_braze.process import standard_streams, terminal
from tap_braze.process.repeated_warnings import counted
from tap_braze.process.signals import Stopped
from tap_braze.process.standard_streams import OutputError
from tap_braze.process.ticker import heartbeat, ticking
from tap_braze.reporting.history import Run
from tap_braze.reporting.rates import INTERVAL
from tap_braze.reporting.run_report import RunReport
from tap_braze.sdk import SDK_SETTINGS, ConfigInput, SdkTap, get_selected_schema
from tap_braze.settings.given import unread
from tap_braze.settings.schema import CONFIG_SCHEMA
from tap_braze.settings.validation import checked
from tap_braze.singer import access, catalogs, state_file
from tap_braze.singer.signals import StopSignal
from tap_braze.singer.writer import Writer
from tap_braze.streams import STREAMS, currents
from tap_braze.streams.base.context import RunContext
from tap_braze.untrusted import one_line

if TYPE_CHECKING:
    from collections.abc import Iterator
    from contextlib import AbstractContextManager

    from singer_sdk.singerlib import Catalog

    from tap_braze.streams.base.stream import BrazeStream


class TapBraze(SdkTap):
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

    @property
    @override
    def streams(self) -> dict[str, BrazeStream]:  # type: ignore[override]
        """Return all streams, with those limited to 1,000 requests an hour last, so that they delay no other."""
        if self._ordered is None:
            streams: list[BrazeStream] = list(super().streams.values())  # type: ignore[arg-type]
            self._ordered = {stream.name: stream for stream in sorted(streams, key=lambda each: each.is_slow)}
        return self._ordered

    @cached_property
    def stop_signal(self) -> StopSignal:
        """Return the holder of the signal that ends the run."""
        return StopSignal()

    @cached_property
    def run(self) -> RunContext:
        """Return the context that the streams of this run share."""
        return RunContext(self, self.stop_signal.check)

    @override
    def discover_streams(self) -> list[BrazeStream]:
        streams = [stream(self.run) for stream in STREAMS]
        if "url" in self.config.get("currents", ()):
            self.validate()  # the settings name the bucket that discovery lists
            with heartbeat(self.logger, "listing the files of Currents"):
                streams += currents.streams(self.run)
        return streams

    @property
    @override
    def input_catalog(self) -> Catalog | None:
        catalog = super().input_catalog
        if catalog is not None:
            catalogs.select_contents(catalog)
        return catalog

    @override
    def setup_mapper(self) -> None:
        """Keep the columns of deselected streams: the SDK lacks their key if a stream map's glob includes them."""
        super(Tap, self).setup_mapper()
        for entry in self.catalog.streams:
            mask, schema = entry.metadata.resolve_selection(), entry.schema.to_dict()
            selected = get_selected_schema(entry.tap_stream_id, schema, mask) if mask.get((), True) else schema
            self.mapper.register_raw_stream_schema(entry.tap_stream_id, selected, entry.key_properties)

    @override
    def checked(self, config: dict[str, Any], env_prefix: str) -> tuple[dict[str, Any], list[str]]:
        found, errors = checked(config, self.config_jsonschema, env_prefix, SDK_SETTINGS)
        errors = [*unread(os.environ, env_prefix, config, self.config_jsonschema), *errors]
        return found, errors or [*_unknown_streams(found)]

    @override
    @contextmanager
    def syncing(self) -> Iterator[None]:
        """End the run between two messages, with a last STATE, when a signal arrives.

        Raises:
            ConfigValidationError: The settings do not fit the state.
            Stopped: A signal ended the run.
        """
        self._skip_without_opt_in()
        self._warn_of_event_types()
        self._check_state()
        self.message_writer.check_stop = self.stop_signal.check
        # Requests in flight only read, so cutting them off loses nothing.
        with ExitStack() as at_end:
            at_end.enter_context(self.stop_signal.handled(partial(self.run.client.stop, grace=0.0)))
            for stream in self.streams.values():
                at_end.callback(stream.close)
            self.run.progress.selected = sum(stream.selected for stream in self.streams.values())
            if path := self.config.get("report_path"):
                at_end.enter_context(self._reporting(Path(path)))
            at_end.callback(lambda: self.run.progress.log_table(self.run.refusals.counts))
            at_end.enter_context(counted(self.logger))
            at_end.enter_context(self._showing_progress())
            try:
                yield
            except (Stopped, StoppedError):
                if (reason := self.stop_signal.reason) is None:
                    raise
                self.message_writer.write_last(StateMessage(self.state))
                self.logger.warning("%s: stopped; the next run continues from the last STATE", reason.signal_name)
                raise reason from None

    def _showing_progress(self) -> AbstractContextManager[None]:
        progress = self.run.progress
        is_live = terminal.is_free() and self.logger.isEnabledFor(INFO)
        return terminal.live(progress.look) if is_live else ticking(progress.log)

    @contextmanager
    def _reporting(self, path: Path) -> Iterator[None]:
        """Write the report of the run, however it ends."""
        run, report = Run(self.name), RunReport(path, self.run.progress)
        try:
            with ticking(report.sample, INTERVAL):
                yield
            run.end("completed")
        except Stopped as error:
            run.end("stopped", error.signal_name)
            raise
        except BaseException as error:
            is_known = isinstance(error, (BrazeError, ConfigValidationError, OutputError))
            run.end("failed", one_line(str(error)) if is_known else type(error).__name__)
            raise
        finally:
            report.write(run, self.run.refusals, self.run.waits, self.run.client.retries, self.logger)

    def _skip_without_opt_in(self) -> None:
        """Deselect streams whose opt-in setting is off: Meltano selects `*.*` by default."""
        skipped: dict[str, list[str]] = {}
        for stream in self.streams.values():
            if stream.selected and stream.opt_in and not self.config[stream.opt_in]:
                stream.selected = False
                skipped.setdefault(stream.opt_in, []).append(stream.name)
        for setting, names in skipped.items():
            self.logger.warning("skipped, because setting '%s' is not true: %s", setting, ", ".join(names))

    def _warn_of_event_types(self) -> None:
        """Name the event types that a cached catalog lacks: Meltano keeps one until a setting changes."""
        if (catalog := self.input_catalog) is None:
            return
        if found := sorted(catalogs.unread_event_types(self.streams.values(), catalog)):
            self.logger.warning(
                "not read, because the catalog was made before these event types had files: %s. Discover it again "
                "(--discover; with Meltano, run once with --refresh-catalog)",
                ", ".join(found),
            )

    def _check_state(self) -> None:
        errors = [error for stream in self.streams.values() if stream.selected for error in stream.state_errors()]
        if errors:
            raise ConfigValidationError("Wrong state", errors=errors, schema={})

    # Errors that a user can fix take one line each, wherever the SDK raises them.

    @classmethod
    @override
    def get_singer_command(cls) -> click.Command:
        command = super().get_singer_command()
        (state,) = (option for option in command.params if option.name == "state")
        state.type = state_file.StateFile(encoding="utf-8")
        return command

    @classmethod
    @override
    def invoke(cls, *, state: IO[str] | None = None, **arguments: Any) -> None:
        try:
            with cls._plain_errors():
                standard_streams.check()
                if state is not None:
                    state = StringIO(json.dumps(state_file.read(state.read())))
                super().invoke(state=state, **arguments)
        finally:
            standard_streams.discard_if_unwritable(sys.stderr)

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
            # The SDK would read a record of each stream, after all pages of its lists, and stop at the first refusal.
            config = ctx.params.get("config", ConfigInput())
            tap = cls(config=config.config, parse_env_config=config.parse_env, validate_config=True)
            with heartbeat(cls.logger, "testing what the key may read"):
                for line in access.report(tap.run):
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


def _unknown_streams(config: dict[str, Any]) -> Iterator[str]:
    """Yield an error for each name in the setting `history` that is no stream with history."""
    valid = [stream.name for stream in STREAMS if stream.unversioned is not None]
    for name in config["history"] if isinstance(config["history"], list) else ():
        if name not in valid:
            yield f"setting 'history': {name!r} is no stream that keeps history; these do: {', '.join(valid)}"
