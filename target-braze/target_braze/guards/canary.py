"""Canary: send the first records of a stream, see what became of them in Braze, and stop if that looks wrong.

A wrong column as the identifier creates a profile for each record, and a wrong type is stored as another value. Both
show in the first records, before millions follow.
"""

from __future__ import annotations

import logging
import threading
from collections import defaultdict
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final, NamedTuple

from target_braze.ledger import verify
from target_braze.ledger.attributes import NOT_VALUES, digest
from target_braze.mapping.coalescing import accumulates
from target_braze.records import GuardError

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Mapping

    from target_braze.braze.changes import Request
    from target_braze.braze.client import Client
    from target_braze.records import User
    from target_braze.reporting.summary import Counts

_log = logging.getLogger("target-braze")

_LEAST: Final = 20
# Records of a share of an input whose size is not known.
_OF_UNKNOWN: Final = 1_000
# Users whose values are kept and compared.
_COMPARED: Final = 1_000

# Delivers all records so far, and waits some seconds more. False if it cannot yet.
Drain = Callable[[float], bool]


class Limits(NamedTuple):
    """The largest shares, from 0 to 1, with which a run goes on."""

    new_profiles: float
    drift: float
    rejected: float


@dataclass
class _Stream:
    """What is known of a stream whose canary is under way."""

    records: int = 0
    size: int = 0
    # How many records have been sent when the canary is over, at least.
    least: int = _LEAST
    looked_up: int = 0
    new: int = 0
    # Values sent to users, by attribute.
    expected: dict[User, dict[str, Any]] = field(default_factory=dict)


class Canary:
    """Watches the first records of each stream. Requests are seen from any thread, records from the reader's.

    Args:
        size: Number of records, or their share of the input, such as `1%`.
        most: When to stop.
        client: API client.
        delay: Seconds until Braze surely shows what it accepted.
        input_size: Returns the size of the input in bytes; None if it is not known.
        operated: Attributes that operators change, so that their values cannot be compared.
    """

    def __init__(
        self,
        size: str,
        most: Limits,
        *,
        client: Client,
        delay: float,
        input_size: Callable[[], int | None],
        operated: Collection[str],
    ) -> None:
        self._share = float(size[:-1]) / 100 if size.endswith("%") else None
        self._count = max(_LEAST, int(size)) if self._share is None else _OF_UNKNOWN
        self._most = most
        self._client = client
        self._delay = delay
        self._input_size = input_size
        self._operated = operated
        self._streams: defaultdict[str, _Stream | None] = defaultdict(_Stream)
        self._lock = threading.Lock()

    def before_record(self, stream: str, counts: Counts, size: int, drain: Drain) -> None:
        """Conclude the canary of a stream if its next record is the first one after it.

        Args:
            stream: Name of the stream.
            counts: Its counts.
            size: Size of the next record's message, in bytes.
            drain: Delivers all records so far; see `Context.drain`.

        Raises:
            GuardError: A share is over its limit.
            BrazeError: A request failed.
            RejectedError: A record was rejected, and that ends the run.
        """
        canary = self._streams[stream]
        if canary is None:
            return
        if self._is_complete(canary) and drain(0.0):
            # Records that change nothing, according to the ledger or the mapping, show nothing.
            if counts.read - counts.unchanged - counts.left_out >= _LEAST:
                self._conclude(stream, canary, counts, drain)
                return
            canary.least = 2 * canary.records
        canary.records += 1
        canary.size += size

    def see(self, request: Request) -> None:
        """Look up which users of a request are new, and remember the attributes, before it is sent.

        Raises:
            BrazeError: A request failed.
        """
        by_stream: defaultdict[str, dict[User, dict[str, Any]]] = defaultdict(dict)
        for change in request:
            stream = change.records[0].stream
            if self._streams.get(stream) is not None and change.user[0] in {"external_id", "user_alias"}:
                values = by_stream[stream].setdefault(change.user, {})
                if change.semantics.sets_attributes:
                    values |= change.fields
        for stream, users in by_stream.items():
            canary = self._streams[stream]
            if canary is None:
                continue
            with self._lock:
                unknown = [user for user in users if user not in canary.expected]
            new = len(unknown) - len(verify.existing(self._client, unknown))
            with self._lock:
                canary.looked_up += len(unknown)
                canary.new += new
                for user, values in users.items():
                    if user in canary.expected or len(canary.expected) < _COMPARED:
                        canary.expected.setdefault(user, {}).update(values)

    def _is_complete(self, canary: _Stream) -> bool:
        if canary.records < canary.least:
            return False
        total = self._input_size() if self._share is not None else None
        if self._share is None or total is None:
            return canary.records >= self._count
        return canary.size >= self._share * total

    def _conclude(self, stream: str, canary: _Stream, counts: Counts, drain: Drain) -> None:
        most = self._most
        of_users = f"of its {canary.looked_up:,} users are new in Braze"
        self._limit(
            stream,
            canary,
            (canary.new, canary.looked_up, most.new_profiles, "canary_max_new_profiles"),
            f"{of_users}, so 'user' probably names the wrong column; check it with `target-braze explain`",
        )
        rejected = counts.rejected + counts.in_doubt
        self._limit(
            stream,
            canary,
            (rejected, counts.read, most.rejected, "canary_max_rejected"),
            f"of its {counts.read:,} records were rejected: see the reasons above or in the dead letters",
        )
        compared, differing = self._compare(canary, drain)
        names = ", ".join(sorted({name for names in differing.values() for name in names})[:_LEAST])
        self._limit(
            stream,
            canary,
            (len(differing), compared, most.drift, "canary_max_drift"),
            f"of {compared:,} users differ in Braze from what was sent ({names}): check the types of these attributes",
        )
        _log.info(
            "stream '%s': the canary of %s records passed: %s of %s users are new, %s rejected, %s of %s differ",
            stream,
            *(f"{number:,}" for number in (canary.records, canary.new, canary.looked_up, rejected)),
            f"{len(differing):,}",
            f"{compared:,}",
        )
        self._streams[stream] = None

    def _limit(self, stream: str, canary: _Stream, found: tuple[int, int, float, str], text: str) -> None:
        count, of, most, setting = found
        if of and count / of > most:
            raise GuardError(
                f"stream '{stream}': the canary stopped the run after {canary.records:,} records: {count:,} "
                f"({count / of:.0%}) {text}. If this is right, raise '{setting}', which is {most:g}. STATE covers only "
                "what was sent"
            )

    def _compare(self, canary: _Stream, drain: Drain) -> tuple[int, dict[str, list[str]]]:
        """Return how many users were compared, and the attributes that differ, by user."""
        sent = {user[1]: values for user, values in canary.expected.items() if user[0] == "external_id" and values}
        differing = self._differing(sent, sent)
        if differing and self._delay:
            _log.info("%d users differ from what was sent; comparing these again in %g s", len(differing), self._delay)
            drain(self._delay)
            differing = self._differing(sent, differing)
        return len(sent), differing

    def _differing(self, sent: Mapping[str, Mapping[str, Any]], ids: Iterable[str]) -> dict[str, list[str]]:
        found = {}
        for external_id, shown in verify.read(self._client, ids):
            names = [
                name
                for name, value in sent[external_id].items()
                if name not in NOT_VALUES and self._differs(name, value, (shown or {}).get(name))
            ]
            if names:
                found[external_id] = names
        return found

    def _differs(self, name: str, value: object, shown: object) -> bool:
        operated = name in self._operated or accumulates(value)
        return verify.compare(name, digest(value), shown, operated=operated) in {"different", "missing"}
