"""TargetBraze: where Singer's messages meet mapping and delivery."""

from __future__ import annotations

import logging
import math
from collections import defaultdict
from contextlib import ExitStack
from functools import cached_property
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any, cast
from zoneinfo import ZoneInfo

from singer_sdk.exceptions import MissingKeyPropertiesError
from singer_sdk.mapper import RemoveRecordTransform, SameRecordTransform
from typing_extensions import override

from target_braze.braze.client import Answer, BrazeError, Client, StoppedError, base_url
from target_braze.delivery.dispatcher import Delivery, RejectedError
from target_braze.ledger import verify as read_back
from target_braze.ledger.file import LedgerError
from target_braze.ledger.store import Ledger
from target_braze.mapping.base.stream_mapping import Defaults
from target_braze.mapping.deletion_guard import DeletionGuard
from target_braze.mapping.spelling import unmarked_columns
from target_braze.preview.dry_run import Estimate
from target_braze.preview.preflight import Preflight
from target_braze.records import Record, Rejection
from target_braze.reporting.dead_letter_file import FIELD
from target_braze.reporting.dead_letters import DeadLetters
from target_braze.reporting.summary import Summary
from target_braze.settings.stream_config import Entries
from target_braze.singer import standard_streams
from target_braze.singer.plugin import Plugin
from target_braze.singer.reader import MessageReader
from target_braze.singer.signals import handled
from target_braze.singer.sinks import BrazeSink

if TYPE_CHECKING:
    import signal

    from target_braze.braze.changes import Change, Request

_log = logging.getLogger("target-braze")


class KeylessRecordError(RejectedError, MissingKeyPropertiesError):
    """A record is rejected that also lacks the key of its stream, for which the SDK has an error of its own."""


class _Stopped(SystemExit):
    """A signal ends the run; the code is that of a process that dies of it."""

    def __init__(self, signum: signal.Signals) -> None:
        super().__init__(128 + signum)
        self.signal_name = signum.name


class TargetBraze(Plugin):
    """Singer target for Braze: users, events and purchases from any source."""

    name = "target-braze"
    default_sink_class = BrazeSink
    message_reader_class = MessageReader
    message_reader: MessageReader
    # Delivery sees to it that no record waits long.
    _MAX_RECORD_AGE_IN_MINUTES = math.inf

    def __init__(self, **options: Any) -> None:  # noqa: ANN401
        super().__init__(**options)
        self.message_reader.reject_damaged = self._reject_damaged
        self.summary = Summary()
        self.estimate = Estimate(ledger=bool(self.config.get("ledger_path")))
        self.message: dict[str, Any] = {}
        self._position = 0
        # Ids of the items of catalogs that each version of a stream has listed.
        self.listed: defaultdict[tuple[str, Any], set[str]] = defaultdict(set)
        self._schemas: dict[str, dict[str, Any]] = {}
        # By stream, columns that begin with a byte order mark and their names without.
        self._marked: dict[str, dict[str, str]] = {}
        # Sinks whose records come as they are, past stream maps and what the SDK does for targets with tables.
        self._direct: dict[str, BrazeSink] = {}
        self.entries = Entries(self.config["streams"])
        self._dead_letters = (
            DeadLetters(
                Path(self.config["dead_letter_path"]),
                self.config.get("max_dead_letters"),
                dry_run=self.config["dry_run"],
            )
            if self.config["on_error"] == "dead_letter"
            else None
        )
        self._expects_letters = False
        self._client = Client(
            self.config["endpoint"],
            self.config["api_key"],
            connections=self.config["concurrency"],
            reserve=self.config["rate_limit_reserve"],
            timeout=self.config["request_timeout"],
        )

    # What sinks use.

    @property
    def sends(self) -> bool:
        """Whether anything is changed in Braze."""
        return not self.config["dry_run"]

    @property
    def client(self) -> Client:
        """Who talks to Braze, for what has to be there before the first record."""
        return self._client

    @cached_property
    def delivery(self) -> Delivery:
        """Where changes go; its threads start with the first use."""
        return Delivery(
            self._pretend if self.config["dry_run"] else self._send,
            accept=self.summary.accepted,
            reject=self._reject_change,
            # What was not sent must come again with the next run.
            emit=_keep_quiet if self.config["dry_run"] else standard_streams.write_line,
            failed=self._give_up,
            max_objects=self.config["max_objects_per_request"],
            concurrency=self.config["concurrency"],
            # Nothing can be seen too late that was never sent.
            wait=0.0 if self.config["dry_run"] else float(self.config["dependency_delay"]),
            hold=self.config["on_unknown_outcome"] == "hold",
            ledger=self.ledger,
        )

    @cached_property
    def ledger(self) -> Ledger | None:
        """What Braze has, where setting `ledger_path` names the file; a dry run leaves it alone.

        Raises:
            LedgerError: the file is no ledger of this workspace, another run has it, or it lags behind Braze.
            BrazeError: setting `ledger_verify` has it compared with Braze, which does not answer.
        """
        path = self.config.get("ledger_path")
        if not path or self.config["dry_run"]:
            return None
        ledger = Ledger(Path(path), base_url(self.config["endpoint"]), synchronous=self.config["ledger_synchronous"])
        try:
            ledger.begin()
            if count := self.config["ledger_verify"]:
                operated = read_back.operated(self.config["streams"])
                read_back.check(self._client, ledger, count, operated, self.config["dependency_delay"])
        except (BrazeError, LedgerError):
            ledger.close()
            raise
        return ledger

    @cached_property
    def defaults(self) -> Defaults:
        """What holds for all mappings."""
        return Defaults(
            app_id=self.config.get("app_id"),
            unset_nulls=self.config["nulls"] == "unset",
            update_existing_only=self.config["update_existing_only"],
            zone=ZoneInfo(self.config["time_zone"]),
            long_strings=self.config["long_strings"],
            date_like_text=self.config["date_like_text"],
            on_bad_value=self.config["on_bad_value"],
            placeholder_ids=tuple(self.config["placeholder_ids"]),
            guard=DeletionGuard(
                counts_users=any("max_deleted_share" in entry for entry in self.config["streams"].values())
            ),
        )

    @cached_property
    def preflight(self) -> Preflight | None:
        """What Braze knows of attributes, where setting `preflight` says to ask."""
        return Preflight(self._client) if self.config["preflight"] else None

    def record(self, stream: str, keys: tuple[str, ...], line: bytes | None = None) -> Record:
        """The record that is being read, numbered; from its `line` if that is not decoded."""
        self._position += 1
        counts = self.summary.streams[stream]
        counts.read += 1
        schema = self._schemas[stream if line else self.message["stream"]]
        size = len(self.message_reader.line)
        return Record(stream, counts.read, self._position, keys, line or self.message, schema, size)

    def reject(self, record: Record, why: Rejection) -> None:
        """Send a record to the dead letters, or end the run.

        Raises:
            RejectedError: setting `on_error` is `fail`, or there are more than `max_dead_letters`.
        """
        if not self.summary.refused(record, why):
            return
        if self._dead_letters is None:
            kind = KeylessRecordError if record.lacks_key else RejectedError
            raise kind(
                f"{record}: {why.reason}. Mend it at the source or in the mapping; or set on_error to dead_letter to "
                "put such records aside"
            )
        self._dead_letters.write(record, why)
        self._dead_letters.check(self.summary)

    # Singer messages.

    @override
    def _process_schema_message(self, message_dict: dict[str, Any]) -> None:
        stream = message_dict["stream"]
        properties = message_dict["schema"]["properties"]
        if marked := unmarked_columns(properties):
            message_dict["schema"] = {**message_dict["schema"], "properties": _renamed(properties, marked)}
            message_dict["key_properties"] = [marked.get(key, key) for key in message_dict.get("key_properties") or ()]
        self._marked[stream] = marked
        self._schemas[stream] = message_dict
        self._expects_letters = self._dead_letters is not None
        super()._process_schema_message(message_dict)
        self._direct.pop(stream, None)
        maps = self.mapper.stream_maps[stream]
        if len(maps) == 1 and type(maps[0]) is SameRecordTransform and not maps[0].flattening_enabled:
            sink = self._direct[stream] = cast("BrazeSink", self.get_sink(stream))
            self.message_reader.take_quickly(stream, sink.process_quick, sink.quick_record)
        else:
            self.message_reader.take_none_quickly(stream)

    @override
    def _process_record_message(self, message_dict: dict[str, Any]) -> None:
        self._receive(message_dict)
        sink = self._direct.get(message_dict["stream"])
        if sink is not None:
            sink.process_record(message_dict["record"], {})
            sink.record_counter_metric.value += 1
        else:
            super()._process_record_message(message_dict)

    @override
    def _process_state_message(self, message_dict: dict[str, Any]) -> None:
        # The SDK would hold states back until the end of the pipe; delivery lets each go when it holds.
        if self.ledger is not None:
            self.ledger.members.flush()
        self.delivery.checkpoint(message_dict["value"])

    @override
    def _process_activate_version_message(self, message_dict: dict[str, Any]) -> None:
        self.message = message_dict
        for stream_map in self.mapper.stream_maps.get(message_dict["stream"], ()):
            self.get_sink(stream_map.stream_alias).activate_version(message_dict["version"])

    @override
    def process_endofpipe(self) -> None:
        super().process_endofpipe()
        self.defaults.guard.check()
        self.delivery.finish()
        if self.ledger is not None:
            self.ledger.completed()
        self.entries.check()

    def _reject_damaged(self, message: dict[str, Any], reason: str) -> None:
        """Reject a RECORD with values that are not JSON, in each stream that stream maps make of its own."""
        self._receive(message)
        stream = message["stream"]
        if stream not in self.mapper.stream_maps:
            self._assert_sink_exists(stream)
        for stream_map in self.mapper.stream_maps[stream]:
            if not isinstance(stream_map, RemoveRecordTransform):
                sink = cast("BrazeSink", self.get_sink(stream_map.stream_alias))
                self.reject(self.record(sink.stream_name, tuple(sink.key_properties)), Rejection(reason))

    # The run.

    @override
    def run(self, file_input: IO[str] | None = None) -> None:
        """Read all messages and deliver them; however it ends, the last STATE that holds is out.

        Raises:
            LedgerError: the ledger cannot be used; nothing has been read.
        """
        with ExitStack() as at_end:
            # A signal only makes the next message, or the wait for room or answers, raise; see `stop`.
            at_end.enter_context(handled(self.stop))
            at_end.push(self._summarize)
            if self._dead_letters is not None:
                self._dead_letters.begin()
                at_end.push(self._close_dead_letters)
            if self.ledger is not None:
                at_end.callback(self.ledger.close)
            delivery = self.delivery
            try:
                self.listen(file_input)
            except BaseException as reason:  # noqa: BLE001 - it, or its cause, is raised again
                self._client.stop()
                delivery.abort()
                # Whoever is stopped is not the cause, neither this thread nor one with a request.
                failure = delivery.failure if isinstance(reason, _Stopped | StoppedError) else None
                raise (None if isinstance(failure, StoppedError) else failure) or reason from None

    @override
    def stop(self, signum: signal.Signals) -> None:
        reason = _Stopped(signum)
        self.message_reader.interrupt(reason)
        if (delivery := self.__dict__.get("delivery")) is not None:
            delivery.interrupt(reason)

    def _give_up(self, failure: BaseException) -> None:
        """End what the main thread waits for, for delivery takes nothing more."""
        if isinstance(failure, _Stopped):
            _log.warning("%s: waiting for the answers under way, then stopping", failure.signal_name)
        self._client.stop()
        self.message_reader.interrupt(failure)

    # Helpers.

    def _receive(self, message: dict[str, Any]) -> None:
        """Make the RECORD the current one."""
        self.message = message
        if marked := self._marked.get(message["stream"]):
            message["record"] = _renamed(message["record"], marked)
        if self._expects_letters and FIELD in message:
            self._take_back(message)

    def _take_back(self, letter: dict[str, Any]) -> None:
        """Look whether it is our own dead letters that come in: at the first letter after each SCHEMA."""
        self._expects_letters = False
        if self._dead_letters is not None:
            self._dead_letters.take_back(letter)

    def _close_dead_letters(self, _type: object, error: BaseException | None, _traceback: object) -> None:
        if self._dead_letters is not None:
            self._dead_letters.close()
            self._dead_letters.report(self.summary, completed=error is None)

    def _summarize(self, _type: object, error: BaseException | None, _traceback: object) -> None:
        dry_run = self.config["dry_run"]
        # There is none where the ledger could not be opened.
        delivery = self.__dict__.get("delivery")
        waited = {
            "rate_limits": self._client.limit_waits.seconds,
            "retries": self._client.retry_waits.seconds,
            "dependency_delays": 0.0 if delivery is None else delivery.rests.seconds,
        }
        try:
            if dry_run:
                for stream, counts in self.summary.streams.items():
                    counts.data_points, counts.saved_by_folding = self.estimate.most_points(stream), 0
            self.summary.log(dry_run=dry_run)
            if dry_run:
                client = self._client if self.config["preflight"] else None
                for line in self.estimate.table(self.config["rate_limit_reserve"], client):
                    _log.info("%s", line)
                _log.info("%s", self.estimate.data_points)
        finally:
            self.summary.write(
                "completed" if error is None else "stopped" if isinstance(error, _Stopped) else "failed",
                dry_run=dry_run,
                retries=self._client.retries,
                seconds_waited={what: round(seconds, 3) for what, seconds in waited.items()},
            )

    def _send(self, request: Request, resend: bool) -> Answer:  # noqa: FBT001
        endpoint = request.endpoint
        self.summary.sending(request)
        answer = self._client.request(
            endpoint.method,
            endpoint.path,
            pool=endpoint.pool,
            body=request.body(),
            resend=resend,
            check=lambda answer: endpoint.rejected(request.changes, answer),
        )
        return self._client.redacted(answer)  # its `errors` become the reasons of rejections

    def _pretend(self, request: Request, _resend: bool) -> Answer:  # noqa: FBT001
        self.summary.sending(request)
        self.estimate.add(request)
        return Answer(201, {}, b'{"message": "success"}')

    def _reject_change(self, change: Change, why: Rejection) -> None:
        for record in change.records:
            self.reject(record, why)


def _renamed(values: dict[str, Any], names: dict[str, str]) -> dict[str, Any]:
    return {names.get(name, name): value for name, value in values.items()}


def _keep_quiet(state: bytes) -> None:
    """Write no STATE."""
