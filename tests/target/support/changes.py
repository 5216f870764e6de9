"""Changes as the kinds create them, for tests of the stages after the mapping."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from target_braze.braze.changes import Change
from target_braze.braze.endpoints import TRACK
from target_braze.mapping.kinds import attributes, events, purchases, subscriptions
from target_braze.mapping.kinds.identities import aliases, deletions

if TYPE_CHECKING:
    from target_braze.braze.changes import Endpoint
    from target_braze.records import Record, User

_SEMANTICS = {
    "attributes": attributes.SEMANTICS,
    "events": events.SEMANTICS,
    "purchases": purchases.SEMANTICS,
    "emails": subscriptions.SEMANTICS,
    "external_ids": deletions.SEMANTICS,
}


def new_change(
    payload_key: str,
    user: User,
    fields: dict[str, Any],
    records: list[Record] | None = None,
    endpoint: Endpoint = TRACK,
    **more: Any,
) -> Change:
    semantics = _SEMANTICS.get(payload_key, aliases.SEMANTICS)
    return Change(payload_key, user, fields, semantics, endpoint, records or [], **more)
