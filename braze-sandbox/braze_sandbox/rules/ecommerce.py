"""The strict schema of the `ecommerce.*` events (docs: recommended_events)."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from braze_sandbox.rules.codes import CURRENCIES
from braze_sandbox.rules.identity import Rejected

if TYPE_CHECKING:
    from collections.abc import Callable

_ORDER = {
    "required": {"order_id", "total_value", "currency", "products", "source"},
    "optional": {"subtotal_value", "tax", "shipping", "total_discounts", "discounts", "metadata"},
}
_REFUND = {
    "required": _ORDER["required"],
    "optional": {"total_discounts", "discounts", "metadata"},
}
SCHEMAS: dict[str, dict[str, set[str]]] = {
    "ecommerce.product_viewed": {
        "required": {"product_id", "product_name", "variant_id", "price", "currency", "source"},
        "optional": {"image_url", "product_url", "type", "metadata"},
    },
    "ecommerce.cart_updated": {
        "required": {"cart_id", "currency", "products", "source"},
        "optional": {"action", "total_value", "subtotal_value", "tax", "shipping", "metadata"},
    },
    "ecommerce.checkout_started": {
        "required": {"checkout_id", "total_value", "currency", "products", "source"},
        "optional": {"cart_id", "subtotal_value", "tax", "shipping", "metadata"},
    },
    "ecommerce.order_placed": {"required": _ORDER["required"], "optional": _ORDER["optional"] | {"cart_id"}},
    "ecommerce.order_cancelled": {"required": _ORDER["required"] | {"cancel_reason"}, "optional": _ORDER["optional"]},
    "ecommerce.order_refunded": _REFUND,
}
_PRODUCT = {
    "required": {"product_id", "product_name", "variant_id", "quantity", "price"},
    "optional": {"image_url", "product_url", "metadata"},
}


def _number(value: object) -> bool:
    return isinstance(value, (int, float)) and not isinstance(value, bool) and value >= 0


def _string(value: object) -> bool:
    return isinstance(value, str)


_TYPES: dict[str, Callable[[Any], bool]] = {
    **dict.fromkeys(("price", "total_value", "subtotal_value", "tax", "shipping", "total_discounts"), _number),
    "quantity": lambda value: isinstance(value, int) and not isinstance(value, bool),
    "currency": lambda value: isinstance(value, str) and value in CURRENCIES,
    "products": lambda value: isinstance(value, list) and all(isinstance(product, dict) for product in value),
    "discounts": lambda value: isinstance(value, list),
    "metadata": lambda value: isinstance(value, dict),
    "type": lambda value: isinstance(value, list) and set(map(str, value)) <= {"price_drop", "back_in_stock"},
    "action": lambda value: value in ("add", "remove", "replace"),
}


def check_ecommerce(name: str, properties: dict[str, Any], report: Callable[[str, str], None]) -> None:
    """Refuse an event that violates its schema; a name without a schema is an ordinary event."""
    schema = SCHEMAS.get(name)
    if schema is None:
        report("a name in ecommerce.* that Braze does not know is an ordinary custom event", "name")
        return
    _check(properties, schema, "properties")
    full = properties.get("action") not in ("add", "remove")
    if name == "ecommerce.cart_updated" and full and "total_value" not in properties:
        raise Rejected("'properties.total_value' is required unless action is add or remove")
    for index, product in enumerate(properties.get("products", ())):
        _check(product, _PRODUCT, f"properties.products[{index}]")


def _check(value: dict[str, Any], schema: dict[str, set[str]], at: str) -> None:
    for key in sorted(schema["required"] - value.keys()):
        raise Rejected(f"'{at}.{key}' is required")
    for key in sorted(value.keys() - schema["required"] - schema["optional"]):
        raise Rejected(f"'{at}.{key}' is not allowed")
    for key, inner in value.items():
        if not _TYPES.get(key, _string)(inner):
            raise Rejected(f"'{at}.{key}' is not valid")
