"""Checks that make Braze refuse a /users/track object (docs: post_user_track, event_object, purchase_object)."""

from __future__ import annotations

from sys import float_info
from typing import TYPE_CHECKING, Any
from uuid import UUID

from braze_sandbox.rules.codes import CURRENCIES
from braze_sandbox.rules.ecommerce import check_ecommerce
from braze_sandbox.rules.identity import Rejected, as_text, check_email, identify
from braze_sandbox.rules.values import STRING, parse_time, stored_bytes

if TYPE_CHECKING:
    from collections.abc import Callable
    from datetime import datetime

    from braze_sandbox.model.workspace import Workspace
    from braze_sandbox.rules.identity import Identity
    from braze_sandbox.wire.answer import Json

EVENT_PROPERTIES_BYTES = 102_400
PURCHASE_PROPERTIES_BYTES = 51_200
RESERVED_OF_EVENTS = frozenset({"time", "event_name"})
RESERVED_OF_PURCHASES = frozenset({"time", "product_id", "quantity", "event_name", "price", "currency"})
QUANTITY = 100
DEVICE_ID_BYTES = range(8, 256)
_STATES = ("subscribed", "unsubscribed", "opted_in")


def check_user(obj: Json, workspace: Workspace) -> Identity | None:
    """Return an object's identifier; None for an import of an anonymous push token."""
    if not isinstance(obj, dict):
        raise Rejected("not an object")
    update_only = obj.get("_update_existing_only")
    if update_only is not None and not isinstance(update_only, bool):
        raise Rejected("'_update_existing_only' must be a boolean")
    if obj.get("push_token_import") is True:
        if not obj.get("push_tokens") or obj.get("external_id") is not None or obj.get("braze_id") is not None:
            raise Rejected("BAD_PUSH_TOKEN_IMPORT")
        return None
    identity = identify(obj)
    if identity.kind == "external_id" and identity.value in workspace.blocked_external_ids:
        raise Rejected("provided external_id is blacklisted and disallowed")
    return identity


def check_attributes(obj: dict[str, Any], workspace: Workspace) -> None:
    """Reject the whole attributes object if a field has an error code (docs silent)."""
    for name, check in _FIELDS.items():
        if obj.get(name) is not None:
            check(obj[name], workspace)
    for name in ("email_subscribe", "push_subscribe"):
        # null is not a valid state either.
        if name in obj and obj[name] not in _STATES:
            raise Rejected(f"BAD_{name.split('_')[0].upper()}_SUBSCRIPTION_STATE")
    if "email_subscription_info" in obj:
        raise Rejected("INVALID_ATTRIBUTE_EMAIL_SUBSCRIPTION_INFO")


def _location(value: object, _workspace: Workspace) -> None:
    if not isinstance(value, dict) or not all(
        isinstance(value.get(name), (int, float)) and not isinstance(value.get(name), bool)
        for name in ("longitude", "latitude")
    ):
        raise Rejected("BAD_LOCATION_UPDATE")


def _push_tokens(value: object, workspace: Workspace) -> None:
    if not isinstance(value, list) or not all(isinstance(token, dict) for token in value):
        raise Rejected("BAD_PUSH_TOKEN_VALUE")
    for token in value:
        if token.get("app_id") not in workspace.apps:
            raise Rejected("BAD_PUSH_TOKEN_APP_ID")
        if not isinstance(token.get("token"), str):
            raise Rejected("BAD_PUSH_TOKEN_STRING")
        device = token.get("device_id")
        if device is not None and (not isinstance(device, str) or len(device.encode()) not in DEVICE_ID_BYTES):
            raise Rejected("BAD_DEVICE_ID")


def _subscription_groups(value: object, _workspace: Workspace) -> None:
    if not isinstance(value, list):
        raise Rejected("BAD_SUBSCRIPTION_GROUP_ARRAY")
    for group in value:
        if not isinstance(group, dict) or not {"subscription_group_id", "subscription_state"} <= group.keys():
            raise Rejected("BAD_SUBSCRIPTION_GROUP_HASH")
        try:
            UUID(group["subscription_group_id"])
        except (ValueError, AttributeError, TypeError):
            raise Rejected("BAD_SUBSCRIPTION_GROUP_ID") from None
        if group["subscription_state"] not in ("subscribed", "unsubscribed"):
            raise Rejected("BAD_SUBSCRIPTION_GROUP_STATE")


def _email(value: object, _workspace: Workspace) -> None:
    check_email(value)


_FIELDS: dict[str, Callable[[object, Workspace], None]] = {
    "email": _email,
    "current_location": _location,
    "push_tokens": _push_tokens,
    "subscription_groups": _subscription_groups,
}


def check_event(obj: dict[str, Any], now: datetime, report: Callable[[str, str], None]) -> dict[str, Any]:
    """Return an event in its stored form, or raise Rejected."""
    name = obj.get("name")
    if not isinstance(name, str) or not name.strip():
        raise Rejected("'name' is required and must be a non-empty string")
    if name != name.strip():
        report("an event name is trimmed", "name")
    time = _time(obj, now, report)
    properties = _properties(obj, RESERVED_OF_EVENTS, EVENT_PROPERTIES_BYTES, report)
    if name.startswith("ecommerce."):
        check_ecommerce(name, properties, report)
    _unknown(obj, _EVENT_KEYS, report)
    return {"name": name.strip(), "time": time, "properties": properties, "app_id": obj.get("app_id")}


def check_purchase(obj: dict[str, Any], now: datetime, report: Callable[[str, str], None]) -> dict[str, Any]:
    """Return a purchase in its stored form, or raise Rejected."""
    product = as_text(obj.get("product_id"))
    if not isinstance(product, str) or not 0 < len(product) <= STRING:
        raise Rejected(f"'product_id' is required and must be a string of 1 to {STRING} characters")
    currency = obj.get("currency")
    if not isinstance(currency, str) or currency not in CURRENCIES:
        raise Rejected("'currency' must be an ISO 4217 currency")
    price = obj.get("price")
    if isinstance(price, bool) or not isinstance(price, (int, float)):
        raise Rejected("'price' is required and must be a number")
    if abs(price) > float_info.max:
        raise Rejected("'price' is beyond a double")
    quantity = obj.get("quantity", 1)
    if isinstance(quantity, bool) or not isinstance(quantity, int) or not 1 <= quantity <= QUANTITY:
        # Over 100: docs silent.
        raise Rejected("'quantity' is not valid")
    time = _time(obj, now, report)
    properties = _properties(obj, RESERVED_OF_PURCHASES, PURCHASE_PROPERTIES_BYTES, report)
    for name, value in properties.items():
        if isinstance(value, dict):
            report("an object in purchase properties is stored as a string", f"properties.{name}")
    _unknown(obj, _PURCHASE_KEYS, report)
    return {
        "product_id": product,
        "currency": currency,
        "price": price,
        "quantity": quantity,
        "time": time,
        "properties": properties,
        "app_id": obj.get("app_id"),
    }


_USER_KEYS = {"external_id", "user_alias", "braze_id", "email", "phone", "_update_existing_only"}
_EVENT_KEYS = _USER_KEYS | {"app_id", "name", "time", "properties"}
_PURCHASE_KEYS = _USER_KEYS | {"app_id", "product_id", "currency", "price", "quantity", "time", "properties"}


def _unknown(obj: dict[str, Any], known: set[str], report: Callable[[str, str], None]) -> None:
    if not obj.keys() <= known:
        for name in sorted(obj.keys() - known):
            report("a field that this object does not have is ignored", name)


def _time(obj: dict[str, Any], now: datetime, report: Callable[[str, str], None]) -> datetime:
    text = obj.get("time")
    parsed = parse_time(text) if isinstance(text, str) else None
    if parsed is None:
        raise Rejected("'time' is required and must be an ISO 8601 date-time")
    moment, doubt = parsed
    if doubt:
        report(doubt, "time")
    if moment > now:
        report("a time in the future is replaced by now", "time")
        return now
    return moment


def _properties(
    obj: dict[str, Any], reserved: frozenset[str], limit: int, report: Callable[[str, str], None]
) -> dict[str, Any]:
    properties = obj.get("properties")
    if properties is None:
        return {}
    if not isinstance(properties, dict) or not reserved.isdisjoint(properties):
        raise Rejected("Invalid 'properties' field")
    kept = {}
    for name, value in properties.items():
        # Handling of a bad property is not documented; here only that property is lost.
        if not name or len(name) > STRING or name.startswith("$"):
            report("a property name must have 1 to 255 characters and no leading dollar sign", f"properties.{name}")
        elif value is None:
            report("a null property is not stored", f"properties.{name}")
        elif isinstance(value, str) and len(value) > STRING:
            report("a property string over 255 characters is not stored", f"properties.{name}")
        else:
            kept[name] = value
    # Measuring costs more than everything else here, and most properties are scalars.
    if any(isinstance(value, (dict, list)) for value in kept.values()) or len(kept) > limit // 512:
        size = stored_bytes(kept)
        if size > limit:
            raise Rejected(f"'properties' has {size} bytes, at most {limit} are allowed")
    return kept
