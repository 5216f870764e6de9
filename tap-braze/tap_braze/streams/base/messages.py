"""What is read for each message variation of campaigns and Canvases; the streams of that stand beside."""

from __future__ import annotations

from contextlib import closing
from typing import TYPE_CHECKING, Any, ClassVar

from typing_extensions import override

from tap_braze.braze.client import BrazeError, RefusedError
from tap_braze.fetching.fetch import Request, fetch_in_order
from tap_braze.streams.base.paged import PagedStream
from tap_braze.untrusted import MalformedError, expected_shape

if TYPE_CHECKING:
    from collections.abc import Iterator
    from datetime import datetime

    from tap_braze.streams.base.details import DetailsOfList


class OfMessages(PagedStream):
    """A request for each message variation; which there are, the details of all campaigns or Canvases tell."""

    details: ClassVar[type[DetailsOfList]]
    channels: ClassVar[frozenset[str]] = frozenset()  # empty: all
    selected_by_default = False

    @override
    def plan(self, since: datetime | None) -> Iterator[Request]:
        run, details = self.run, self.run.stream(self.details)
        key = details.parent_key
        asks = (
            Request(details.path, {key: owner}, details.pool, details.payload, tags={key: owner})
            for owner in run.stream(details.parent).ids(self.name)
        )
        with closing(fetch_in_order(asks, run.client, run.settings.concurrency)) as answers:
            for request, answer in answers:
                named = f"{key} {request.tags[key]!r}"
                if isinstance(answer, RefusedError):
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
        """The variations in the details, each with the fields that name it. A control group has no message."""
        raise NotImplementedError
