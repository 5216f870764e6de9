"""Streams whose requests follow from the details of campaigns or Canvases: for each message, or for each draft."""

from __future__ import annotations

from contextlib import closing
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, ClassVar

from typing_extensions import override

from tap_braze.braze.client import BrazeError, RefusedError
from tap_braze.fetching.fetch import Request, fetch_in_order
from tap_braze.settings.opt_in import INCLUDE_COSTLY_STREAMS
from tap_braze.streams.base.details import TRANSLATABLE, details_row
from tap_braze.streams.base.lists import ListStream
from tap_braze.untrusted import MalformedError, expected_shape

if TYPE_CHECKING:
    from collections.abc import Iterator
    from datetime import datetime

    from singer_sdk.helpers.types import Record

    from tap_braze.fetching.fetch import Document
    from tap_braze.streams.base.details import DetailsStream
    from tap_braze.streams.base.stream import BrazeStream


class _FromDetailsStream(ListStream):
    """Requests that follow from the details of all campaigns or Canvases, which are read on the way."""

    details: ClassVar[type[DetailsStream]]
    selected_by_default = False
    opt_in = INCLUDE_COSTLY_STREAMS

    @classmethod
    @override
    def listed_by(cls) -> tuple[type[BrazeStream], ...]:
        return (cls.details.parent, cls.details)

    @override
    def plan(self, since: datetime | None) -> Iterator[Request]:
        run, details = self.run, self.run.stream(self.details)
        key = details.parent_key
        requests = (details.request(tags={key: owner}) for owner in run.stream(details.parent).ids(self.name))
        with closing(fetch_in_order(requests, run.client, run.settings.concurrency)) as answers:
            for request, answer in answers:
                named = f"{key} {request.tags[key]!r}"
                if isinstance(answer, RefusedError):
                    self.lacks_rows = True
                    run.refusals.record_refusal(self.name, named, answer)
                    continue
                if isinstance(answer, BrazeError):
                    details.fail(answer, about=f" (read for '{self.name}')")
                try:
                    with expected_shape(f"GET {request.path}"):
                        asked = [self.request(tags={**request.tags, **names}) for names in self.wanted(answer)]
                except MalformedError as error:
                    self.set_aside(named, error)
                    continue
                yield from asked

    def wanted(self, document: dict[str, Any]) -> Iterator[dict[str, str]]:
        """Return the fields, besides the key of the object, that identify each request that its details call for."""
        raise NotImplementedError


class MessageStream(_FromDetailsStream):
    """One request for each message variation in the details of all campaigns or Canvases."""

    channels: ClassVar[frozenset[str]] = frozenset()  # empty: all

    @override
    def wanted(self, document: dict[str, Any]) -> Iterator[dict[str, str]]:
        for names, message in self.messages(document):
            if not self.channels or message.get("channel") in self.channels:
                yield names

    def messages(self, document: dict[str, Any]) -> Iterator[tuple[dict[str, str], dict[str, Any]]]:
        """Return the variations in the details, each with its identifying fields. A control group has no message."""
        raise NotImplementedError


class DraftStream(_FromDetailsStream):
    """The details of each launched campaign or Canvas that has changes which are not live yet, as they will be."""

    payload = "created_at"
    params = MappingProxyType({**TRANSLATABLE, "post_launch_draft_version": "true"})

    @override
    def wanted(self, document: dict[str, Any]) -> Iterator[dict[str, str]]:
        if document.get("has_post_launch_draft"):
            yield {}

    @override
    def rows(self, request: Request, document: Document) -> list[Record]:
        return [details_row(request, document)]
