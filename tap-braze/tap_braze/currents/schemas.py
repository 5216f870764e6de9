"""Event types of Currents and the JSON Schema of their events: known fields plus those that a file declares.

`event_types.txt` lists the known fields. Every field except `id` and `time` may be null, because Braze sometimes makes
required fields optional.
https://www.braze.com/docs/user_guide/data/distribution/braze_currents/event_glossary/
"""

from __future__ import annotations

import hashlib
import re
from importlib import resources
from typing import TYPE_CHECKING, Any, Final, TypeAlias

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

Properties: TypeAlias = "dict[str, dict[str, Any]]"

LONGEST_NAME: Final = 63  # bytes, in PostgreSQL
_HASH: Final = 8

REQUIRED: Final = ("id", "time")

# Columns of `currents_events`; the payload holds an event's other fields.
COMMON: Final = (
    "id",
    "time",
    "user_id",
    "external_user_id",
    "device_id",
    "app_id",
    "app_group_id",
    "campaign_id",
    "canvas_id",
)

_TEXTS: Final = {"type": ["array", "null"], "items": {"type": ["string", "null"]}}

_TYPES: Final[dict[str, tuple[str, ...]]] = {
    "integer": (
        "time",
        "time_ms",
        "send_time",
        "random_bucket_number",
        "prev_random_bucket_number",
        "ios_push_token_apns_gateway",
        "push_token_created_at",
        "push_token_updated_at",
        "conversion_behavior_index",
        "attempt_count",
        "http_status_code",
        "content_length",
        "retry_count",
        "webhook_duration",
        "prompt_tokens",
        "completion_tokens",
        "total_tokens",
        "cache_tokens",
        "reasoning_tokens",
    ),
    "number": ("price", "duration", "latitude", "longitude", "altitude", "ll_accuracy", "alt_accuracy"),
    "boolean": (
        "ad_tracking_enabled",
        "archived",
        "cache_hit",
        "has_url_parameters",
        "in_control_group",
        "is_amp",
        "is_canvas_entry",
        "is_drop",
        "is_error",
        "is_sms_fallback",
        "is_suspected_bot_click",
        "is_terminal",
        "is_unique",
        "link_aliasing_enabled",
        "llm_owned_by_customer",
        "push_token_foreground_push_disabled",
        "push_token_provisionally_opted_in",
    ),
}
_TYPE_OF: Final = {name: kind for kind, names in _TYPES.items() for name in names}
_LISTS: Final = ("media_urls", "suspected_bot_click_reason")

_MEANINGS: Final = {
    "id": "Unique ID of the event.",
    "time": "When it happened, in seconds since 1970 (UTC). Events may arrive long after it.",
    "time_ms": "When it happened, in milliseconds since 1970 (UTC).",
    "user_id": "Braze's own ID of the user: the `braze_id` of the REST API.",
    "external_user_id": "External ID of the user; null if the profile has none.",
    "device_id": "ID of the device.",
    "app_group_id": "API identifier of the workspace.",
    "app_id": "API identifier of the app.",
    "timezone": "Time zone of the user, as an IANA name.",
    "campaign_id": "API identifier of the campaign.",
    "campaign_name": "Name of the campaign; null or stale for up to an hour after an edit.",
    "message_variation_id": "API identifier of the message variation.",
    "canvas_id": "API identifier of the Canvas.",
    "canvas_name": "Name of the Canvas; null or stale for up to an hour after an edit.",
    "canvas_variation_id": "API identifier of the Canvas variant.",
    "canvas_step_id": "API identifier of the Canvas step.",
    "canvas_step_message_variation_id": "API identifier of the message variation in the Canvas step.",
    "app_group_api_id": "Deprecated, null.",
    "canvas_api_id": "Deprecated, null.",
    "canvas_variation_api_id": "Deprecated, null.",
    "canvas_step_api_id": "Deprecated, null.",
    "send_id": "ID of the send.",
    "dispatch_id": "ID of one dispatch of a message.",
    "platform": "`ios`, `android`, `kindle`, `web`, `tvos` or `roku`.",
    "ad_id_type": "`ios_idfa`, `google_ad_id`, `windows_ad_id` or `roku_ad_id`.",
    "gender": "`M`, `F`, `O`, `N` or `P`.",
    "properties": "Properties, as a string of JSON.",
    "custom_attributes": "Custom attributes that changed, as a string of JSON.",
    "message_extras": "Extras of the message, as a string of JSON.",
    "conversion_behavior": "The conversion event, as a string of JSON.",
    "flow_response_json": "Response to the flow, as a string of JSON.",
    "tool_arguments": "Arguments of the tool, as a string of JSON.",
    "price": "Price, with the precision of the file's 32-bit number.",
    "duration": "Seconds of a session; milliseconds of an agent's run.",
    "machine_open": "The string `true` if a machine opened it.",
    "is_suspected_bot_click": "Whether Braze suspects a bot; null if it does not filter bots.",
    "abort_log": "Why it was aborted, in at most 128 characters.",
    "esp": "SparkPost, SendGrid or Amazon SES.",
    "subscription_status": "`Subscribed`, `Unsubscribed` or `Opted In`.",
    "push_token_state_change_type": "`add`, `update` or `remove`.",
    "button_action_type": "`uri`, `deep_link`, `none` or `close`; null if no button was pressed.",
    "live_activity_event_type": "`start`, `update` or `end`.",
    "ios_push_token_apns_gateway": "1 is development, 2 is production.",
    "orphaned_by_id": "The `user_id` of the profile that it was merged into.",
    "user_phone_number": "Phone number of the user, in E.164.",
    "to_phone_number": "Phone number of the user, in E.164.",
}


def known_as(event_type: str) -> str:
    """Return an event type as Braze documents it; folder names may differ in case."""
    return _BY_LOWER_CASE.get(event_type.lower(), event_type)


def stream_name(event_type: str) -> str:
    """Return the stream name of an event type: `users.messages.email.SoftBounce` becomes `…_email_soft_bounce`.

    Databases truncate long names, which can merge two tables into one, so a long name ends with a hash of the event
    type.
    """
    name = "currents_" + re.sub(r"(?<=[a-z0-9])(?=[A-Z])", "_", event_type).replace(".", "_").lower()
    return name if len(name.encode()) <= LONGEST_NAME else hashed_name(name, event_type)


def stream_names(event_types: Iterable[str]) -> dict[str, str]:
    """Return the stream name of each event type. If two would share one, the type that is not known gets a hash."""
    names: dict[str, str] = {}
    for each in sorted(event_types, key=lambda each: (each not in EVENT_TYPES, each)):
        name = stream_name(each)
        names[each] = hashed_name(name, each) if name in names.values() else name
    return names


def hashed_name(name: str, event_type: str) -> str:
    """Return a name that no other event type has."""
    end = hashlib.sha256(event_type.encode(errors="surrogateescape")).hexdigest()[:_HASH]
    return name.encode()[: LONGEST_NAME - _HASH - 1].decode(errors="ignore") + f"_{end}"


def of_event_type(event_type: str) -> dict[str, Any]:
    """Return the schema of an event type's stream, as far as it is known."""
    return _schema({name: _property(name) for name in EVENT_TYPES.get(event_type, REQUIRED)})


def of_all_events() -> dict[str, Any]:
    """Return the schema of `currents_events`."""
    event_type = {"type": ["string"], "description": "Event type, such as `users.messages.email.Open`."}
    payload = {
        "type": ["object", "null"],
        "additionalProperties": True,
        "description": "The other fields of the event that are not null; strings of JSON stay strings.",
    }
    schema = _schema({"event_type": event_type, **{name: _property(name) for name in COMMON}, "payload": payload})
    schema["required"] = ["event_type", *schema["required"]]
    return schema


def extended(known: Properties, declared: Mapping[str, list[str]]) -> Properties | None:
    """Return a schema's properties plus the new ones that a file declares; None if there are none."""
    found = dict(known)
    for name, kinds in declared.items():
        if name not in known:
            found[name] = _property(name, kinds)
        elif new := _foreign(known[name]["type"], kinds):
            found[name] = {**known[name], "type": [*new, *known[name]["type"]]}
    return found if found != known else None


def _foreign(known: Iterable[str], kinds: Iterable[str]) -> list[str]:
    admitted = {*known, "null", *(["integer"] if "number" in known else [])}
    return [kind for kind in kinds if kind not in admitted]


def _property(name: str, kinds: Iterable[str] | None = None) -> dict[str, Any]:
    kinds = list(kinds or (["array"] if name in _LISTS else [_TYPE_OF.get(name, "string")]))
    nullable = [] if name in REQUIRED else ["null"]
    described = {"description": _MEANINGS[name]} if name in _MEANINGS else {}
    inner = {"items": _TEXTS["items"]} if name in _LISTS else {}
    return {"type": [*kinds, *nullable], **inner, **described}


def _schema(properties: Properties) -> dict[str, Any]:
    return {"type": "object", "properties": properties, "required": list(REQUIRED)}


def _read() -> dict[str, tuple[str, ...]]:
    groups: dict[str, list[str]] = {}
    found = {}
    text = resources.files(__package__).joinpath("event_types.txt").read_text("utf-8")
    for line in text.splitlines():
        name, colon, fields = line.partition(":")
        if not colon or name.startswith("#"):
            continue
        if name.isupper():
            groups[name] = fields.split()
        else:
            found[name] = tuple(name for word in fields.split() for name in groups.get(word, [word]))
    return found


EVENT_TYPES: Final = _read()
_BY_LOWER_CASE: Final = {name.lower(): name for name in EVENT_TYPES}
"""Names of the fields of each known event type."""
