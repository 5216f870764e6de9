"""What the key may read, stream by stream: the report of `--test`."""

from __future__ import annotations

import re
from contextlib import suppress
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from tap_braze.braze.client import BrazeError, ForbiddenError, RefusedError, UnauthorizedError
from tap_braze.fetching.fetch import Request, get
from tap_braze.storage import StorageError
from tap_braze.streams import STREAMS
from tap_braze.streams.base.details import DetailsOfList
from tap_braze.streams.base.messages import OfMessages
from tap_braze.streams.base.paged import PagedStream
from tap_braze.streams.base.series import SeriesStream
from tap_braze.streams.base.stream import ListStream
from tap_braze.streams.users.exports import ExportedStream

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tap_braze.singer.tap import TapBraze
    from tap_braze.streams.base.stream import BrazeStream


@dataclass(frozen=True)
class Finding:
    """Whether a stream can be read, None if that cannot be tried; in words too."""

    stream: str
    readable: bool | None
    text: str


def report(tap: TapBraze) -> Iterator[str]:
    """A line for each stream, as soon as it is known, and one about all.

    Raises:
        BrazeError: the key or the host is wrong, or the key may read nothing.
    """
    width = max(len(stream.name) for stream in STREAMS)
    readable = untried = 0
    if tap.run.settings.currents.url is not None:
        yield f"{'currents_…':{width}}  {_currents(tap)}"
    for finding in _findings(tap):
        readable += finding.readable is True
        untried += finding.readable is None
        yield f"{finding.stream:{width}}  {finding.text}"
    if not readable:
        raise ForbiddenError(
            "this key may read nothing: make one with the permissions above, and with this machine on its IP allowlist "
            "if it has one"
        )
    tried = len(STREAMS) - untried
    yield f"{readable} of {tried} streams can be read" + (f", {untried} were not tested" if untried else "")


def _currents(tap: TapBraze) -> str:
    """Whether Currents' files can be listed, and of which event types they are."""
    try:
        event_types = tap.run.files.event_types
    except StorageError as error:
        return f"not readable: {error}"
    return f"can be listed; {len(event_types)} event types: {', '.join(event_types)}"


def _findings(tap: TapBraze) -> Iterator[Finding]:
    """One request for each stream, of the first object that a list names; lists stand before what is read of them."""
    for stream in tap.streams.values():
        if isinstance(stream, (ListStream, PagedStream)):
            stream.know([])  # until it was tried
    found: dict[str, Finding] = {}
    by_request: dict[tuple[str, str], Finding] = {}  # long forms are made of the answers to another stream
    for kind in STREAMS:
        stream = tap.streams[kind.name]
        where = (stream.path, stream.permission)
        if where not in by_request:
            try:
                by_request[where] = _try(stream)
            except BrazeError as error:
                if not found and not isinstance(error, (ForbiddenError, RefusedError)):
                    raise
                by_request[where] = Finding(stream.name, readable=False, text=_words(stream, _discreet(stream, error)))
        finding = replace(by_request[where], stream=stream.name)
        closed = [name for name in _lists_of(kind) if found[name].readable is False]
        if closed and finding.readable:
            finding = Finding(stream.name, readable=False, text=f"permitted, but not without '{closed[0]}'")
        found[stream.name] = finding
        yield finding


def _lists_of(kind: type[BrazeStream]) -> Iterator[str]:
    """The streams that tell what there is to ask for."""
    if issubclass(kind, OfMessages):
        yield kind.details.parent.name
        yield kind.details.name
    elif issubclass(kind, (SeriesStream, DetailsOfList, PagedStream)) and kind.parent is not None:
        yield kind.parent.name


def _try(stream: BrazeStream) -> Finding:
    if isinstance(stream, ExportedStream):
        text = f"not tested, for that would start an export; needs the permission '{stream.permission}'"
        return Finding(stream.name, readable=None, text=text)
    request = None
    with suppress(ForbiddenError, RefusedError):  # of the details that are read on the way
        request = _first_request(stream)
    if request is None:
        return _try_without(stream)
    try:
        document = get(stream.run.client, request)
    except RefusedError as error:
        if not request.tags:
            raise
        text = f"readable, though what was tried was refused: {_discreet(stream, error)}"
        return Finding(stream.name, readable=True, text=text)
    rows = document[request.payload]
    if isinstance(stream, (ListStream, PagedStream)) and isinstance(rows, list):
        key = type(stream).primary_keys[0]
        stream.know([row if isinstance(row, dict) else {key: row} for row in rows[:1]])
    return Finding(stream.name, readable=True, text="readable")


def _first_request(stream: BrazeStream) -> Request | None:
    """A request that the stream would send too, as far as a list that was tried before named something to ask for."""
    if isinstance(stream, SeriesStream):
        today = stream.run.settings.last_day
        window = next(iter(stream.windows(today, today)))
        return next((stream.request(tags, window) for tags in stream.targets()), None)
    if isinstance(stream, DetailsOfList):
        tags = ({stream.parent_key: key} for key in stream.run.stream(stream.parent).ids(stream.name))
        return next((Request(stream.path, each, stream.pool, stream.payload, tags=each) for each in tags), None)
    if isinstance(stream, PagedStream):
        return next(stream.plan(None), None)
    return Request(stream.path, {"page": "0"}, stream.pool, stream.payload)


def _try_without(stream: BrazeStream) -> Finding:
    """Ask for nothing in particular: Braze looks at the permission before the parameters.

    https://www.braze.com/docs/api/basics/#rest-api-key
    """
    with suppress(RefusedError):
        body = b"{}" if stream.method == "POST" else None
        stream.run.client.request(stream.method, re.sub("{.*?}", "-", stream.path), pool=stream.pool, body=body)
    return Finding(stream.name, readable=True, text="readable, though nothing was there to try it on")


def _discreet(stream: BrazeStream, error: BrazeError) -> BrazeError:
    return stream.discreet(error) if isinstance(stream, PagedStream) else error


def _words(stream: BrazeStream, error: BrazeError) -> str:
    if isinstance(error, (ForbiddenError, UnauthorizedError)):
        return f"lacks permission '{stream.permission}' (HTTP {error.status}: {'; '.join(error.errors)[:200]})"
    return f"not readable: {error}"
