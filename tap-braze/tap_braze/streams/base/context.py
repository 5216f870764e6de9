"""What the streams of one run share, passed to each of them on creation."""

from __future__ import annotations

import time
from functools import cached_property
from typing import TYPE_CHECKING, TypeVar, cast

from tap_braze.braze.client import Client
from tap_braze.braze.rate_limits import Waiting
from tap_braze.braze.windows.broker import windows_of
from tap_braze.currents.files import Files
from tap_braze.reporting.progress import Progress
from tap_braze.reporting.refusals import Refusals
from tap_braze.settings.schema import Settings
from tap_braze.storage import Storage

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from singer_sdk import Stream, Tap

    from tap_braze.sdk import MessageWriter

S = TypeVar("S", bound="Stream")


class RunContext:
    """The settings, the API client, the reports and the other streams of a run."""

    def __init__(self, tap: Tap, check_stop: Callable[[], None]) -> None:
        """Create the context; `tap` is for the SDK's constructors and mapper, and its settings may be checked later.

        `check_stop` raises the exception that ends the run; every wait calls it through the progress.
        """
        self.tap = tap
        # In seconds: loaders store versions in 32-bit columns.
        self.version = int(time.time())
        self.export_waits = Waiting()
        self.progress = Progress(tap.logger, check_stop, self._waited, self._waits_for)
        self.refusals = Refusals(tap.logger)

    @cached_property
    def settings(self) -> Settings:
        """Return the settings, checked and typed."""
        return Settings.of(self.tap.config)

    @cached_property
    def client(self) -> Client:
        """Return the API client that all streams share."""
        config = self.tap.config
        return Client(
            endpoint=config["endpoint"],
            api_key=config["api_key"],
            connections=config["concurrency"],
            reserve=float(config["rate_limit_reserve"]),
            timeout=float(config["request_timeout"]),
            windows=windows_of(config),
        )

    @cached_property
    def files(self) -> Files:
        """Return the files of Currents.

        Raises:
            StorageError: The setting names no storage, or storage whose driver is not installed.
        """
        settings = self.settings.currents
        storage = Storage("currents.url", settings.url or "", settings.storage_options)
        return Files(
            storage,
            settings.wants,
            self.settings.concurrency,
            warn=self.tap.logger.warning,
            tick=self.progress.tick,
        )

    @property
    def writer(self) -> MessageWriter:
        """Return the writer for standard output."""
        return cast("MessageWriter", self.tap.message_writer)

    def stream(self, kind: type[S]) -> S:
        """Return the one stream of this class."""
        return next(self.streams(kind))

    def streams(self, kind: type[S]) -> Iterator[S]:
        """Return the streams of this class, in the order of the run."""
        return (stream for stream in self.tap.streams.values() if isinstance(stream, kind))

    def _waited(self) -> float:
        """Return the seconds of waiting for rate limits, retries and exports."""
        return sum(self.waits.values())

    @property
    def waits(self) -> dict[str, float]:
        """Return the seconds of waiting so far, by cause."""
        client = self.__dict__.get("client")  # no stream may need it
        return {
            "rate_limits": client.limit_waits.seconds if client else 0.0,
            "retries": client.retry_waits.seconds if client else 0.0,
            "exports": self.export_waits.seconds,
        }

    def _waits_for(self) -> str:
        """Return what the run is waiting for at the moment; empty for nothing."""
        client = self.__dict__.get("client")
        if client is None:
            return ""
        if client.limit_waits.is_ongoing:
            seconds = max(0.0, client.limit_waits.until - time.monotonic())
            return f"rate limit '{client.limit_waits.name}', {seconds:.0f} s until its reset"
        if client.retry_waits.is_ongoing:
            return "the next attempt of a failed request"
        return "exports that Braze prepares" if self.export_waits.is_ongoing else ""
