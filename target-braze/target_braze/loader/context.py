"""Context shared by the streams of one run."""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass, field
from itertools import count
from typing import TYPE_CHECKING, Any

from target_braze.loader.recipients import RecipientCounts

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from target_braze.braze.client import Client
    from target_braze.braze.objects.catalog_contents import CatalogContents
    from target_braze.braze.objects.named_objects import ObjectType, Reader
    from target_braze.delivery.dispatcher import Dispatcher
    from target_braze.guards.canary import Canary
    from target_braze.guards.live_messages import LiveMessages
    from target_braze.ledger.store import Ledger
    from target_braze.loader.lookahead import Lookahead
    from target_braze.mapping.base.stream_mapping import Defaults
    from target_braze.outcome_log.attempt import Attempt
    from target_braze.preview.dry_run import Estimate
    from target_braze.preview.likely_types import LikelyTypes
    from target_braze.preview.preflight import Preflight
    from target_braze.records import Record, Rejection
    from target_braze.reporting.summary import Summary
    from target_braze.settings.stream_config import Entries


@dataclass(frozen=True)
class Context:
    """The parts of a run that its streams need.

    Args:
        reject: Puts a record into the dead letters, or raises RejectedError to end the run.
        estimate: Counts what a dry run would send; None in a run that sends.
        ledger: None without setting `ledger_path`, and in a dry run.
        attempt: Log of what this and earlier attempts at the same records sent; None without an outcome log.
        canary: Watches the first records of each stream; None without setting `canary`, and in a dry run.
        live_messages: Names the live messages that a first load may start; None to skip the check.
        preflight: None unless setting `preflight` is on.
        bulk: Send attributes, events and purchases to /users/track/bulk.
        holds: Reject changes that an earlier run left in doubt instead of sending them again.
        lookahead: Changes that wait until the ledger reads about many; None without a ledger.
        recipients: Counts the recipients of each message.
        positions: Numbers the records of all streams, from 1.
        likely_types: What the text of each stream's first records looks like, by stream.
        named_objects: What Braze has of each type whose objects are found by name.
        listed: Item ids that each version of a stream has listed, for streams of catalog items.
    """

    client: Client
    defaults: Defaults
    delivery: Dispatcher
    entries: Entries
    reject: Callable[[Record, Rejection], None]
    summary: Summary
    estimate: Estimate | None = None
    ledger: Ledger | None = None
    attempt: Attempt | None = None
    canary: Canary | None = None
    live_messages: LiveMessages | None = None
    preflight: Preflight | None = None
    bulk: bool = False
    holds: bool = False
    lookahead: Lookahead | None = None
    recipients: RecipientCounts = field(default_factory=RecipientCounts)
    positions: Iterator[int] = field(default_factory=lambda: count(1))
    likely_types: dict[str, LikelyTypes] = field(default_factory=dict)
    named_objects: dict[ObjectType | CatalogContents, Reader] = field(default_factory=dict)
    listed: defaultdict[tuple[str, Any], set[str]] = field(default_factory=lambda: defaultdict(set))

    def hand_over(self) -> None:
        """Hand to delivery whatever waits for the ledger. Raises like `Lookahead.hand_over`."""
        if self.lookahead is not None:
            self.lookahead.hand_over()

    def drain(self, seconds: float = 0.0) -> bool:
        """Hand over what waits for the ledger, and let delivery drain. Returns and raises like `Dispatcher.drain`."""
        self.hand_over()
        return self.delivery.drain(seconds)

    def before_state(self) -> None:
        """Do what comes before a STATE: hand over what is before it, and write listed members to the ledger."""
        self.recipients.check()
        self.hand_over()
        if self.ledger is not None:
            self.ledger.members.flush()
