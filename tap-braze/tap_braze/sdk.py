"""Every use of the Singer SDK's private parts: the one module to check when the SDK changes."""

from __future__ import annotations

import copy
import logging
import time
from datetime import datetime, timezone
from functools import cached_property
from typing import TYPE_CHECKING, Any, Final, Protocol, cast

import msgspec
from singer_sdk import Stream, Tap, metrics
from singer_sdk.configuration._dict_config import parse_environment_config
from singer_sdk.exceptions import ConfigValidationError
from singer_sdk.helpers import capabilities
from singer_sdk.helpers._catalog import get_selected_schema
from singer_sdk.mapper import SameRecordTransform
from singer_sdk.metrics import METRICS_LOGGER_NAME
from singer_sdk.plugin_base import _ConfigInput as ConfigInput
from typing_extensions import override

if TYPE_CHECKING:
    from collections.abc import Generator, Iterable, Iterator
    from contextlib import AbstractContextManager

    from singer_sdk.helpers.types import Context, Record
    from singer_sdk.mapper import StreamMap

__all__ = ["SDK_SETTINGS", "ConfigInput", "MessageWriter", "SdkStream", "SdkTap", "get_selected_schema"]


def _names(*settings: dict[str, Any]) -> frozenset[str]:
    return frozenset(name for each in settings for name in each["properties"])


# The SDK's settings, including those of other plugins: shared configurations contain them, and the tap ignores them.
SDK_SETTINGS = _names(
    capabilities.ACTIVATE_VERSION_CONFIG,
    capabilities.ADD_RECORD_METADATA_CONFIG,
    capabilities.BATCH_CONFIG,
    capabilities.EMIT_ACTIVATE_VERSION_CONFIG,
    capabilities.FLATTENING_CONFIG,
    capabilities.STREAM_MAPS_CONFIG,
    capabilities.TARGET_BATCH_SIZE_ROWS_CONFIG,
    capabilities.TARGET_HARD_DELETE_CONFIG,
    capabilities.TARGET_LOAD_METHOD_CONFIG,
    capabilities.TARGET_SCHEMA_CONFIG,
    capabilities.TARGET_VALIDATE_RECORDS_CONFIG,
)

# Templates of SDK messages that a user needs only when looking for an error.
_DETAILS: Final = frozenset(
    {
        "METRIC: %s",
        "Parsing env var for settings config...",
        "Skipping deselected stream '%s'.",
        "Skipping parse of env var settings...",
    }
)


_RECORDS_COUNTED: Final = 100  # at a time
_OF_COLUMN: Final = 2  # parts of a column's breadcrumb: `properties` and its name


class _Details(logging.Filter):
    """Lowers the SDK's detailed messages from INFO to DEBUG."""

    @override
    def filter(self, record: logging.LogRecord) -> bool:
        if record.msg not in _DETAILS:
            return True
        record.levelno, record.levelname = logging.DEBUG, "DEBUG"
        return logging.getLogger(record.name).isEnabledFor(logging.DEBUG)


for _name in ("tap-braze", METRICS_LOGGER_NAME):
    logging.getLogger(_name).addFilter(_Details())


class SdkTap(Tap):
    """A tap that validates its own settings and leaves signals alone until the sync begins."""

    def checked(self, config: dict[str, Any], env_prefix: str) -> tuple[dict[str, Any], list[str]]:
        """Return the config as the tap reads it, and one line for each error in it."""
        raise NotImplementedError

    def syncing(self) -> AbstractContextManager[None]:
        """Return the context in which all streams are read."""
        raise NotImplementedError

    def validate(self) -> None:
        """Check the settings.

        Raises:
            ConfigValidationError: A setting is wrong; `errors` has one line for each error.
        """
        self._validate_config()

    @property
    @override
    def _env_var_config(self) -> dict[str, Any]:
        """Return settings from the environment, with numbers as text: the settings check parses them.

        The SDK parses only integers, and fails with a traceback on other text.
        """
        schema = copy.deepcopy(self.config_jsonschema)
        for described in schema["properties"].values():
            if {"integer", "number"} & set(described["type"]):
                described["type"] = ["string"]
        return parse_environment_config(schema, self._env_var_prefix)

    @override
    def _validate_config(self, *, raise_errors: bool = True) -> list[str]:
        """Check the settings and report errors in the user's terms; discovery needs no settings and does not raise."""
        self.append_builtin_config(self.config_jsonschema)
        self._config, errors = self.checked(self._config, self._env_var_prefix)
        if errors and raise_errors:
            raise ConfigValidationError("Wrong settings", errors=errors, schema=self.config_jsonschema)
        return errors

    @override
    def _setup_signal_handlers(self) -> None:
        """Do nothing: before the first message, and in --discover and --test, signals keep their default effect."""

    @override  # type: ignore[misc] # final, but no other method wraps all streams
    def sync_all(self) -> None:
        with self.syncing():
            super().sync_all()


class MessageWriter(Protocol):
    """Standard output, written in whole lines."""

    def flush(self) -> None:
        """Write the buffered messages."""

    def write_lines(self, lines: bytes) -> None:
        """Write encoded RECORD messages, each a whole line."""

    def write_record(self, head: bytes, record: Record, tail: bytes) -> None:
        """Write a line that consists of the three."""


class _Envelope:
    """The parts of a stream's RECORD messages before and after the record."""

    _SECONDS: Final = 0.001  # how long a tail is used again

    def __init__(self, stream: str, version: int | None) -> None:
        self.head = b'{"type":"RECORD","stream":%s,"record":' % msgspec.json.encode(stream)
        self._version = b"" if version is None else b',"version":%d' % version
        self._tail = b""
        self._made = 0.0

    @property
    def tail(self) -> bytes:
        now = time.time()
        if not 0 <= now - self._made < self._SECONDS:
            self._made = now
            extracted = msgspec.json.encode(datetime.fromtimestamp(now, timezone.utc))
            self._tail = b'%s,"time_extracted":%s}\n' % (self._version, extracted)
        return self._tail


class SdkStream(Stream):
    """A stream that sets its bookmarks itself, writes each SCHEMA once, and can write for other streams.

    Bookmarks move once everything before them is written, so STATE is valid at any time. Records do not move them, and
    the SDK's progress markers are not needed.

    Unless a field inside a column is deselected, records bypass the SDK's handling of single records: its copies, and
    its check of the selection for every nested field.
    """

    _described = False
    _emitted = 0
    # Set with the SCHEMA message: what makes each record into messages; None if the SDK has to deselect fields.
    _outputs: list[tuple[StreamMap, _Envelope]] | None = None
    # Whether records leave as they are, so that `get_records` may yield lists of encoded ones; known once SCHEMA is
    # written.
    is_plain = False

    def reading(self) -> AbstractContextManager[None]:
        """Return the context in which this stream's records are read and written."""
        raise NotImplementedError

    @cached_property
    def deselected(self) -> frozenset[str] | None:
        """Return the columns to leave out; None if a field inside another column is deselected too."""
        paths = [path for path, selected in self.mask.items() if path and not selected]
        columns = frozenset(path[1] for path in paths if len(path) == _OF_COLUMN)
        return columns if all(path[1] in columns for path in paths) else None

    def write_all(self) -> Iterator[int]:
        """Write all records, unless the SDK has to deselect fields; yield the size of each batch."""
        batch = since_state = 0
        for found in cast("Iterable[Record | list[bytes]]", self.get_records(None)):
            if isinstance(found, list):
                self._write_encoded(found)
                batch += len(found)
            elif (record := self.post_process(found)) is not None:
                self._write_record_message(record)
                batch += 1
            if batch >= _RECORDS_COUNTED:
                yield batch
                since_state += batch
                batch = 0
                if since_state >= self.STATE_MSG_FREQUENCY:
                    since_state = 0
                    self.write_state()
        yield batch

    def after_state(self) -> None:
        """Run after each STATE message, even one that is not written because STATE did not change."""

    @property
    def row_version(self) -> int | None:
        """Return the version that the stream's records carry; None for none."""
        return None

    def to_write(self, row: Record) -> Iterable[Record]:
        """Return the records to write for a row that was read."""
        return (row,)

    def wrote(self, records: int) -> None:
        """Count records that were written, encoded or not."""

    def append(self, record: Record) -> None:
        """Write a record that is due after the rows, bypassing `to_write`."""
        self._write(record)
        self.wrote(1)
        self._emitted += 1

    def activate_version(self) -> None:
        """Have the loader drop the rows of other versions, if the records carry a version."""
        if self._stream_version is not None:
            self._write_activate_version_message(self._stream_version)

    def emit(self, record: Record) -> None:
        """Write a record that came with the responses of the stream whose turn it is."""
        self._write_schema_message()
        processed = self.post_process(record)
        if processed is not None:
            self._write_record_message(processed)
            self._emitted += 1

    def mark_state_changed(self) -> None:
        """Make the next `flush_state` write STATE."""
        self.state_manager.is_flushed = False

    def flush_state(self) -> None:
        """Write STATE if it changed."""
        self._write_state_message()

    def write_state(self) -> None:
        """Write the current STATE."""
        self.mark_state_changed()
        self.flush_state()

    def replace_schema(self, schema: dict[str, Any]) -> None:
        """Write a new SCHEMA message for the records that follow."""
        self._schema = self._input_schema = schema
        selected = get_selected_schema(self.name, schema, self.mask)
        self._tap.mapper.register_raw_stream_schema(self.name, selected, self.primary_keys)
        self._stream_maps = None
        self._described = False
        self._write_schema_message()

    @override
    def _write_record_message(self, record: Record) -> None:
        for each in self.to_write(record):
            self._write(each)
            self.wrote(1)

    def _write_encoded(self, records: list[bytes]) -> None:
        if self._outputs is None or not records:
            return
        ((_, envelope),) = self._outputs
        tail = envelope.tail
        self._writer.write_lines(envelope.head + (tail + envelope.head).join(records) + tail)
        self.wrote(len(records))

    def _write(self, record: Record) -> None:
        if self._outputs is None:
            super()._write_record_message(record)
            return
        for name in self.deselected or ():
            record.pop(name, None)
        for stream_map, envelope in self._outputs:
            mapped = stream_map.transform(record)
            if mapped is not None:
                self._writer.write_record(envelope.head, mapped, envelope.tail)

    @property
    def _writer(self) -> MessageWriter:
        return cast("MessageWriter", self._tap.message_writer)

    @override
    def _write_state_message(self) -> None:
        super()._write_state_message()
        self.after_state()

    @override
    def _write_schema_message(self) -> None:
        if not self._described:
            self._described = True
            self._stream_version = self.row_version
            super()._write_schema_message()
            maps = self.stream_maps
            self._outputs = None
            if self.ABORT_AT_RECORD_COUNT is None and self.deselected is not None:
                self._outputs = [(each, _Envelope(each.stream_alias, self._stream_version)) for each in maps]
            maps_nothing = all(type(each) is SameRecordTransform and not each.flattening_enabled for each in maps)
            self.is_plain = self._outputs is not None and not self.deselected and maps_nothing

    @override
    def get_record_counter(
        self, *, endpoint: str | None = None, log_interval: float = metrics.DEFAULT_LOG_INTERVAL
    ) -> metrics.Counter:
        counter = super().get_record_counter(endpoint=endpoint, log_interval=log_interval)
        counter.value += self._emitted
        return counter

    @override
    def _sync_records(
        self, context: Context | None = None, *, write_messages: bool = True
    ) -> Generator[Record, Any, Any]:
        with self.reading():
            if not write_messages or self._outputs is None:
                yield from super()._sync_records(context, write_messages=write_messages)
                return
            with self.get_record_counter() as counter, self.get_sync_timer():
                for records in self.write_all():
                    counter.increment(records)
            self.write_state()

    @override
    def _increment_stream_state(self, latest_record: Record, *, context: Context | None = None) -> None:
        pass

    @override
    def _write_starting_replication_value(self, context: Context | None) -> None:
        pass

    @override
    def get_replication_key_signpost(self, context: Context | None = None) -> None:
        return None
