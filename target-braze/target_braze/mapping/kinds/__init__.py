"""One module per value of `to:`, with its settings, endpoint and semantics. List a module here to register it."""

from target_braze.mapping.base.stream_mapping import KINDS
from target_braze.mapping.kinds import (  # noqa: F401 - importing a kind registers it
    aliases,
    attributes,
    calls,
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
from target_braze.mapping.kinds.workspace import (  # noqa: F401
    catalog_items,
    cdi_syncs,
    content_blocks,
    email_templates,
    preference_centers,
    translations,
)

__all__ = ["KINDS"]
