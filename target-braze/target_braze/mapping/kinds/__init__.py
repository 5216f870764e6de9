"""One module per value of `to:`, with its settings, endpoint and semantics. List a module here to register it."""

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
from target_braze.mapping.kinds.content import content_blocks, email_templates  # noqa: F401

__all__ = ["KINDS"]
