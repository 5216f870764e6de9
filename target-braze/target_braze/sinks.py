"""The sink: hands each record of a stream to its mapping, and what comes out to delivery."""

from __future__ import annotations

from datetime import datetime, timezone
from typing import TYPE_CHECKING, Any, Final

from singer_sdk.sinks import RecordSink
from typing_extensions import override

from target_braze import catalogs
from target_braze.ledger import fingerprint
from target_braze.mapping import compile_mapping
from target_braze.records import RecordError

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from target_braze.ledger import Ledger
    from target_braze.records import Change, Record
    from target_braze.target import TargetBraze


# When the source deleted a record: https://sdk.meltano.com/en/latest/implementation/record_metadata.html
_DELETED: Final = "_sdc_deleted_at"


class BrazeSink(RecordSink):
    """Records of one stream; batches are made by delivery, across streams."""

    def __init__(
        self, target: TargetBraze, stream_name: str, schema: dict[str, Any], key_properties: Sequence[str] | None
    ) -> None:
        super().__init__(target, stream_name, schema, key_properties)
        self._target = target
        self._entry_key, self._entry = target.entries.of(stream_name)
        self._mapping = compile_mapping(
            stream_name, self.schema, self._entry, target.defaults, self._notice, key=self._entry_key
        )
        target.summary.candidates[stream_name] += self._mapping.candidates
        if target.preflight is not None:
            for doubt in target.preflight.doubts(self._mapping.types):
                self._notice(doubt)
        self._keys = tuple(self.key_properties)
        self._deleted = False
        if self._mapping.catalog is not None and target.sends:
            catalogs.prepare(target.client, self._mapping.catalog, self._notice)

    @override
    def get_validator(self) -> None:
        """No second check: each column's converter holds the value against the column's schema."""

    @override
    def _parse_timestamps_in_record(self, record: Any, schema: Any, treatment: Any) -> None:
        """Leave times as the text they came as: Braze takes text, and parsing twice costs a third of the time."""

    @override
    def _singer_validate_message(self, record: Mapping[str, Any]) -> None:
        """Braze has no use for a stream's keys; whom a record is about is the mapping's to say."""

    @override
    def process_record(self, record: dict[str, Any], context: Mapping[str, Any]) -> None:
        source = self._target.record(self.stream_name, self._keys)
        try:
            changes = self._changes(record)
        except RecordError as error:
            self._target.reject(source, str(error))
            return
        for change in changes:
            change.records.append(source)
            if self._target.defaults.guard.counts_users:
                self._target.defaults.guard.see(change.users)
        if self._target.ledger is not None:
            changes = self._news(self._target.ledger, source, changes)
        if changes:
            self._target.delivery.add(*changes)

    @override
    def _remove_sdc_metadata_from_record(self, record: dict[str, Any]) -> None:
        # The source says so, or a stream map, and the SDK takes it away.
        source = self._target.message["record"]
        self._deleted = record.get(_DELETED, source.get(_DELETED)) is not None
        super()._remove_sdc_metadata_from_record(record)

    @override
    def activate_version(self, new_version: int) -> None:
        catalog = self._mapping.catalog
        if catalog is None or not self._mapping.removes or not self._target.sends:
            self._notice(
                "ACTIVATE_VERSION is ignored, for what earlier runs loaded is not known; 'on_delete' is for records "
                "with _sdc_deleted_at"
            )
            return
        listed = self._target.listed[self.stream_name, new_version]
        if not listed:
            return  # a version that is about to come
        for key in list(catalogs.item_ids(self._target.client, catalog.name)):
            if key not in listed:
                record = {self._mapping.id_column: key, _DELETED: datetime.now(timezone.utc).isoformat()}
                self._target.message = {"type": "RECORD", "stream": self._target.message["stream"], "record": record}
                self.process_record(record, {})

    def _changes(self, record: Mapping[str, Any]) -> list[Change]:
        if self._deleted or record.get(_DELETED) is not None:
            return self._mapping.removed(record)
        if self._mapping.catalog is not None:
            version = self._target.message.get("version")
            self._target.listed[self.stream_name, version].add(str(record.get(self._mapping.id_column)))
        return self._mapping.changes(record)

    def _news(self, ledger: Ledger, source: Record, changes: list[Change]) -> list[Change]:
        """The changes that Braze does not have; none where it is in doubt whether it has one of them."""
        for place, change in enumerate(changes):
            change.fingerprint = fingerprint(change, place)
        if self.config["ambiguous"] == "hold" and any(map(ledger.in_doubt, changes)):
            self._target.reject(source, "an earlier run sent it and saw no answer: it is in doubt whether Braze has it")
            return []
        news = [change for change in changes if ledger.news(change)]
        self._target.summary.unchanged[self.stream_name] += not news
        return news

    def _notice(self, text: str) -> None:
        self._target.summary.notice(f"stream '{self.stream_name}': {text}")
