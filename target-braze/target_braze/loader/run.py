"""`Loader`: runs one load, from its settings to its summary."""

from __future__ import annotations

import logging
from contextlib import ExitStack
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from typing_extensions import Self

from target_braze.braze.client import Answer, BrazeError, Client, StoppedError
from target_braze.braze.hosts import base_url
from target_braze.delivery.dispatcher import Dispatcher
from target_braze.loader import parts
from target_braze.loader.arrow_data import ArrowSchema, arrow_module
from target_braze.loader.context import Context
from target_braze.loader.errors import NotSentError, RejectedRecordError, shown
from target_braze.loader.lookahead import Lookahead
from target_braze.loader.stream import LoaderStream
from target_braze.outcome_log.letters import LoggedLetters
from target_braze.preview.dry_run import Estimate
from target_braze.preview.preflight import Preflight
from target_braze.process import terminal
from target_braze.process.ticker import ticking
from target_braze.reporting.delivery_log import DeliveryLog
from target_braze.reporting.history import Run
from target_braze.reporting.progress import Progress
from target_braze.reporting.rates import INTERVAL
from target_braze.reporting.rejections import Rejections
from target_braze.reporting.run_report import RunReport
from target_braze.reporting.summary import Summary
from target_braze.settings.stream_config import Entries
from target_braze.settings.validation import complete

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from target_braze.braze.changes import Change, Request
    from target_braze.ledger.store import Ledger
    from target_braze.outcome_log.attempt import Attempt
    from target_braze.outcome_log.log import Partition
    from target_braze.records import Record, Rejection, User
    from target_braze.reporting.dead_letters import DeadLetters

_log = logging.getLogger("target-braze")


class Loader:
    """Load records from any source into Braze: mapping, delivery, ledger, dead letters and summary of one run.

    Use it in a `with` block. The end of the block sends everything that is waiting and returns when Braze has answered;
    an exception in the block ends the run without sending more. Either way, no thread is left running, and the
    process's signal handlers stay unchanged. Use a loader and its streams from one thread.

        with Loader(config) as loader:
            stream = loader.open("customers", schema)
            stream.write(records)
            loader.checkpoint(token, settled=save)
        print(loader.summary["total"])

    Args:
        config: Settings of the target, listed in its README, without those of the Singer SDK (`stream_maps`).
        outcome_log: Partition of an `OutcomeLog`, for a task that may be repeated. It takes the place of the ledger and
            of the file of dead letters.
        failed: Called with the reason, from another thread, as soon as nothing more can be delivered. Useful for a
            caller that waits for records; `write` and the end of the block raise the reason in any case.
        share_read: Returns how much of the input has been read, from 0 to 1, to estimate when the load ends; None if
            that cannot be known. Called from another thread.
        input_size: Returns the size of the input in bytes, for setting `canary`; None if that cannot be known.
        live: Show progress in a live display on standard error instead of a log line every five seconds.

    Raises:
        SettingsError: A setting is missing or wrong.
        BrazeError: A connection setting is wrong.
    """

    def __init__(
        self,
        config: Mapping[str, Any],
        *,
        outcome_log: Partition | None = None,
        failed: Callable[[BaseException], None] | None = None,
        share_read: Callable[[], float | None] = lambda: None,
        input_size: Callable[[], int | None] = lambda: None,
        live: bool = False,
    ) -> None:
        self._config = complete(config, has_outcome_log=outcome_log is not None)
        self._outcome_log = outcome_log
        self._dry_run: bool = self._config["dry_run"]
        self._failed = failed
        self._live = live and _log.isEnabledFor(logging.INFO)
        self._run = Run("target-braze")
        self._summary = self._new_summary()
        path = self._config.get("report_path")
        self._report = RunReport(Path(path), self._summary) if path else None
        self._entries = Entries(self._config["streams"])
        self._estimate = Estimate(ledger=bool(self._config.get("ledger_path"))) if self._dry_run else None
        self._defaults = parts.mapping_defaults(self._config)
        self._client = self._new_client()
        self._canary = parts.canary(self._config, self._client, input_size)
        self._begun = False
        # Set while the run lasts.
        self._progress = Progress(self._summary, self._client, share_read)
        self._context: Context | None = None
        self._attempt: Attempt | None = None
        self._dead_letters: DeadLetters | LoggedLetters | None = None
        self._exit = ExitStack()
        self._interruptions: list[BaseException] = []

    def __enter__(self) -> Self:
        """Open the ledger or claim the partition of the outcome log, and start delivery.

        Raises:
            OutcomeLogError: The outcome log cannot be used.
            LedgerError: The ledger belongs to another workspace, is in use, or lags behind Braze.
            BrazeError: The check for setting `ledger_verify` gets no answer from Braze.
        """
        if self._begun:
            raise RuntimeError("a Loader is for one run: create another")
        self._begun = True
        with ExitStack() as opened:
            opened.push(self._conclude)
            if self._report is not None:
                opened.enter_context(ticking(self._report.sample, INTERVAL))
            opened.enter_context(terminal.live(self._progress.look) if self._live else ticking(self._progress.log))
            opened.callback(self._summary.close_delivery_log)
            if self._outcome_log is not None and not self._dry_run:
                self._attempt = self._outcome_log.claim(base_url(self._config["endpoint"]), lambda: self.summary)
            self._dead_letters = self._new_dead_letters()
            if self._dead_letters is not None:
                self._dead_letters.begin()
                opened.push(self._close_dead_letters)
            ledger = self._open_ledger()
            if ledger is not None:
                opened.callback(ledger.close)
            self._context = self._new_context(ledger)
            self._progress.deliver(self._context.delivery)
            opened.push(self._end)
            self._exit = opened.pop_all()
        return self

    def __exit__(self, *raised: Any) -> None:  # noqa: ANN401, PYI036 - ExitStack takes no object
        """Deliver everything that is waiting, or nothing more after an exception, and close everything.

        Raises:
            RejectedError: A record was rejected, and that ends the run.
            BrazeError: A request failed for good.
            MappingError: More users would be deleted than the mapping allows, or a stream's settings match no stream.
        """
        self._exit.__exit__(*raised)

    def open(self, name: str, schema: Mapping[str, Any] | ArrowSchema, keys: Sequence[str] = ()) -> LoaderStream:
        """Return a stream to write records to, mapped according to its entry in setting `streams`.

        Args:
            name: Name of the stream. Open it again when its schema changes.
            schema: JSON Schema of its records, `{"properties": {"plan": {"type": "string"}}}`, or a `pyarrow.Schema`.
            keys: Columns of its primary key, which identify a record in messages and an event in the ledger.

        Raises:
            MappingError: The stream does not fit its entry.
            GuardError: This is its first load, and may start live messages.
            BrazeError: A request about a catalog or about attributes (`preflight`) failed.
            TypeError: A column of the Arrow schema has a type without a form in JSON.
            ImportError: The schema is Arrow's, and pyarrow is not installed.
        """
        columns = arrow_module().json_schema(schema, name) if isinstance(schema, ArrowSchema) else schema
        return LoaderStream(self._running, name, columns, keys)

    def checkpoint(self, token: object, settled: Callable[[Any], None]) -> None:
        """Call `settled(token)` once every record written so far is accepted by Braze or a dead letter.

        A checkpoint covers all earlier ones: when several settle at about the same time, only the last one's `settled`
        is called, at most once a second. The call comes from another thread or at the end of the block, even after an
        exception, but never in a dry run. An exception that it raises ends the run.

        Args:
            token: Any object, such as the bookmark of a source.
            settled: Stores the token.
        """
        context = self._running
        context.before_state()
        context.delivery.add_state(partial(settled, token))

    def hand_over(self) -> None:
        """Hand all records read so far to delivery, before waiting for more. Raises like `LoaderStream.write`."""
        self._running.hand_over()

    def interrupt(self, reason: BaseException) -> None:
        """Send nothing more, and raise `reason` in place of the next wait; safe in signal handlers and threads."""
        self._interruptions.append(reason)
        if self._context is not None:
            self._context.delivery.interrupt(reason)

    def retry(self, letter: Mapping[str, Any]) -> None:
        """Rename the dead-letter file if the letter, a RECORD message about to be written, came from it."""
        if self._dead_letters is not None:
            self._dead_letters.take_back(letter)

    @property
    def summary(self) -> dict[str, Any]:
        """Outcomes of the records so far, by stream and in total, and in `ended` how the run ended.

        The fields are those of the target's last line, which the README explains.
        """
        delays = self._context.delivery.dependency_waits.seconds if self._context else 0.0
        return {
            **self._run.document(),
            "dry_run": self._dry_run,
            **self._summary.document(),
            "retries": self._client.retries,
            "seconds_waited": {
                "rate_limits": round(self._client.limit_waits.seconds, 3),
                "retries": round(self._client.retry_waits.seconds, 3),
                "dependency_delays": round(delays, 3),
            },
        }

    # The parts of a run.

    @property
    def _running(self) -> Context:
        if self._context is None or self._run.ended != "running":
            raise RuntimeError("a Loader works in a `with` block only")
        return self._context

    def _new_context(self, ledger: Ledger | None) -> Context:
        delivery = self._new_delivery(ledger)
        return Context(
            client=self._client,
            defaults=self._defaults,
            delivery=delivery,
            entries=self._entries,
            reject=self._reject,
            summary=self._summary,
            estimate=self._estimate,
            ledger=ledger,
            attempt=self._attempt,
            canary=self._canary,
            live_messages=parts.live_messages(self._config, self._client, self._summary.notice, ledger),
            preflight=Preflight(self._client) if self._config["preflight"] else None,
            bulk=self._config["track_endpoint"] == "bulk",
            holds=self._config["on_unknown_outcome"] == "hold",
            lookahead=None if ledger is None else Lookahead(ledger, delivery),
        )

    # Overridden for runs of several processes.

    def _new_summary(self) -> Summary:
        log = None if self._dry_run else self._config.get("delivery_log_path")
        return Summary(
            Rejections(shows_values=self._config["report_values"]),
            DeliveryLog(Path(log), self._run.run_id) if log else None,
        )

    def _new_client(self) -> Client:
        return parts.new_client(self._config)

    def _new_delivery(self, ledger: Ledger | None) -> Dispatcher:
        config = self._config
        return Dispatcher(
            self._pretend if self._dry_run else self._send,
            accept=self._summary.accepted,
            reject=self._reject_change,
            emit=self._settled,
            failed=self._give_up,
            max_objects=config["max_objects_per_request"],
            concurrency=config["concurrency"],
            # A dry run sends nothing, so it needs no delay.
            max_delay=0.0 if self._dry_run else float(config["dependency_delay"]),
            hold=config["on_unknown_outcome"] == "hold",
            ledger=ledger or self._attempt,
            check=parts.request_check(config, self._client, self._summary.notice, self._canary),
        )

    def _new_dead_letters(self) -> DeadLetters | LoggedLetters | None:
        if self._config["on_error"] != "dead_letter":
            return None
        if self._outcome_log is not None:
            return LoggedLetters(self._attempt, self._config.get("max_dead_letters"))
        return parts.new_dead_letters(self._config)

    def _open_ledger(self) -> Ledger | None:
        return parts.open_ledger(self._config, self._client)

    # Called by delivery, from its threads.

    def _send(self, request: Request, resend: bool) -> Answer:  # noqa: FBT001
        self._summary.sending(request)
        return parts.send(self._client, request, resend=resend)

    def _pretend(self, request: Request, _resend: bool) -> Answer:  # noqa: FBT001
        self._summary.sending(request)
        if self._estimate is not None:
            self._estimate.add(request)
        return Answer(201, {}, b'{"message": "success"}')

    def _settled(self, settled: Callable[[], None]) -> None:
        # A dry run sends nothing, so the next run has to read the same records again.
        if self._dry_run or self._context is None:
            return
        if (recorded := self._attempt or self._context.ledger) is not None:
            recorded.flush()
        settled()

    def _reject(self, record: Record, why: Rejection, user: User | None = None) -> None:
        """Put a record into the dead letters. A dry run only counts it and continues regardless of `on_error`.

        Raises:
            RejectedError: Setting `on_error` is fail, or there are more than `max_dead_letters`.
        """
        if not self._summary.refused(record, why, user):
            return
        if not self._dry_run:
            self._set_aside(record, why)
        elif self._dead_letters is not None:
            self._dead_letters.write(record, why)

    def _set_aside(self, record: Record, why: Rejection) -> None:
        if self._dead_letters is None:
            raise RejectedRecordError(record, why)
        self._dead_letters.write(record, why)
        self._dead_letters.check(self._summary)

    def _reject_change(self, change: Change, why: Rejection) -> None:
        if why.opted_out:
            self._summary.opted_out(change, why)
            return
        for record in change.records:
            self._reject(record, why, change.user)

    def _give_up(self, failure: BaseException) -> None:
        self._client.stop()
        if self._failed is not None:
            self._failed(failure)

    # The end of a run, from the inside out.

    def _end(self, _kind: object, error: BaseException | None, _traceback: object) -> None:
        context = self._running
        for likely_types in context.likely_types.values():
            likely_types.report()
        if error is None or isinstance(error, NotSentError):
            try:
                self._finish(context, ended=error is None)
            except BaseException as reason:
                self._abort(context, reason)
                raise
        else:
            self._abort(context, error)

    def _finish(self, context: Context, *, ended: bool) -> None:
        """Deliver everything that is waiting, except what waits for the end of the input if that has not `ended`."""
        context.hand_over()
        if ended:
            context.defaults.guard.check()
        self._progress.input_ended()
        context.delivery.finish(ended=ended)
        if ended and context.ledger is not None:
            context.ledger.completed()
        if ended:
            self._entries.check()

    def _abort(self, context: Context, reason: BaseException) -> None:
        """Send nothing more. If `reason` is only a stop or an interruption, raise the failure of delivery instead."""
        self._client.stop()
        context.delivery.abort()
        failure = context.delivery.failure
        # An interruption also cuts off a request of the reader.
        is_stopped = isinstance(reason, BrazeError if self._interruptions else StoppedError)
        is_stopped |= reason in self._interruptions
        if is_stopped and failure is not None and failure is not reason and not isinstance(failure, StoppedError):
            raise failure from None

    def _close_dead_letters(self, _kind: object, error: BaseException | None, _traceback: object) -> None:
        if self._dead_letters is not None:
            self._dead_letters.close()
            self._dead_letters.report(self._summary, completed=error is None)

    def _conclude(self, _kind: object, error: BaseException | None, _traceback: object) -> None:
        is_stopped = isinstance(error, KeyboardInterrupt) or error in self._interruptions
        self._run.end("completed" if error is None else "stopped" if is_stopped else "failed", shown(error))
        try:
            if self._attempt is not None:
                self._attempt.close()
            if self._estimate is not None:
                for stream, counts in self._summary.streams.items():
                    counts.data_points, counts.saved_by_coalescing = self._estimate.most_points(stream), 0
            self._summary.log(dry_run=self._dry_run)
            if self._estimate is not None:
                for line in self._estimate.lines(
                    self._config["rate_limit_reserve"], self._client if self._config["preflight"] else None
                ):
                    _log.info("%s", line)
            if self._report is not None:
                self._report.write(self.summary, [*parts.report_notes(self._config, self._dead_letters)])
        finally:
            self._client.stop()
