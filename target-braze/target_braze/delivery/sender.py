"""Request sender: sends one request and finds out what Braze did with each change in it."""

from __future__ import annotations

import logging
from collections.abc import Callable
from typing import TYPE_CHECKING

from target_braze.braze.changes import Request
from target_braze.braze.client import BrazeError, ForbiddenError, RefusedError, UnavailableError
from target_braze.delivery.batch_limits import BatchLimits, says_too_many
from target_braze.records import Rejection

if TYPE_CHECKING:
    from collections.abc import Sequence

    from target_braze.braze.changes import Change, Receipt
    from target_braze.braze.client import Answer
    from target_braze.delivery.outcome_record import OutcomeRecord

_log = logging.getLogger("target-braze")

Check = Callable[[Request], tuple[Request, list[tuple["Change", Rejection]]]]


class RequestSender:
    """Delivers requests from any thread; each of their changes ends as accepted, rejected, or in doubt.

    Args:
        send: Posts a request. Its second argument is whether to retry when the outcome is unknown.
        accept: Called with the changes of a request that Braze accepted, and the number of the request.
        reject: Called with each change that Braze refused and the reason; may raise to end the run.
        answered: Called with each answer.
        settled: Called with changes once they are accepted or rejected and the ledger has recorded that.
        hold: When the outcome of a request is unknown, reject the changes that would count twice as in doubt instead of
            sending them again.
        ledger: Records what Braze has accepted, if there is one.
        batch_limits: Lowered when Braze refuses a request as too large.
        check: Called with each request before it is sent. Returns what to send of it, and the changes not to send.
    """

    def __init__(
        self,
        send: Callable[[Request, bool], Answer],
        *,
        accept: Callable[[Sequence[Change], int], None],
        reject: Callable[[Change, Rejection], None],
        answered: Callable[[Answer], None],
        settled: Callable[[Sequence[Change]], None],
        hold: bool,
        ledger: OutcomeRecord | None,
        batch_limits: BatchLimits,
        check: Check | None = None,
    ) -> None:
        self._send = send
        self._check = check
        self._accept = accept
        self._reject = reject
        self._answered = answered
        self._settled = settled
        self._hold = hold
        self._ledger = ledger
        self._batch_limits = batch_limits

    def deliver(self, request: Request) -> None:
        """Send the request after the check, split if necessary.

        Raises:
            BrazeError: The request failed for good, but not because of one of its changes.
        """
        if self._check is not None:
            request, withheld = self._check(request)
            self._conclude(withheld)
            if not request:
                return
        for part in (
            request.divided(lambda change: change.payload_key) if request.endpoint.one_array_per_request else [request]
        ):
            self._deliver(part)

    def _deliver(self, request: Request) -> None:
        """Send the request, then repeat it without the changes that made Braze refuse all of it, until none is left."""
        rejected: list[tuple[Change, Rejection]] = []
        while request:
            refused = self._try(request)
            rejected += refused
            ids = {id(change) for change, _ in refused}
            request = Request.of(request.endpoint, (one for one in request if refused and id(one) not in ids))
        # Do this last, because it may end the run, and by now the other changes are in Braze.
        self._conclude(rejected)

    def _try(self, request: Request) -> list[tuple[Change, Rejection]]:
        """Settle all changes of the request, or return the ones that made Braze refuse all of it."""
        holds = self._hold or request.endpoint.holds
        counted = [change for change in request if not change.repeatable] if holds else []
        try:
            answer, refused = self._ask(request, resend=request.endpoint.repeats_safely or not counted)
        except ForbiddenError as error:
            raise BrazeError(
                f"{error}. The API key lacks the permission '{request.endpoint.permission}', or its IP allowlist does "
                f"not include this machine{request.endpoint.hint}",
                status=error.status,
            ) from None
        except RefusedError as error:
            if request.endpoint.says_repeated(error):
                self._settle_repeated(request, error)
                return []
            if counted and error.in_doubt:
                self._hold_back(request, counted, error)
                return []
            if error.status in request.endpoint.done:
                self._settle(request, [])
                return []
            if error.status not in request.endpoint.refusals:
                raise BrazeError(f"{error}{request.endpoint.hint}", status=error.status) from None
            return self._find_refused(request, error)
        except UnavailableError as error:
            if not (counted and error.in_doubt):
                raise
            self._hold_back(request, counted, error)
        else:
            self._answered(answer)
            rejected = [(change, _refusal(request, text, answer.status)) for change, text in refused]
            self._settle(request, rejected, request.endpoint.receipt(answer))
        return []

    def _ask(self, request: Request, *, resend: bool) -> tuple[Answer, list[tuple[Change, str]]]:
        """Send the request. Return the answer, and the changes that Braze refused with the reasons.

        The ledger first records the changes that must not be sent twice, and forgets them if Braze cannot have received
        them.
        """
        if self._ledger is not None:
            self._ledger.under_way(request.changes)
        try:
            answer = self._send(request, resend)
            return answer, request.endpoint.rejected(request.changes, answer)
        except BrazeError as error:
            if self._ledger is not None:
                if error.in_doubt:
                    self._ledger.doubt(request)
                else:
                    self._ledger.withdraw(request.changes)
            raise

    def _find_refused(self, request: Request, error: RefusedError) -> list[tuple[Change, Rejection]]:
        """Return the changes that Braze refused, or send the request in parts. Braze applied none of its changes."""
        named = request.endpoint.culprits(request.changes, error.body)
        if named:
            return [(change, _refusal(request, text, error.status)) for change, text in named]
        if len(request) > 1 and says_too_many(error):
            self._deliver_in_smaller_batches(request)
            return []
        parts = request.endpoint.divided(request, error)
        if len(parts) == 1:
            why = _refusal(request, str(error), error.status, error.errors)
            return [(change, why) for change in request]
        _log.warning("%s; sending its %d objects in %d requests", error, len(request), len(parts))
        for part in parts:
            self._deliver(part)
        return []

    def _deliver_in_smaller_batches(self, request: Request) -> None:
        limit = self._batch_limits.lower(request.endpoint, len(request))
        for part in request.parts(limit):
            self._deliver(part)
        self._batch_limits.log_once(request.endpoint, len(request))

    def _settle_repeated(self, request: Request, error: RefusedError) -> None:
        """Settle a request that Braze has received before: at an earlier attempt, or from somebody else."""
        if error.in_doubt:
            self._settle(request, [])
            return
        if self._ledger is not None:
            self._ledger.under_way(request.changes)
        self._hold_back(request, request.changes, error)

    def _hold_back(self, request: Request, counted: list[Change], error: BrazeError) -> None:
        """Reject the changes that might count twice as in doubt, and send the others again."""
        why = Rejection(
            f"in doubt: Braze may or may not have it, because its request failed: {error}",
            "; ".join(error.errors) or None,
            error.status,
            in_doubt=True,
            request=request.number,
        )
        self._conclude([(change, why) for change in counted])
        self._deliver(Request.of(request.endpoint, (change for change in request if change.repeatable)))

    def _settle(
        self, request: Request, rejected: list[tuple[Change, Rejection]], receipt: Receipt | None = None
    ) -> None:
        refused = {id(change) for change, _ in rejected}
        accepted = [change for change in request if id(change) not in refused] if refused else request.changes
        if self._ledger is not None:
            self._ledger.settle(accepted, "accepted", receipt)
        self._accept(accepted, request.number)
        self._settled(accepted)
        self._conclude(rejected)

    def _conclude(self, rejected: Sequence[tuple[Change, Rejection]]) -> None:
        # The ledger knows all of them before the first one, which may end the run.
        if self._ledger is not None:
            for change, why in rejected:
                self._ledger.settle([change], "in doubt" if why.in_doubt else "rejected")
        for change, why in rejected:
            self._reject(change, why)
            self._settled([change])


def _refusal(request: Request, text: str, status: int | None, errors: tuple[str, ...] = ()) -> Rejection:
    return Rejection(f"Braze refused it: {text}", "; ".join(errors) or text, status, request=request.number)
