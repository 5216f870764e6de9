"""Streams that send a request for each message variation of campaigns or Canvases."""

from __future__ import annotations

from contextlib import closing
from typing import TYPE_CHECKING, Any, ClassVar

from typing_extensions import override

from tap_braze.braze.client import BrazeError, RefusedError
from tap_braze.fetching.fetch import Request, fetch_in_order
from tap_braze.settings.opt_in import INCLUDE_COSTLY_STREAMS
from tap_braze.streams.base.lists import ListStream
from tap_braze.untrusted import MalformedError, expected_shape

if TYPE_CHECKING:
    from collections.abc import Iterator
    from datetime import datetime

    from tap_braze.streams.base.details import DetailsStream
    from tap_braze.streams.base.stream import BrazeStream


class MessageStream(ListStream):
    """One request for each message variation in the details of all campaigns or Canvases."""

    details: ClassVar[type[DetailsStream]]
    channels: ClassVar[frozenset[str]] = frozenset()  # empty: all
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
                    run.report.record_refusal(self.name, named, answer)
                    continue
                if isinstance(answer, BrazeError):
                    details.fail(answer, about=f" (read for '{self.name}')")
                try:
                    with expected_shape(f"GET {request.path}"):
                        asked = [
                            self.request(tags={**request.tags, **names})
                            for names, message in self.messages(answer)
                            if not self.channels or message.get("channel") in self.channels
                        ]
                except MalformedError as error:
                    self.set_aside(named, error)
                    continue
                yield from asked

    def messages(self, document: dict[str, Any]) -> Iterator[tuple[dict[str, str], dict[str, Any]]]:
        """Return the variations in the details, each with its identifying fields. A control group has no message."""
        raise NotImplementedError
