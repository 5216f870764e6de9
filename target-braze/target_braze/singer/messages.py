"""Pass Singer messages to the receivers of their streams: apply stream maps and remove byte order marks."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, cast

from typing_extensions import override

from target_braze.mapping.spelling import unmarked_columns
from target_braze.records import DELETED
from target_braze.singer.plugin import Plugin
from target_braze.singer.reader import MessageReader
from target_braze.singer.sdk import passes_unchanged
from target_braze.singer.sinks import BrazeSink

if TYPE_CHECKING:
    from singer_sdk.mapper import StreamMap

    from target_braze.singer.receiver import Receiver


@dataclass(eq=False)
class Source:
    """An incoming stream: its SCHEMA, columns with a byte order mark and their names without, and its receivers.

    If records pass unchanged, there is one receiver and no stream map.
    """

    schema: dict[str, Any]
    marked: dict[str, str]
    routes: list[tuple[StreamMap | None, Receiver]] = field(default_factory=list)


class MessageTarget(Plugin):
    """A target that applies setting `stream_maps` to each record and passes it to the receiver of its stream."""

    default_sink_class = BrazeSink
    message_reader_class = MessageReader
    message_reader: MessageReader

    def __init__(self, **options: Any) -> None:  # noqa: ANN401
        super().__init__(**options)
        self.message_reader.reject_damaged = self._reject_damaged
        self._sources: dict[str, Source] = {}

    @override
    def on_schema(self, message: dict[str, Any]) -> None:
        stream = message["stream"]
        properties = message["schema"]["properties"]
        if marked := unmarked_columns(properties):
            message["schema"] = {**message["schema"], "properties": _renamed(properties, marked)}
            message["key_properties"] = [marked.get(key, key) for key in message.get("key_properties") or ()]
        routes = self.register(message)
        source = self._sources[stream] = Source(message, marked)
        source.routes = [(stream_map, cast("BrazeSink", sink).receiver) for stream_map, sink in routes]
        if passes_unchanged(routes):
            ((_, receiver),) = source.routes
            source.routes = [(None, receiver)]
            self.message_reader.open_fast_path(message, receiver)
        else:
            self.message_reader.close_fast_path(stream)

    @override
    def on_record(self, message: dict[str, Any]) -> None:
        source = self.source_of(message)
        record = message["record"]
        for stream_map, receiver in source.routes:
            mapped = record if stream_map is None else stream_map.transform({**record})
            if mapped is None:
                continue
            if stream_map is not None and DELETED in record:
                # A record deleted in the source is also deleted in every stream that a stream map makes of it.
                mapped.setdefault(DELETED, record[DELETED])
            receiver.receive(mapped, message, source.schema, len(self.message_reader.line))

    @override
    def on_version(self, message: dict[str, Any]) -> None:
        if (source := self._sources.get(message["stream"])) is not None:
            for _, receiver in source.routes:
                receiver.activate_version(message["version"], source.schema)

    def source_of(self, message: dict[str, Any]) -> Source:
        """Return the stream of a RECORD, and remove byte order marks from the names of its columns."""
        stream = message["stream"]
        self.require_schema(stream)
        source = self._sources[stream]
        if source.marked:
            message["record"] = _renamed(message["record"], source.marked)
        return source

    def _reject_damaged(self, message: dict[str, Any], reason: str) -> None:
        """Reject a RECORD with values that are not JSON, in each stream that stream maps make of its stream."""
        source = self.source_of(message)
        for _, receiver in source.routes:
            receiver.reject(message, source.schema, len(self.message_reader.line), reason)


def _renamed(values: dict[str, Any], names: dict[str, str]) -> dict[str, Any]:
    return {names.get(name, name): value for name, value in values.items()}
