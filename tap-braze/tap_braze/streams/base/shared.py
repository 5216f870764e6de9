"""Streams that use the same responses, which are requested once for all of them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from typing_extensions import override

from tap_braze.streams.base.stream import BrazeStream

if TYPE_CHECKING:
    from collections.abc import Iterator

    from singer_sdk.helpers.types import Context, Record

    from tap_braze.streams.base.context import RunContext


class SharedStream(BrazeStream):
    """The stream whose turn comes first writes the records of all streams that share its responses."""

    def __init__(self, run: RunContext) -> None:
        super().__init__(run)
        self.was_read = False

    @override
    def get_records(self, context: Context | None) -> Iterator[Any]:
        if self.was_read:
            return
        streams = self._sharing()
        for stream, record in self.read_for(streams):
            if stream is self or isinstance(record, list):
                yield record
            else:
                stream.emit(record)
        for stream in streams:
            stream.was_read = True

    def read_for(self, streams: list[Any]) -> Iterator[tuple[SharedStream, Record | list[bytes]]]:
        """Return the records of these streams, each with its stream; only those of this stream may be encoded."""
        raise NotImplementedError

    def shares_with(self, stream: SharedStream) -> bool:
        """Return whether both streams use the same responses."""
        raise NotImplementedError

    @property
    def is_whole(self) -> bool:
        """Return whether its records are the rows of the responses, not new ones derived from them."""
        raise NotImplementedError

    def _sharing(self) -> list[SharedStream]:
        """Return the selected, unread streams that use the same responses, whole ones last.

        The SDK removes deselected fields from a record in place, so the streams that only read a row come first.
        """
        if self.ABORT_AT_RECORD_COUNT is not None:  # a trial of this stream alone
            return [self]
        streams = [
            stream
            for stream in self.run.streams(SharedStream)
            if stream.selected and not stream.was_read and self.shares_with(stream)
        ]
        return sorted(streams, key=lambda stream: stream.is_whole)
