"""Start exports of profiles, wait for them, and read them by URL or from cloud storage.

https://www.braze.com/docs/api/endpoints/export/user_data/post_users_segment/
"""

from __future__ import annotations

import logging
import math
import threading
import time
from contextlib import closing, suppress
from dataclasses import dataclass, field
from datetime import datetime, timezone
from queue import Empty, Full, Queue, SimpleQueue
from typing import TYPE_CHECKING, Any, Final

import msgspec
import requests
import urllib3

from tap_braze.braze.client import BrazeError, StoppedError, UnavailableError
from tap_braze.braze.connection import Adapter, Deadlines
from tap_braze.exports import decoder
from tap_braze.exports.decoder import BrokenExportFileError
from tap_braze.fetching.windows import DAY
from tap_braze.untrusted import decode_json, short

if TYPE_CHECKING:
    from collections.abc import Callable, Generator, Iterable, Iterator, Mapping

    from tap_braze.braze.client import Client
    from tap_braze.braze.connection import Exchange
    from tap_braze.braze.rate_limits import Waiting
    from tap_braze.exports.decoder import Profile
    from tap_braze.storage import Storage

_log = logging.getLogger("tap-braze")

# Exports that a company may run at the same time.
RUNNING: Final = 100
# An export takes minutes to hours. Braze does not report progress, so poll less and less often.
_FIRST_WAIT: Final = 1.0
_LONGEST_WAIT: Final = 60.0
_GROWTH: Final = 1.5
_CHUNK: Final = 262_144
# Minimum bytes to receive within `timeout` seconds of waiting. Anything less counts as no progress.
_PROGRESS: Final = 65_536
_TICK: Final = 1.0
# Batches that threads have read and the consumer has not yet taken.
_AHEAD: Final = 16
_STARTS: Final = 2
_BREAKS: Final = 5

_FOLDER: Final = "segment-export"
_SUFFIXES: Final = (".zip", ".gz")
_SCHEMES: Final = ("https://", "http://")


class ExportError(BrazeError):
    """Raised when an export fails; the message names the place, but not the URL."""


class NoStorageError(ExportError):
    """Raised when Braze exports to cloud storage but no setting names it."""


class _ExpiredError(Exception):
    """Raised when a URL that worked before has expired."""


@dataclass(frozen=True)
class ExportRequest:
    """An export to start: the fields that identify it (none: the control group), and the request to send."""

    tags: Mapping[str, str]
    path: str
    pool: str
    body: Mapping[str, Any]


@dataclass(frozen=True)
class Export:
    """An export that Braze has started. Its URL grants access like a key, so no message shows it."""

    request: ExportRequest
    started: datetime
    prefix: str
    url: str | None = field(repr=False)

    @property
    def exported_at(self) -> str:
        """Return when the export started; its profiles are at least this recent."""
        return self.started.strftime("%Y-%m-%dT%H:%M:%SZ")


@dataclass(frozen=True)
class Batch:
    """A batch of profiles of an export."""

    export: Export
    profiles: list[Profile]


class Exports:
    """Runs several exports at a time. Use each instance once.

    `patience` is how many seconds to wait for an export. An export in cloud storage counts as complete after `quiet`
    seconds without a new file; Braze gives no other sign. `storage` is the storage location, if known. `waits` measures
    how long exports were waited for.
    """

    def __init__(
        self, client: Client, *, storage: Storage | None, patience: float, quiet: float, timeout: float, waits: Waiting
    ) -> None:
        self._waits = waits
        self._client = client
        self._storage = storage
        self._patience, self._quiet = patience, quiet
        self._stop = threading.Event()
        self._timeout = timeout
        self._deadlines = Deadlines(timeout)

    def read(
        self, export_requests: Iterable[ExportRequest], concurrency: int, tick: Callable[[], None] = lambda: None
    ) -> Generator[tuple[ExportRequest, Batch | BrazeError | None], None, None]:
        """Yield batches of each export as they arrive, then None, or the error that ended it.

        Closing the iterator stops all exports. Their threads are daemons, so none delays the end of the program.
        """
        todo: SimpleQueue[ExportRequest] = SimpleQueue()
        found: Queue[tuple[ExportRequest, Batch | BaseException | None]] = Queue(_AHEAD)
        left = 0
        for request in export_requests:
            todo.put(request)
            left += 1
        try:
            for number in range(min(left, concurrency, RUNNING)):
                threading.Thread(target=self._work, args=(todo, found), daemon=True, name=f"export-{number}").start()
            while left:
                try:
                    request, what = found.get(timeout=_TICK)
                except Empty:
                    tick()
                    continue
                if isinstance(what, BaseException) and not isinstance(what, BrazeError):
                    raise what
                left -= not isinstance(what, Batch)
                yield request, what
        finally:
            self._stop.set()

    def _work(
        self, todo: SimpleQueue[ExportRequest], found: Queue[tuple[ExportRequest, Batch | BaseException | None]]
    ) -> None:
        def hand_over(request: ExportRequest, what: Batch | BaseException | None) -> None:
            while not self._stop.is_set():
                with suppress(Full):
                    found.put((request, what), timeout=_TICK)
                    return
            raise StoppedError("stopped while reading an export")

        with suppress(Empty, StoppedError):
            while True:
                request = todo.get_nowait()
                end: BaseException | None = None
                try:
                    for batch in self._batches(request):
                        hand_over(request, batch)
                except StoppedError:
                    raise
                except BaseException as error:  # noqa: BLE001 - passed on to the consumer
                    end = error
                hand_over(request, end)

    def _batches(self, request: ExportRequest) -> Iterator[Batch]:
        for starts_left in reversed(range(_STARTS)):
            export = self._start(request)
            try:
                for profiles in self._download(export.url) if export.url else self._collect(export):
                    yield Batch(export, profiles)
            except _ExpiredError:
                if starts_left:
                    _log.warning("%s: its URL has expired; starting the export again", named(request))
            else:
                return
        raise ExportError(f"the URL of the export expired {_STARTS} times before all was read")

    def _start(self, request: ExportRequest) -> Export:
        """Start an export as soon as no other export of the same users is running."""
        for attempt in self._attempts():
            started = datetime.now(timezone.utc)
            try:
                answer = self._client.request(
                    "POST", request.path, pool=request.pool, body=msgspec.json.encode(request.body), wait_out=False
                )
            except UnavailableError as error:
                if error.status != requests.codes.too_many_requests:
                    raise
                # It may be another client's export, or one of ours whose response was lost. Braze does not report when
                # it ends.
                if not attempt:
                    _log.warning("%s: waiting until an export can start (%s)", named(request), error)
                continue
            if (export := _begun(request, started, answer.body)) is not None:
                _log.info("%s: export started", named(request))
                return export
            raise ExportError(
                f"POST {request.path}: HTTP {answer.status}, but neither 'url' nor 'object_prefix' in the answer"
            )
        raise ExportError(
            f"POST {request.path}: HTTP 429 for {self._patience:.0f} s: another export of the same users, or too many "
            "others, are still running (setting 'users.export_timeout')"
        )

    def _attempts(self) -> Iterator[int]:
        """Count attempts from 0, waiting longer each time, until `patience` runs out."""
        until, wait, attempt = time.monotonic() + self._patience, _FIRST_WAIT, 0
        while True:
            yield attempt
            left = until - time.monotonic()
            if left <= 0:
                return
            self._sleep(min(wait, left))
            wait, attempt = min(wait * _GROWTH, _LONGEST_WAIT), attempt + 1

    def _sleep(self, seconds: float) -> None:
        with self._waits:
            stopped = self._stop.wait(seconds)
        if stopped:
            raise StoppedError("stopped while waiting for an export")

    # By URL: one zip file, available for some hours.

    def _download(self, url: str) -> Iterator[list[Profile]]:
        yield from decoder.profiles(self._bytes(url), "the download")

    def _bytes(self, url: str) -> Iterator[bytes]:
        """Yield the bytes of the file, resuming after an interruption."""
        at = breaks = 0
        while breaks < _BREAKS:
            before = at
            with self._deadlines.limit() as exchange, closing(self._open(url, at, exchange)) as response:
                # A server without Range support restarts at byte 0.
                skip = at if response.status_code != requests.codes.partial_content else 0
                try:
                    for chunk in self._chunks(response, exchange):
                        if wanted := chunk[skip:]:
                            at += len(wanted)
                            yield wanted
                        skip = max(0, skip - len(chunk))
                except (urllib3.exceptions.HTTPError, OSError) as fault:
                    what = "too slow" if exchange.overdue else type(fault).__name__
                    _log.warning("a download broke off after %s bytes (%s); continuing", f"{at:,}", what)
                    breaks = 1 if at > before else breaks + 1
                else:
                    return
            self._sleep(_FIRST_WAIT)
        raise ExportError(f"the download broke off {_BREAKS} times after {at:,} bytes")

    def _chunks(self, response: requests.Response, exchange: Exchange) -> Iterator[bytes]:
        """Yield data as soon as it arrives, so that an interruption loses none of it.

        Raises:
            HTTPError, OSError: The connection broke, or was cut because it was too slow.
        """
        left, got = self._timeout, 0
        while True:
            began = time.monotonic()
            exchange.deadline = began + left
            chunk = response.raw.read1(_CHUNK)
            exchange.deadline = math.inf  # no timeout applies while the consumer uses the chunk
            if exchange.overdue:
                raise urllib3.exceptions.TimeoutError
            if not chunk:
                return
            left, got = left - (time.monotonic() - began), got + len(chunk)
            if got >= _PROGRESS:
                left, got = self._timeout, 0
            yield chunk

    def _open(self, url: str, at: int, exchange: Exchange) -> requests.Response:
        """Return the response of the URL from a byte offset on, once it is available.

        The URL returns 403 or 404 both before the file exists and after it is gone.
        """
        headers = {"Accept-Encoding": "identity", **({"Range": f"bytes={at}-"} if at else {})}
        last = ""
        for _ in self._attempts():
            exchange.deadline, exchange.overdue = time.monotonic() + self._timeout, False
            try:
                with requests.Session() as session:
                    for scheme in ("https://", "http://"):
                        session.mount(scheme, Adapter(self._deadlines, 1))
                    # The URL is not Braze's: send neither the API key nor a password for its host from .netrc.
                    response = session.get(
                        url,
                        headers=headers,
                        stream=True,
                        timeout=(min(10.0, self._timeout), self._timeout),
                        auth=lambda request: request,
                    )
            except requests.RequestException as fault:
                last = "timed out" if exchange.overdue else type(fault).__name__  # the error's text contains the URL
                continue
            if response.ok:
                return response
            expired = at > 0
            with closing(response), suppress(urllib3.exceptions.HTTPError, OSError):
                expired |= b"xpired" in response.raw.read(1_000)
            if expired and response.status_code < 500:  # noqa: PLR2004
                raise _ExpiredError
            last = f"HTTP {response.status_code}"
        raise ExportError(
            f"the export was not ready after {self._patience:.0f} s (its URL: {last}). If it takes longer, raise the "
            "setting 'users.export_timeout'; Braze does not report whether it failed"
        )

    # In cloud storage: many files, which appear one by one.

    def _collect(self, export: Export) -> Iterator[list[Profile]]:
        if self._storage is None:
            raise NoStorageError(
                "Braze writes exports to the cloud storage that is connected to the workspace: set 'users.url' to the "
                "bucket or folder, and 'users.storage_options' to its credentials"
            )
        broken: list[BrokenExportFileError] = []
        for path in self._files(export, self._storage):
            try:
                yield from decoder.profiles(self._storage.read(path), short(path))
            except BrokenExportFileError as error:  # noqa: PERF203 - the other files are intact
                broken.append(error)
        if len(broken) > 1:
            raise BrokenExportFileError(f"{broken[0]}; {len(broken):,} files in total are broken")
        if broken:
            raise broken[0]

    def _files(self, export: Export, storage: Storage) -> Iterator[str]:
        """Yield each file of an export once it stops growing, until no new file has appeared for a while."""
        known: dict[str, int] = {}
        read: dict[str, int] = {}
        until, wait = time.monotonic() + self._patience, _FIRST_WAIT
        while True:
            sizes = self._sizes(export, storage)
            ready = sorted(path for path, size in sizes.items() if known.get(path) == size != read.get(path))
            if sizes != known:
                known, until, wait = sizes, time.monotonic() + self._quiet, _FIRST_WAIT
            elif not ready and time.monotonic() >= until:
                break
            for path in ready:
                yield path
                read[path] = sizes[path]
            self._sleep(max(min(wait, until - time.monotonic()), 0.0))
            wait = min(wait * _GROWTH, _LONGEST_WAIT)
        if not known:
            raise ExportError(
                f"no file of the export appeared within {self._patience:.0f} s under {_FOLDER}/ in the setting "
                "'users.url'. Is it the storage that the workspace exports to? If an export takes longer, raise "
                "'users.export_timeout'"
            )

    def _sizes(self, export: Export, storage: Storage) -> dict[str, int]:
        """Return the files so far. The date in their path is the export's end date, in an undocumented time zone."""
        segment = export.request.tags.get("segment_id")
        # The control group has an ID too, but no endpoint returns it.
        folders = [segment] if segment else storage.folders(_FOLDER)
        found: dict[str, int] = {}
        day, last = export.started.date() - DAY, datetime.now(timezone.utc).date() + DAY
        while day <= last:
            for folder in folders:
                path = f"{_FOLDER}/{folder}/{day}/"
                found |= {
                    name: size
                    for name, size in storage.sizes(path).items()
                    if name.startswith(path + export.prefix) and name.endswith(_SUFFIXES)
                }
            day += DAY
        return found


def _begun(request: ExportRequest, started: datetime, body: bytes) -> Export | None:
    """Return the export in a response, identified by a URL or by a file prefix; None if the response has neither."""
    document: Any = None
    with suppress(ValueError):
        document = decode_json(body)
    if not isinstance(document, dict):
        return None
    url, prefix = document.get("url") or None, document.get("object_prefix") or ""
    if not isinstance(prefix, str) or not (url or prefix):
        return None
    if url is not None and not (isinstance(url, str) and url.startswith(_SCHEMES)):
        return None
    return Export(request, started, prefix, url)


def named(request: ExportRequest) -> str:
    """Return a description of the exported group for messages."""
    return ", ".join(f"{name} {value!r}" for name, value in request.tags.items()) or "the global control group"
