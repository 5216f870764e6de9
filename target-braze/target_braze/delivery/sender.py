"""The courier: sends one request and finds out, change by change, what became of it."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING, Final

from target_braze.braze.changes import Request
from target_braze.braze.client import BrazeError, ForbiddenError, RefusedError, UnavailableError
from target_braze.delivery.batch_limits import Ceilings, says_too_many
from target_braze.records import Rejection

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from target_braze.braze.changes import Change
    from target_braze.braze.client import Answer
    from target_braze.ledger.store import Ledger

_log = logging.getLogger("target-braze")

# The answers to a request that one change in it can be the reason for.
_GUILTY_CHANGE: Final = frozenset({400, 413})


class Courier:
    """Delivers requests from any thread; every change of one ends as accepted, rejected or in doubt.

    `send` posts one request, also a second time where the outcome is unknown if its second argument says so; `accept`
    is told of the changes of a request that Braze took, `reject` of each that it refused, and why, and may raise to
    end the run. Then, when the `ledger` has it too, `settled` is told. `answered` is told of each answer.

    With `hold`, changes that would count twice are not sent again when it is unknown whether Braze has them, but
    rejected as in doubt.
    """

    def __init__(
        self,
        send: Callable[[Request, bool], Answer],
        *,
        accept: Callable[[Sequence[Change]], None],
        reject: Callable[[Change, Rejection], None],
        answered: Callable[[Answer], None],
        settled: Callable[[Sequence[Change]], None],
        hold: bool,
        ledger: Ledger | None,
        ceilings: Ceilings,
    ) -> None:
        self._send = send
        self._accept = accept
        self._reject = reject
        self._answered = answered
        self._settled = settled
        self._hold = hold
        self._ledger = ledger
        self._ceilings = ceilings

    def deliver(self, request: Request) -> None:
        """Send the request, in parts where it has to be.

        Raises:
            BrazeError: it failed for good, and not by a change in it.
        """
        for part in request.divided(lambda change: change.payload_key) if request.endpoint.one_array else [request]:
            self._deliver(part)

    def _deliver(self, request: Request) -> None:
        """Send the request, again without those that Braze blames for refusing all of it, until nothing is left."""
        rejected: list[tuple[Change, Rejection]] = []
        while request:
            guilty = self._try(request)
            rejected += guilty
            blamed = {id(change) for change, _ in guilty}
            request = Request.of(request.endpoint, (one for one in request if guilty and id(one) not in blamed))
        # What is good is in Braze before this may end the run.
        for change, why in rejected:
            self._conclude(change, why)

    def _try(self, request: Request) -> list[tuple[Change, Rejection]]:
        """Settle all changes of the request, or return those for whose sake nothing of it was applied."""
        counted = [change for change in request if not change.repeatable] if self._hold else []
        try:
            answer, guilty = self._ask(request, resend=not counted)
        except ForbiddenError as error:
            raise BrazeError(
                f"{error}. The API key lacks the permission '{request.endpoint.permission}', or does not allow this "
                f"machine's address{request.endpoint.hint}",
                status=error.status,
            ) from None
        except RefusedError as error:
            if error.status not in _GUILTY_CHANGE:
                raise BrazeError(f"{error}{request.endpoint.hint}", status=error.status) from None
            return self._find_guilty(request, error)
        except UnavailableError as error:
            if not (counted and error.in_doubt):
                raise
            self._hold_back(request, counted, error)
        else:
            self._answered(answer)
            self._settle(request, [(change, _refusal(text, answer.status)) for change, text in guilty])
        return []

    def _ask(self, request: Request, *, resend: bool) -> tuple[Answer, list[tuple[Change, str]]]:
        """Send the request; answer which changes Braze refuses, and why, beside its answer.

        What must not be sent twice is noted before, for as long as Braze may have it.
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

    def _find_guilty(self, request: Request, error: RefusedError) -> list[tuple[Change, Rejection]]:
        """Return the changes to blame, or send the request in parts: nothing of it was applied."""
        named = request.endpoint.culprits(request.changes, error.body)
        if named:
            return [(change, _refusal(text, error.status)) for change, text in named]
        if len(request) > 1 and says_too_many(error):
            self._deliver_within_ceiling(request)
            return []
        parts = request.endpoint.divided(request, error)
        if len(parts) == 1:
            why = _refusal(str(error), error.status, error.errors)
            return [(change, why) for change in request]
        _log.warning("%s; sending its %d objects in %d requests", error, len(request), len(parts))
        for part in parts:
            self._deliver(part)
        return []

    def _deliver_within_ceiling(self, request: Request) -> None:
        ceiling = self._ceilings.lower(request.endpoint, len(request))
        for part in request.parts(ceiling):
            self._deliver(part)
        self._ceilings.tell(request.endpoint, len(request))

    def _hold_back(self, request: Request, counted: list[Change], error: UnavailableError) -> None:
        """Do not send again what might count twice; the rest may be sent again."""
        why = Rejection(
            f"it is in doubt whether Braze has it, for its request failed: {error}",
            "; ".join(error.errors) or None,
            error.status,
            in_doubt=True,
        )
        for change in counted:
            self._conclude(change, why)
        self._deliver(Request.of(request.endpoint, (change for change in request if change.repeatable)))

    def _settle(self, request: Request, rejected: list[tuple[Change, Rejection]]) -> None:
        guilty = {id(change) for change, _ in rejected}
        accepted = [change for change in request if id(change) not in guilty] if guilty else request.changes
        if self._ledger is not None:
            self._ledger.settle(accepted, "accepted")
        self._accept(accepted)
        self._settled(accepted)
        for change, why in rejected:
            self._conclude(change, why)

    def _conclude(self, change: Change, why: Rejection) -> None:
        if self._ledger is not None:
            self._ledger.settle([change], "in doubt" if why.in_doubt else "rejected")
        self._reject(change, why)
        self._settled([change])


def _refusal(text: str, status: int | None, errors: tuple[str, ...] = ()) -> Rejection:
    return Rejection(f"Braze refused it: {text}", "; ".join(errors) or text, status)
