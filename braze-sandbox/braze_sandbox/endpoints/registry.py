"""All endpoints; register a family with one line."""

from __future__ import annotations

from typing import TYPE_CHECKING

from braze_sandbox.endpoints.analytics import definitions, events, segments
from braze_sandbox.endpoints.analytics import kpi as metrics
from braze_sandbox.endpoints.catalogs import catalogs, selections
from braze_sandbox.endpoints.catalogs import items as catalog_items
from braze_sandbox.endpoints.catalogs import structure as catalog_structure
from braze_sandbox.endpoints.data_objects import bulk as data_objects_bulk
from braze_sandbox.endpoints.data_objects import objects as data_objects
from braze_sandbox.endpoints.data_objects import relationships as data_object_relationships
from braze_sandbox.endpoints.data_objects import types as data_object_types
from braze_sandbox.endpoints.email import lists as suppression_lists
from braze_sandbox.endpoints.email import suppression
from braze_sandbox.endpoints.exports import by_ids as export
from braze_sandbox.endpoints.exports import segments as segment_exports
from braze_sandbox.endpoints.messaging import (
    broadcasts,
    campaigns,
    canvases,
    cards,
    content_blocks,
    duplicates,
    links,
    sends,
    templates,
    translations,
)
from braze_sandbox.endpoints.sending import live_activities, schedules
from braze_sandbox.endpoints.sending import send as sending
from braze_sandbox.endpoints.settings import integrations, media_library, push_credentials, scim, sdk_keys
from braze_sandbox.endpoints.subscriptions import lists as subscription_lists
from braze_sandbox.endpoints.subscriptions import preference_centers
from braze_sandbox.endpoints.subscriptions import status as subscriptions
from braze_sandbox.endpoints.users import aliases, deletion, external_ids, merging, track, track_beta

if TYPE_CHECKING:
    from braze_sandbox.request.endpoint import Endpoint

ENDPOINTS: list[Endpoint] = [
    *campaigns.ENDPOINTS,
    *canvases.ENDPOINTS,
    *segments.ENDPOINTS,
    *cards.ENDPOINTS,
    *metrics.ENDPOINTS,
    *events.ENDPOINTS,
    *track.ENDPOINTS,
    *track_beta.ENDPOINTS,
    *aliases.ENDPOINTS,
    *merging.ENDPOINTS,
    *deletion.ENDPOINTS,
    *external_ids.ENDPOINTS,
    *subscriptions.ENDPOINTS,
    *suppression.ENDPOINTS,
    *catalog_structure.ENDPOINTS,
    *catalog_items.ENDPOINTS,
    *export.ENDPOINTS,
    *segment_exports.ENDPOINTS,
    *sends.ENDPOINTS,
    *links.ENDPOINTS,
    *definitions.ENDPOINTS,
    *templates.ENDPOINTS,
    *content_blocks.ENDPOINTS,
    *translations.ENDPOINTS,
    *catalogs.ENDPOINTS,
    *preference_centers.ENDPOINTS,
    *subscription_lists.ENDPOINTS,
    *suppression_lists.ENDPOINTS,
    *broadcasts.ENDPOINTS,
    *sending.ENDPOINTS,
    *schedules.ENDPOINTS,
    *live_activities.ENDPOINTS,
    *integrations.ENDPOINTS,
    *sdk_keys.ENDPOINTS,
    *push_credentials.ENDPOINTS,
    *media_library.ENDPOINTS,
    *scim.ENDPOINTS,
    *selections.ENDPOINTS,
    *duplicates.ENDPOINTS,
    *data_object_types.ENDPOINTS,
    *data_objects_bulk.ENDPOINTS,
    *data_objects.ENDPOINTS,
    *data_object_relationships.ENDPOINTS,
]
