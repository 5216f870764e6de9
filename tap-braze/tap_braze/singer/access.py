"""What the key may read, stream by stream: the report of `--test`."""

from __future__ import annotations

from contextlib import suppress
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from tap_braze.braze.client import BrazeError, ForbiddenError, RefusedError, UnauthorizedError
from tap_braze.fetching.fetch import get, send
from tap_braze.storage import StorageError
from tap_braze.streams import STREAMS
from tap_braze.streams.base.stream import BrazeStream

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tap_braze.streams.base.context import RunContext


@dataclass(frozen=True)
class Finding:
    """Whether a stream is readable (None: not tested), and the text for the report."""

    stream: str
    readable: bool | None
    text: str


def report(run: RunContext) -> Iterator[str]:
    """Yield a line for each stream as soon as its result is known, and a line about all streams.

    Raises:
        BrazeError: The key or the host is wrong, or the key has no permission to read.
    """
    width = max(len(stream.name) for stream in STREAMS)
    readable = untested = 0
    if run.settings.currents.url is not None:
        yield f"{'currents_…':{width}}  {_currents(run)}"
    for finding in _findings(run):
        readable += finding.readable is True
        untested += finding.readable is None
        yield f"{finding.stream:{width}}  {finding.text}"
    if not readable:
        raise ForbiddenError(
            "this key cannot read anything: create one with the permissions above, and with this machine on its IP "
            "allowlist if it has one"
        )
    tested = len(STREAMS) - untested
    yield f"{readable} of {tested} streams can be read" + (f", {untested} were not tested" if untested else "")


def _currents(run: RunContext) -> str:
    """Return whether the Currents files can be listed, and their event types."""
    try:
        event_types = run.files.event_types
    except StorageError as error:
        return f"not readable: {error}"
    return f"can be listed; {len(event_types)} event types: {', '.join(event_types)}"


def _findings(run: RunContext) -> Iterator[Finding]:
    """Request the first row of each stream's list; `STREAMS` has lists before the streams that need them."""
    streams = {stream.name: stream for stream in run.streams(BrazeStream)}  # type: ignore[type-abstract]
    for stream in streams.values():
        stream.assume_rows([])  # until its own test
    found: dict[str, Finding] = {}
    by_request: dict[tuple[str, str], Finding] = {}  # long forms use the responses of another stream
    for kind in STREAMS:
        stream = streams[kind.name]
        where = (stream.path, stream.permission)
        if where not in by_request:
            try:
                by_request[where] = _test(stream)
            except BrazeError as error:
                if not found and not isinstance(error, (ForbiddenError, RefusedError)):
                    raise
                text = _reason(stream, stream.discreet(error))
                by_request[where] = Finding(stream.name, readable=False, text=text)
        finding = replace(by_request[where], stream=stream.name)
        closed = [listed.name for listed in kind.listed_by() if found[listed.name].readable is False]
        if closed and finding.readable:
            finding = Finding(stream.name, readable=False, text=f"permitted, but not without '{closed[0]}'")
        found[stream.name] = finding
        yield finding


def _test(stream: BrazeStream) -> Finding:
    if stream.untested:
        text = f"not tested: {stream.untested}; needs {stream.needs}"
        return Finding(stream.name, readable=None, text=text)
    request = None
    with suppress(ForbiddenError, RefusedError):  # from the details that are read on the way
        request = stream.probe()
    if request is None:
        return _test_permission(stream)
    try:
        document = get(stream.run.client, request)
    except RefusedError as error:
        if not request.tags:
            raise
        text = f"readable, though Braze refused the test request: {stream.discreet(error)}"
        return Finding(stream.name, readable=True, text=text)
    rows = document[request.payload]
    if isinstance(rows, list):
        stream.assume_rows(rows[:1])
    return Finding(stream.name, readable=True, text="readable")


def _test_permission(stream: BrazeStream) -> Finding:
    with suppress(RefusedError):
        send(stream.run.client, stream.bare_request())
    return Finding(stream.name, readable=True, text="readable, though there was nothing to test it with")


def _reason(stream: BrazeStream, error: BrazeError) -> str:
    if isinstance(error, (ForbiddenError, UnauthorizedError)):
        return f"lacks {stream.needs.removeprefix('the ')} (HTTP {error.status}: {'; '.join(error.errors)[:200]})"
    return f"not readable: {error}"
