"""TargetBraze: where Singer's messages meet mapping and delivery."""

from __future__ import annotations

import json
import logging
import math
import signal
import sys
import threading
from collections import defaultdict
from functools import cached_property
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any, Literal, cast
from zoneinfo import ZoneInfo

from singer_sdk.exceptions import MissingKeyPropertiesError
from singer_sdk.mapper import SameRecordTransform
from typing_extensions import override

from target_braze.braze_api import Answer, Client, base_url
from target_braze.dead_letters import FIELD, DeadLetters
from target_braze.deletion_guard import DeletionGuard
from target_braze.delivery import Delivery, RejectedError
from target_braze.entries import Entries
from target_braze.estimate import Estimate
from target_braze.ledger import Ledger
from target_braze.mapping.base import Defaults
from target_braze.mapping.spelling import unmarked_columns
from target_braze.plugin import Plugin
from target_braze.preflight import Preflight
from target_braze.reader import MessageReader
from target_braze.records import Change, Record, Rejection
from target_braze.signals import STOPPING, nothing, shielded
from target_braze.sinks import BrazeSink
from target_braze.summary import Summary

if TYPE_CHECKING:
    from types import FrameType

    from target_braze.endpoints import Request

_log = logging.getLogger("target-braze")


class KeylessRecordError(RejectedError, MissingKeyPropertiesError):
    """A record is rejected that also lacks the key of its stream, for which the SDK has an error of its own."""


class _Terminated(SystemExit):
    """SIGINT or SIGTERM came."""


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
        self.summary = Summary()
        self._estimate = Estimate()
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
            emit=_keep_quiet if self.config["dry_run"] else _write_state,
            failed=self._wake,
            max_objects=self.config["max_objects_per_request"],
            concurrency=self.config["concurrency"],
            # Nothing can be seen too late that was never sent.
            wait=0.0 if self.config["dry_run"] else float(self.config["dependent_wait"]),
            hold=self.config["ambiguous"] == "hold",
            ledger=self.ledger,
        )

    @cached_property
    def ledger(self) -> Ledger | None:
        """What Braze has, where setting `ledger_path` names the file; a dry run leaves it alone.

        Raises:
            LedgerError: the file is no ledger of this workspace, or another run has it.
        """
        path = self.config.get("ledger_path")
        if not path or self.config["dry_run"]:
            return None
        return Ledger(Path(path), base_url(self.config["endpoint"]))

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
        self.message = message_dict
        if marked := self._marked.get(message_dict["stream"]):
            message_dict["record"] = _renamed(message_dict["record"], marked)
        if self._expects_letters and FIELD in message_dict:
            self._take_back(message_dict)
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
        self.entries.check()

    # The run.

    @override
    def run(self, file_input: IO[str] | None = None) -> None:
        """Read all messages and deliver them; however it ends, the last STATE that holds is out.

        Raises:
            LedgerError: the ledger cannot be used; nothing has been read.
        """
        ledger = self.ledger
        ended: Literal["completed", "stopped", "failed"] = "failed"
        try:
            self.listen(file_input)
            ended = "completed"
        except BaseException as reason:
            # A condition that a signal meets half-way into its wait says that its lock is not held.
            stopped = self.message_reader.stopped if isinstance(reason, _Terminated | RuntimeError) else None
            ended = "failed" if stopped is None else "stopped"
            with shielded():
                self._client.stop()
                self.delivery.abort()
            if stopped is not None:
                raise stopped from None
            raise
        finally:
            with shielded():
                if ledger is not None:
                    ledger.close()
                if self._dead_letters is not None:
                    self._dead_letters.close()
                    self._dead_letters.report(self.summary, completed=ended == "completed")
                self._summarize(ended)

    @override
    def _handle_termination(self, signum: int, frame: FrameType | None) -> None:
        if self.delivery.failure is not None:
            # From `_wake`. Where nothing is waited for, the failure is about to be noticed anyway.
            if self.message_reader.waiting:
                self.message_reader.waiting = False
                raise self.delivery.failure
            return
        # The SDK would write a STATE that covers what is still in flight, and exit with 0.
        for again in STOPPING:
            signal.signal(again, nothing)
        _log.warning("%s: waiting for the answers under way, then stopping", signal.Signals(signum).name)
        stopped = _Terminated(128 + signum)
        # What a signal raises is lost where it meets a finalizer.
        self.message_reader.stopped = stopped
        raise stopped

    def _wake(self) -> None:
        """Interrupt the reading of a tap that is silent, for delivery has failed."""
        if hasattr(signal, "pthread_kill") and signal.getsignal(signal.SIGTERM) == self._handle_termination:
            signal.pthread_kill(threading.main_thread().ident or 0, signal.SIGTERM)

    # Helpers.

    def _take_back(self, letter: dict[str, Any]) -> None:
        """Look whether it is our own dead letters that come in: at the first letter after each SCHEMA."""
        self._expects_letters = False
        if self._dead_letters is not None:
            self._dead_letters.take_back(letter)

    def _summarize(self, ended: Literal["completed", "stopped", "failed"]) -> None:
        dry_run = self.config["dry_run"]
        self.summary.log(dry_run=dry_run)
        if dry_run:
            client = self._client if self.config["preflight"] else None
            points = {stream: counts.data_points for stream, counts in self.summary.streams.items()}
            for line in self._estimate.table(points, self.config["rate_limit_reserve"], client):
                _log.info("%s", line)
        waited = {
            "rate_limits": self._client.limit_waits.seconds,
            "retries": self._client.retry_waits.seconds,
            "dependent_steps": self.delivery.rests.seconds,
        }
        self.summary.write(
            ended,
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
        self._estimate.add(request)
        return Answer(201, {}, b'{"message": "success"}')

    def _reject_change(self, change: Change, why: Rejection) -> None:
        for record in change.records:
            self.reject(record, why)


def _renamed(values: dict[str, Any], names: dict[str, str]) -> dict[str, Any]:
    return {names.get(name, name): value for name, value in values.items()}


def _keep_quiet(state: dict[str, Any]) -> None:
    """Write no STATE."""


def _write_state(state: dict[str, Any]) -> None:
    try:
        sys.stdout.write(json.dumps(state, default=float) + "\n")
        sys.stdout.flush()
    except OSError as error:
        raise OSError(f"STATE cannot be written to standard output: {error.strerror}") from None
