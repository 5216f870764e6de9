"""The sink: what the SDK makes for each stream, and holds no more than whoever takes the records."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Protocol

from singer_sdk.sinks import RecordSink
from typing_extensions import override

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    import msgspec

    from target_braze.singer.messages import MessageTarget


class Receiver(Protocol):
    """Takes the records of one stream; `target_braze.loader.stream.LoaderStream` describes the methods."""

    @property
    def records(self) -> int: ...  # noqa: D102

    @property
    def fast_record(self) -> type[msgspec.Struct] | None: ...  # noqa: D102

    def receive_fast(self, columns: Any, line: bytes, schema: dict[str, Any]) -> bool: ...  # noqa: ANN401, D102

    def receive(self, record: dict[str, Any], message: dict[str, Any], schema: dict[str, Any], size: int) -> None: ...  # noqa: D102

    def reject(self, message: dict[str, Any], schema: dict[str, Any], size: int, reason: str) -> None: ...  # noqa: D102

    def activate_version(self, version: int, schema: dict[str, Any] | None = None) -> None: ...  # noqa: D102


class BrazeSink(RecordSink):
    """One stream after stream maps; delivery makes the batches, across streams."""

    def __init__(
        self, target: MessageTarget, stream_name: str, schema: dict[str, Any], key_properties: Sequence[str] | None
    ) -> None:
        super().__init__(target, stream_name, schema, key_properties)
        self.receiver = target.open_stream(stream_name, self.schema, tuple(self.key_properties))
        self._before = self.receiver.records

    @override
    def get_validator(self) -> None:
        """Validate nothing twice: each column's converter checks the value against the column's schema."""

    @override
    def process_record(self, record: dict[str, Any], context: Mapping[str, Any]) -> None:
        """Not called: the SDK's way to here parses times, drops metadata and checks keys, for targets with tables."""
        raise NotImplementedError

    @override
    def clean_up(self) -> None:
        self.record_counter_metric.value = self.receiver.records - self._before
        super().clean_up()
