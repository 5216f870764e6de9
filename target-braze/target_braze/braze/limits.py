"""Braze's documented limits on sizes, counts and names, each with its page."""

from __future__ import annotations

from typing import Final

# https://www.braze.com/docs/api/endpoints/user_data/post_user_track/
OBJECTS_PER_REQUEST: Final = 75
# Limits of older contracts (from earlier versions of the page).
TRACK_OBJECTS_OF_OLDER_CONTRACTS: Final = (75, 50)
EXTERNAL_ID_BYTES: Final = 987
# https://www.braze.com/docs/api/objects_filters/user_alias_object/
ALIAS_BYTES: Final = 236

# https://www.braze.com/docs/api/api_limits/: the limit is 4 MB. This is 4,000,000 bytes less a margin.
REQUEST_BYTES: Final = 3_900_000

# https://www.braze.com/docs/api/endpoints/user_data/post_user_track_bulk/; an account's policy may allow
# fewer objects, and a body over 2 MB gets a 400. Here, objects with the same identifier count as one user's.
BULK_OBJECTS: Final = 1_000
BULK_OBJECTS_OF_USER: Final = 100
BULK_REQUEST_BYTES: Final = 1_900_000

# https://www.braze.com/docs/user_guide/data/activation/custom_data/data_types/ covers attributes, nested values
# and event properties. The pages do not mention the standard text fields; we assume the same limit.
STRING_LENGTH: Final = 255
IMAGE_URL_LENGTH: Final = 1_024
ARRAY_ELEMENTS: Final = 500
OBJECT_BYTES: Final = 102_400
EVENT_PROPERTIES_BYTES: Final = 102_400
# https://www.braze.com/docs/api/objects_filters/purchase_object/ (the page on nested objects says 100 KB).
PURCHASE_PROPERTIES_BYTES: Final = 51_200
PURCHASE_QUANTITY: Final = 100
# Our own limit, one full request: a larger number in this column is more likely a mistake than a purchase.
SPLIT_QUANTITY: Final = 75 * PURCHASE_QUANTITY
DEVICE_ID_BYTES: Final = range(8, 256)  # of a push token; post_user_track page
PRODUCT_ID_LENGTH: Final = 255

# Braze stores a time outside these years as text, and drops it inside objects (data_types page).
FIRST_YEAR: Final = 0
LAST_YEAR: Final = 3_000

# https://www.braze.com/docs/user_guide/data/activation/events/custom_events/: Braze blocks a profile with more than
# 20,000 event names or products, and a workspace stores 5,000 products. With this many names, the names probably
# contain data.
MANY_EVENT_NAMES: Final = 1_000
MANY_PRODUCTS: Final = 5_000

# The rules for names are documented only for nested keys and property names. We apply the stricter one to all names.
NAME_LENGTH: Final = 255

# Keys of the attributes object that control how Braze processes it instead of describing the user.
# https://www.braze.com/docs/api/objects_filters/user_attributes_object/
CONTROL_KEYS: Final = frozenset(
    {
        "_merge_objects",
        "_update_existing_only",
        "alias_label",
        "alias_name",
        "braze_id",
        "email_subscription_info",
        "external_id",
        "push_token_import",
        "user_alias",
    }
)

# Braze rejects an object that has one of these in `properties`.
# https://www.braze.com/docs/api/objects_filters/event_object/ and .../purchase_object/
RESERVED_EVENT_PROPERTIES: Final = frozenset({"time", "event_name"})
RESERVED_PURCHASE_PROPERTIES: Final = frozenset({"time", "product_id", "quantity", "event_name", "price", "currency"})

# https://www.braze.com/docs/api/basics/ advises five minutes between dependent calls.
DEPENDENCY_DELAY: Final = 300
# Seconds between two requests that set the same thing for the same user, because Braze does not document their order.
SAME_THING_WAIT: Final = 5
# https://www.braze.com/docs/api/objects_filters/trigger_properties_object/: 50 KB. A KB is 1,000 bytes here, because
# Braze does not say.
MESSAGE_PROPERTIES_BYTES: Final = 50_000
# Users, addresses, aliases or items in a request to the endpoints other than /users/track, each on its page.
ITEMS_PER_REQUEST: Final = 50

# https://www.braze.com/docs/api/endpoints/catalogs/; the page on creating catalogs from CSV files allows 1,000 fields.
CATALOG_FIELDS: Final = 500
NEW_CATALOG_FIELDS: Final = 50
CATALOG_NAME_LENGTH: Final = 250
CATALOG_VALUE_LENGTH: Final = 5_000
CATALOG_ARRAY_ELEMENTS: Final = 100
CATALOG_LEVELS: Final = 50
SELECTION_FILTERS: Final = 4
SELECTION_RESULTS: Final = 50

# https://www.braze.com/docs/api/endpoints/templates/: name, description and content of a Content Block must be below
# these; the body of an email template may have 400 KB. A KB is 1,000 bytes here, because Braze does not say.
CONTENT_BLOCK_NAME_LENGTH: Final = 100
CONTENT_BLOCK_DESCRIPTION_LENGTH: Final = 250
CONTENT_BLOCK_BYTES: Final = 50_000
EMAIL_TEMPLATE_BYTES: Final = 400_001

# All exports of users by id share one rate limit.
EXPORT_IDS_POOL: Final = "users.export.ids"

# https://www.braze.com/docs/api/api_limits/, by pool; contracts differ. Other endpoints share an hourly limit.
_PER_MINUTE: Final = {
    "/users/track": 60_000,  # 3,000 requests in 3 seconds
    "/users/track/bulk": 3_000,  # 50 a second
    "identity": 20_000,
    "external_ids": 1_000,
    "subscriptions": 5_000,
    "catalogs": 50,
    "catalog_fields": 50,
    "catalog_items": 16_000,
    "cdi_sync": 20,
    "send_ids": 100 / (24 * 60),
    "data_objects_bulk": 1_000,
    "data_objects_read": 50,
    "preference_center_writes": 10,
}
_OTHERS_PER_MINUTE: Final = 250_000 / 60


def requests_per_minute(pool: str) -> float:
    """Return the default rate limit of a pool, in requests per minute."""
    return _PER_MINUTE.get(pool, _OTHERS_PER_MINUTE)
