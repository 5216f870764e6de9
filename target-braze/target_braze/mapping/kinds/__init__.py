"""One module per value of `to:`; each declares its settings, endpoint and semantics. Listing it here registers it."""

from target_braze.mapping.base.stream_mapping import KINDS
from target_braze.mapping.kinds import (  # noqa: F401 - importing a kind registers it
    aliases,
    attributes,
    calls,
    catalog_items,
    cohorts,
    deletions,
    email_hygiene,
    email_status,
    events,
    external_ids,
    identifications,
    merges,
    purchases,
    subscriptions,
)

__all__ = ["KINDS"]
