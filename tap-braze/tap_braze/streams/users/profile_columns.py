"""Columns of profiles, and the fields that an export requests."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from singer_sdk import typing as th

from tap_braze.streams.base import columns

if TYPE_CHECKING:
    from tap_braze.settings.users import Users

BRAZE_ID: Final = "braze_id"
EXPORTED_AT: Final = "exported_at"
CUSTOM_ATTRIBUTES: Final = "custom_attributes"

# Not requested unless named: the first two are the largest, make /users/export/ids ten times slower, and have streams
# of their own; the last is missing from every list of valid fields.
NAMED_ONLY: Final = frozenset({"campaigns_received", "canvases_received", "cards_clicked"})
# Braze sends these with `push_subscribe` and `email_subscribe`; they cannot be requested.
_SUBSCRIPTION_TIMES: Final = ("push_opted_in_at", "push_unsubscribed_at", "email_opted_in_at", "email_unsubscribed_at")
UNASKED: Final = frozenset({EXPORTED_AT, columns.EXTRA, *_SUBSCRIPTION_TIMES})


# In every stream made from profiles.
PROFILE: Final = (
    columns.key(BRAZE_ID, "Braze ID of the profile."),
    th.Property("external_id", th.StringType, description="External ID of the user; anonymous users have none."),
    columns.moment(EXPORTED_AT, "When the export started."),
)


def _text(name: str, description: str) -> th.Property[Any]:
    return th.Property(name, th.StringType, description=description)


def _objects(name: str, description: str, *properties: th.Property[Any]) -> th.Property[Any]:
    """Return a column with a list of objects, to which Braze may add fields."""
    return th.Property(
        name, th.ArrayType(th.ObjectType(*properties, additional_properties=True)), description=description
    )


DEVICE: Final[list[th.Property[Any]]] = [
    _text("model", "Model."),
    _text("os", "Operating system."),
    _text("carrier", "Carrier."),
    _text("idfv", "Identifier for vendors, on iOS."),
    _text("idfa", "Identifier for advertisers, on iOS."),
    _text("device_id", "Identifier of the device, on Android."),
    _text("google_ad_id", "Google's advertising ID, on Android."),
    _text("roku_ad_id", "Roku's advertising ID."),
    th.Property("ad_tracking_enabled", th.BooleanType, description="Whether ad tracking is on."),
]

STEPS_RECEIVED: Final = _objects(
    "steps_received",
    "Steps that the user received.",
    _text("name", "Name of the step."),
    _text("api_canvas_step_id", "API identifier of the step."),
    _text("last_received", "When the user last did."),
)


def first_last_count() -> list[th.Property[Any]]:
    """Return the columns with the first time, the last time and the count."""
    return [
        columns.moment("first", "When it first happened."),
        columns.moment("last", "When the user last did."),
        th.Property("count", th.IntegerType, description="All-time count."),
    ]


# https://www.braze.com/docs/api/endpoints/export/user_data/post_users_segment/#fields-to-export
SCHEMA: Final = columns.schema(
    *PROFILE,
    _objects(
        "user_aliases", "Aliases.", _text("alias_name", "The alias."), _text("alias_label", "Label of the alias.")
    ),
    columns.moment("created_at", "When the profile was created."),
    _text("created_from", "What created it, such as an SDK, the REST API or a CSV import."),
    _text("first_name", "First name."),
    _text("last_name", "Last name."),
    _text("email", "Email address."),
    _text("phone", "Phone number, in E.164 form or as it was imported."),
    _text("dob", "Date of birth."),
    _text("gender", "`M`, `F`, `O`, `N` or `P`."),
    _text("country", "Country (ISO 3166-1 alpha-2)."),
    _text("home_city", "Home city."),
    _text("language", "Language (ISO 639-1)."),
    _text("time_zone", "Time zone."),
    th.Property(
        "last_coordinates",
        th.ArrayType(th.NumberType),
        description="Last known location as two numbers; the docs contradict each other on their order.",
    ),
    th.Property("random_bucket", th.IntegerType, description="The user's random bucket."),
    th.Property("total_revenue", th.NumberType, description="Revenue in US dollars."),
    columns.moment("uninstalled_at", "When the app was uninstalled."),
    _text("push_subscribe", "Push subscription state: `opted_in`, `subscribed` or `unsubscribed`."),
    columns.moment("push_opted_in_at", "When the user opted in to push."),
    columns.moment("push_unsubscribed_at", "When the user unsubscribed from push."),
    _text("email_subscribe", "Email subscription state: `opted_in`, `subscribed` or `unsubscribed`."),
    columns.moment("email_opted_in_at", "When the user opted in to email."),
    columns.moment("email_unsubscribed_at", "When the user unsubscribed from email."),
    _text("attributed_campaign", "Campaign that the install is attributed to."),
    _text("attributed_source", "Source that the install is attributed to."),
    _text("attributed_adgroup", "Ad group that the install is attributed to."),
    _text("attributed_ad", "Ad that the install is attributed to."),
    columns.open_object(
        CUSTOM_ATTRIBUTES, "Custom attributes by name; the type of an attribute can differ between users."
    ),
    _objects("custom_events", "Custom events of the last 90 days.", _text("name", "Name."), *first_last_count()),
    _objects(
        "purchases", "Products purchased in the last 90 days.", _text("name", "The product."), *first_last_count()
    ),
    _objects(
        "devices",
        "Devices.",
        *DEVICE,
    ),
    _objects(
        "push_tokens",
        "Push tokens.",
        _text("app", "Name of the app."),
        _text("platform", "Platform of the app."),
        _text("token", "The token."),
        _text("device_id", "Identifier of the device."),
        th.Property(
            "notifications_enabled", th.BooleanType, description="Whether foreground push is enabled for the token."
        ),
        th.Property(
            "provisionally_opted_in", th.BooleanType, description="Whether the token is provisionally opted in."
        ),
    ),
    _objects(
        "apps",
        "Apps with sessions.",
        _text("name", "Name of the app."),
        _text("platform", "Platform of the app."),
        _text("version", "Version of the app."),
        th.Property(
            "sessions",
            th.CustomType({"type": ["integer", "string", "null"]}),
            description="Number of sessions; a string in some exports.",
        ),
        _text("first_used", "When the user first used it."),
        _text("last_used", "When the user last did."),
    ),
    _objects(
        "campaigns_received",
        "Campaigns received in the last 90 days; `user_campaigns_received` has them in rows.",
        _text("name", "Name of the campaign."),
        _text("api_campaign_id", "API identifier of the campaign."),
        _text("last_received", "When the user last did."),
        columns.open_object("engaged", "What the user did, such as `opened_email`."),
        th.Property("converted", th.BooleanType, description="Whether the user converted."),
        columns.open_object("multiple_converted", "Whether the user converted, by conversion event."),
        _text("variation_name", "Name of the variation."),
        _text("variation_api_id", "API identifier of the variation."),
        th.Property("in_control", th.BooleanType, description="Whether the user is in the control group."),
    ),
    _objects(
        "canvases_received",
        "Canvases received in the last 90 days; `user_canvases_received` has them in rows.",
        _text("name", "Name of the Canvas."),
        _text("api_canvas_id", "API identifier of the Canvas."),
        _text("variation_name", "Name of the variant."),
        _text("last_received_message", "When the user last received a message of it."),
        _text("last_entered", "When the user last entered."),
        _text("last_exited", "When the user last exited."),
        _text("last_entered_control_at", "When the user last entered the control group."),
        th.Property("in_control", th.BooleanType, description="Whether the user is in the control group."),
        STEPS_RECEIVED,
    ),
    _objects("cards_clicked", "Cards clicked.", _text("name", "Name of the card.")),
)


def asked(settings: Users) -> list[str]:
    """Return the profile fields that the setting `users` requests."""
    if not settings.fields:
        return [name for name in SCHEMA["properties"] if name not in NAMED_ONLY | UNASKED]
    named = [*settings.fields, *([CUSTOM_ATTRIBUTES] if settings.custom_attributes else [])]
    return list(dict.fromkeys([BRAZE_ID, *named]))
