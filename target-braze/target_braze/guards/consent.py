"""Consent never goes backwards: leave out opt-ins where the person has opted out since.

An opt-out of unknown time counts as later than any opt-in, because sending to people who opted out is worse than not
sending to people who opted in again.
"""

from __future__ import annotations

import math
import sys
import threading
from collections import OrderedDict
from datetime import datetime, timezone
from typing import TYPE_CHECKING, Final

from target_braze.braze.changes import Request
from target_braze.braze.consent import EMAIL, PUSH
from target_braze.guards.opt_outs import NEVER, UNDATED, Choice
from target_braze.records import Rejection

if TYPE_CHECKING:
    from collections.abc import Mapping

    from target_braze.braze.changes import Change
    from target_braze.guards.opt_outs import OptOuts

# Opt-outs to remember; an older one is read again.
_REMEMBERED: Final = 100_000
# When a person chose whose record does not say so: before every opt-out with a time.
_UNKNOWN: Final = -sys.float_info.max


class ConsentGuard:
    """Checks the opt-ins of requests before they are sent, from any thread.

    It remembers the opt-outs that it found, and those that the run itself sends. That somebody has not opted out is not
    remembered, because a run may take hours.
    """

    def __init__(self, opt_outs: OptOuts) -> None:
        self._opt_outs = opt_outs
        self._known: OrderedDict[Choice, float] = OrderedDict()
        self._lock = threading.Lock()

    def check(self, request: Request) -> tuple[Request, list[tuple[Change, Rejection]]]:
        """Return the request without opt-ins that would undo an opt-out, and the changes with nothing left to send.

        Other changes lose their opt-ins and get the reason as `withheld`.

        Raises:
            BrazeError: A request about opt-outs failed.
        """
        wanted: dict[Choice, str | None] = {}
        opting_in: list[tuple[Change, list[str]]] = []
        for change in request:
            if choices := change.choices:
                if opt_ins := [about for about, opts_in in choices.items() if opts_in]:
                    address = change.fields.get("email")
                    wanted |= {Choice(change.user, about): address for about in opt_ins}
                    opting_in.append((change, opt_ins))
                self._remember_opt_outs(change, choices)
        if not opting_in:
            return request, []
        known = self._look_up(wanted)
        conflicts = {
            id(change): (change, about)
            for change, opt_ins in opting_in
            if (about := [one for one in opt_ins if known[Choice(change.user, one)] >= _chosen_at(change, one)])
        }
        if not conflicts:
            return request, []
        withheld = []
        for change, about in conflicts.values():
            why = _reason(change, about, known)
            consent = change.semantics.consent
            fields = consent.without(change.fields, about) if consent is not None else None
            if fields is None:
                withheld.append((change, why))
            else:
                change.replace(fields)
                # The ledger must not take the whole record for accepted.
                change.object_hash = None
                change.withheld = why
        gone = {id(change) for change, _ in withheld}
        return Request.of(request.endpoint, [change for change in request if id(change) not in gone]), withheld

    def _look_up(self, wanted: Mapping[Choice, str | None]) -> dict[Choice, float]:
        with self._lock:
            known = {choice: self._known[one] for choice in wanted if (one := _spelled_alike(choice)) in self._known}
        if new := {choice: address for choice, address in wanted.items() if choice not in known}:
            found = self._opt_outs.of(new)
            known |= found
            with self._lock:
                for choice, opted_out in found.items():
                    if opted_out != NEVER:
                        self._remember(choice, opted_out)
        return known

    def _remember_opt_outs(self, change: Change, choices: Mapping[str, bool]) -> None:
        times = change.chosen_at or {}
        with self._lock:
            for about, opts_in in choices.items():
                if not opts_in:
                    at = times.get(about)
                    self._remember(Choice(change.user, about), UNDATED if at is None else at)

    def _remember(self, choice: Choice, opted_out: float) -> None:
        one = _spelled_alike(choice)
        self._known[one] = max(opted_out, self._known.pop(one, NEVER))
        if len(self._known) > _REMEMBERED:
            self._known.popitem(last=False)


def _spelled_alike(choice: Choice) -> Choice:
    """Return the choice with one spelling of an email address: it is the same person's, however it is written."""
    kind, *identifiers = choice.user
    return choice._replace(user=(kind, identifiers[0].casefold())) if kind == "email" else choice


def _chosen_at(change: Change, about: str) -> float:
    at = (change.chosen_at or {}).get(about)
    return _UNKNOWN if at is None else at


def _reason(change: Change, about: list[str], known: Mapping[Choice, float]) -> Rejection:
    names = [f"'{one}'" if one in {EMAIL, PUSH} else f"subscription group {one}" for one in about]
    opted_out = max(known[Choice(change.user, one)] for one in about)
    when = "" if math.isinf(opted_out) else f" at {datetime.fromtimestamp(opted_out, timezone.utc).isoformat()}"
    return Rejection(
        f"consent_conflict: the opt-in to {' and '.join(names)} is not sent, because Braze has an opt-out that may be "
        "later",
        f"opted out{when}",
        opted_out=True,
    )
