"""One module per value of `to:`, with its settings, endpoint and semantics. List a module here to register it."""

from target_braze.mapping.base.stream_mapping import KINDS
from target_braze.mapping.kinds import (  # noqa: F401 - importing a kind registers it
    attributes,
    calls,
    cohorts,
    email_hygiene,
    email_status,
    events,
    purchases,
    push_token_imports,
    subscriptions,
)
from target_braze.mapping.kinds.identities import (  # noqa: F401
    aliases,
    deletions,
    external_ids,
    identifications,
    merges,
)
from target_braze.mapping.kinds.messages import (  # noqa: F401
    campaign_triggers,
    canvas_triggers,
    message_schedules,
    transactional_emails,
)
from target_braze.mapping.kinds.workspace import (  # noqa: F401
    catalog_deletions,
    catalog_field_deletions,
    catalog_items,
    catalog_selections,
    cdi_syncs,
    content_blocks,
    data_object_relationships,
    data_object_user_relationships,
    data_objects,
    email_templates,
    preference_centers,
    sends,
    translations,
)

__all__ = ["KINDS"]
