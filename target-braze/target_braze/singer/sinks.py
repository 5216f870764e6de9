"""The sink that the SDK creates for each stream. It only holds the receiver of the records."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from singer_sdk.sinks import RecordSink
from typing_extensions import override

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from target_braze.singer.sdk import SdkTarget


class BrazeSink(RecordSink):
    """One stream after stream maps; delivery makes the batches, across streams."""

    def __init__(
        self, target: SdkTarget, stream_name: str, schema: dict[str, Any], key_properties: Sequence[str] | None
    ) -> None:
        super().__init__(target, stream_name, schema, key_properties)
        self.receiver = target.open_stream(stream_name, self.schema, tuple(self.key_properties))
        self._before = self.receiver.records

    @override
    def get_validator(self) -> None:
        """Return no validator: each column's converter already checks the value against the column's schema."""

    @override
    def process_record(self, record: dict[str, Any], context: Mapping[str, Any]) -> None:
        """Never called: on this path, the SDK parses times, drops metadata and checks keys, for targets with tables."""
        raise NotImplementedError

    @override
    def clean_up(self) -> None:
        self.record_counter_metric.value = self.receiver.records - self._before
        super().clean_up()
