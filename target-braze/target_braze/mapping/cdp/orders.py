"""Turn the ecommerce events of a customer-data platform into Braze purchases or recommended events.

From https://www.twilio.com/docs/segment/connections/spec/ecommerce/v2 and
https://www.rudderstack.com/docs/event-spec/ecommerce-events-spec/ordering/ to
https://www.braze.com/docs/api/objects_filters/purchase_object/ or
https://www.braze.com/docs/user_guide/data/activation/events/recommended_events/.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from target_braze.braze import limits
from target_braze.mapping.kinds.purchases import quantity_converter, split_quantity, to_currency, to_product_id
from target_braze.mapping.values.json_text import from_json_text
from target_braze.mapping.values.nested import checked_size
from target_braze.mapping.values.scalars import checked_string, to_id, to_integer, to_number
from target_braze.mapping.values.times import show
from target_braze.records import RecordError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping

    from target_braze.mapping.base.stream_mapping import Defaults
    from target_braze.mapping.property_sources import PropertyConverters
    from target_braze.mapping.values.scalars import Convert

# Events for a paid order, by name in lower case.
_COMPLETED: Final = frozenset({"order completed", "completed order"})


# Allowed reasons to view a product.
_OFFERS: Final = ("price_drop", "back_in_stock")


@dataclass(frozen=True)
class _Recommended:
    """A recommended event. `products`: it has an array of products; otherwise it is about one product."""

    name: str
    required: tuple[str, ...]
    optional: tuple[str, ...]
    products: bool = True
    action: str | None = None


_PRODUCT: Final = ("product_id", "product_name", "variant_id", "price")
_PRODUCT_PAGES: Final = ("image_url", "product_url")
_AMOUNTS: Final = ("subtotal_value", "tax", "shipping")
_DISCOUNTS: Final = ("total_discounts", "discounts")
_ORDER: Final = ("order_id", "total_value")
_PLACED: Final = _Recommended("ecommerce.order_placed", _ORDER, ("cart_id", *_AMOUNTS, *_DISCOUNTS))
_RECOMMENDED: Final[Mapping[str, _Recommended]] = {
    **dict.fromkeys(_COMPLETED, _PLACED),
    "product viewed": _Recommended("ecommerce.product_viewed", _PRODUCT, (*_PRODUCT_PAGES, "type"), products=False),
    "product added": _Recommended("ecommerce.cart_updated", ("cart_id",), (), products=False, action="add"),
    "product removed": _Recommended("ecommerce.cart_updated", ("cart_id",), (), products=False, action="remove"),
    "checkout started": _Recommended(
        "ecommerce.checkout_started", ("checkout_id", "total_value"), ("cart_id", *_AMOUNTS)
    ),
    "order cancelled": _Recommended("ecommerce.order_cancelled", (*_ORDER, "cancel_reason"), (*_AMOUNTS, *_DISCOUNTS)),
    "order refunded": _Recommended("ecommerce.order_refunded", _ORDER, _DISCOUNTS),
}


def _amount(value: object) -> Any:  # noqa: ANN401
    amount = to_number(value)
    if amount is not None and amount < 0:
        raise ValueError(f"recommended events take no negative amounts, got {show(value)}")
    return amount


def _list(value: object) -> list[Any] | None:
    value = from_json_text(value, "a JSON array")
    if value is not None and not isinstance(value, list):
        raise ValueError(f"expected an array, got {show(value)}")
    return value


def _offers(value: object) -> list[Any] | None:
    offers = _list([value] if value in _OFFERS else value)
    if offers is not None and not all(offer in _OFFERS for offer in offers):
        raise ValueError(f"Braze knows only {' and '.join(_OFFERS)}, got {show(value)}")
    return offers


def _text(value: object) -> str | None:
    return checked_string(value).strip() or None


def _id(value: object) -> str | None:
    return checked_string(to_id(value)) or None


# Braze's properties: their names in the platforms' specifications, best first, and their form.
_SOURCES: Final[Mapping[str, tuple[tuple[str, ...], Convert]]] = {
    "product_id": (("product_id", "id", "sku"), to_product_id),
    "product_name": (("product_name", "name"), _text),
    "variant_id": (("variant_id", "variant", "sku", "product_id", "id"), _id),
    "price": (("price",), _amount),
    "quantity": (("quantity",), to_integer),
    "image_url": (("image_url",), _text),
    "product_url": (("product_url", "url"), _text),
    "type": (("type",), _offers),
    "cart_id": (("cart_id",), _id),
    "checkout_id": (("checkout_id", "order_id", "cart_id"), _id),
    "order_id": (("order_id",), _id),
    "total_value": (("total_value", "total", "value", "revenue"), _amount),
    "subtotal_value": (("subtotal_value", "subtotal"), _amount),
    "tax": (("tax",), _amount),
    "shipping": (("shipping",), _amount),
    "total_discounts": (("total_discounts", "discount"), _amount),
    "discounts": (("discounts",), _list),
    "cancel_reason": (("cancel_reason", "reason"), _text),
    "currency": (("currency",), to_currency),
    "source": (("source",), _text),
}


class _Taken:
    """Properties from which the ones Braze defines are taken one by one."""

    def __init__(self, properties: Mapping[str, Any], where: str = "") -> None:
        self._properties = properties
        self._where = where
        self._used: set[str] = set()

    def take(self, name: str, default: object = None, convert: Convert | None = None) -> Any:  # noqa: ANN401
        """Take the property with this name in Braze from the first of its sources that has a value."""
        sources, usual = _SOURCES[name]
        for source in sources:
            value = self._properties.get(source)
            if value is None or value == "":
                continue
            try:
                found = (convert or usual)(value)
            except ValueError as wrong:
                raise RecordError(f"property '{self._where}{source}': {wrong}") from None
            if found is not None:
                self._used.add(source)
                return found
        return default

    def rest(self) -> dict[str, Any]:
        """Return the properties that were not taken."""
        return {name: value for name, value in self._properties.items() if name not in self._used}


class Orders:
    """Turns order events into Braze objects: pairs of payload key and fields, without user and time."""

    def __init__(
        self,
        given: Mapping[str, str],
        order: PropertyConverters,
        product: PropertyConverters,
        defaults: Defaults,
        notice: Callable[[str], None],
    ) -> None:
        self._to = given.get("to", "purchases")
        self._currency = to_currency(given["currency"]) if "currency" in given else None
        self._source = given.get("source")
        self._order = order
        self._product = product
        self._to_quantity = quantity_converter(defaults)
        self._notice = notice

    def objects(
        self, event: str, properties: Mapping[str, Any], channel: object
    ) -> list[tuple[str, dict[str, Any]]] | None:
        """Return the objects that an event becomes, or None if it is not an order event.

        Raises:
            RecordError: The event lacks a value that Braze requires, or has it in a form that Braze does not accept.
        """
        name = event.strip().lower().replace("_", " ")
        if self._to == "purchases" and name in _COMPLETED:
            return self._purchases(event, properties)
        if self._to == "ecommerce" and name in _RECOMMENDED:
            return [("events", self._recommended(event, _RECOMMENDED[name], properties, channel))]
        return None

    def _purchases(self, event: str, properties: Mapping[str, Any]) -> list[tuple[str, dict[str, Any]]] | None:
        order = _Taken(properties)
        currency = order.take("currency", self._currency)
        products = _products(properties)
        if products is None:
            if _Taken(properties).take("product_id") is None:
                self._notice(f"an event '{event}' that names no product is sent as an event, not as a purchase")
                return None
            # Tables of one event can hold one product per row.
            return self._purchase(event, properties, {}, currency, "")
        shared = {name: value for name, value in order.rest().items() if name != "products"}
        return [
            purchase
            for index, product in enumerate(products)
            for purchase in self._purchase(event, product, shared, currency, f"products[{index}].")
        ]

    def _purchase(
        self, event: str, product: Mapping[str, Any], shared: Mapping[str, Any], currency: str | None, where: str
    ) -> list[tuple[str, dict[str, Any]]]:
        taken = _Taken(product, where)
        fields = {
            "product_id": taken.take("product_id"),
            "price": taken.take("price", convert=to_number),
            "currency": taken.take("currency", currency),
            "quantity": taken.take("quantity", 1, self._to_quantity),
        }
        _complain(event, where, (name for name, value in fields.items() if value is None))
        order = _without_nulls(self._order.convert(self._sendable(shared)))
        own = _without_nulls(self._product.convert(self._sendable(taken.rest())))
        for name in sorted(name for name in order.keys() & own.keys() if order[name] != own[name]):
            self._notice(
                f"property '{name}' of an order is not sent with purchases whose product has a property of the same "
                "name"
            )
        if properties := order | own:
            fields["properties"] = _sized(properties, limits.PURCHASE_PROPERTIES_BYTES)
        return [("purchases", purchase) for purchase in split_quantity(fields)]

    def _sendable(self, properties: Mapping[str, Any]) -> dict[str, Any]:
        """Return the properties without those for which Braze would refuse the purchase."""
        for name in sorted(properties.keys() & limits.RESERVED_PURCHASE_PROPERTIES):
            self._notice(f"property '{name}' of an order is not sent with its purchases: Braze reserves the name")
        return {n: value for n, value in properties.items() if n not in limits.RESERVED_PURCHASE_PROPERTIES}

    def _recommended(
        self, event: str, kind: _Recommended, properties: Mapping[str, Any], channel: object
    ) -> dict[str, Any]:
        taken = _Taken(properties)
        fields: dict[str, Any] = {name: taken.take(name) for name in (*kind.required, *kind.optional)}
        fields["currency"] = taken.take("currency", self._currency)
        source = taken.take("source")
        fields["source"] = self._source or source or (channel if isinstance(channel, str) and channel else None)
        rest = {name: value for name, value in taken.rest().items() if name != "products"}
        needed = [*kind.required, "currency", "source"]
        if kind.products:
            products = _products(properties)
            fields["products"] = products and [
                self._line(event, product, f"products[{index}].") for index, product in enumerate(products)
            ]
            needed.append("products")
        elif kind.action:
            fields["action"], fields["products"], rest = kind.action, [self._line(event, rest, "")], {}
        _complain(event, "", (name for name in needed if fields[name] in (None, [])))
        fields["metadata"] = self._metadata(self._order, rest)
        found = {name: value for name, value in fields.items() if value is not None}
        return {"name": kind.name, "properties": _sized(found, limits.EVENT_PROPERTIES_BYTES)}

    def _line(self, event: str, product: Mapping[str, Any], where: str) -> dict[str, Any]:
        taken = _Taken(product, where)
        fields = {name: taken.take(name) for name in (*_PRODUCT, *_PRODUCT_PAGES)}
        fields["quantity"] = taken.take("quantity", 1)
        _complain(event, where, (name for name in _PRODUCT if fields[name] is None))
        fields["metadata"] = self._metadata(self._product, taken.rest())
        return {name: value for name, value in fields.items() if value is not None}

    def _metadata(self, members: PropertyConverters, rest: Mapping[str, Any]) -> dict[str, Any] | None:
        """Return the values that do not fit Braze's schema, together with the source's own `metadata`."""
        found = _without_nulls(members.convert(rest))
        own = found.get("metadata")
        if not isinstance(own, dict):
            return found or None
        del found["metadata"]
        if twice := sorted(name for name in own.keys() & found.keys() if own[name] != found[name]):
            raise RecordError(
                f"'{twice[0]}' is in 'metadata' and outside of it, with different values; rename the one outside in "
                "'rename' or leave it out"
            )
        return own | found or None


def _products(properties: Mapping[str, Any]) -> list[Mapping[str, Any]] | None:
    try:
        products = _list(properties.get("products"))
    except ValueError as wrong:
        raise RecordError(f"property 'products': {wrong}") from None
    if products and not all(isinstance(product, dict) for product in products):
        raise RecordError("property 'products': expected an array of objects")
    return products or None


def _complain(event: str, where: str, lacking: Iterable[str]) -> None:
    wants = [
        f"'{where}{name}' (from {' or '.join(_SOURCES[name][0]) if name in _SOURCES else name})" for name in lacking
    ]
    if wants:
        hint = ""
        if any(f"{name}'" in " ".join(wants) for name in ("currency", "source")):
            hint = "; 'calls.orders' can set the currency and the source of all orders"
        raise RecordError(f"the event '{event}' lacks what Braze requires: {', '.join(wants)}{hint}")


def _without_nulls(properties: Mapping[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in properties.items() if value is not None}


def _sized(properties: dict[str, Any], most: int) -> dict[str, Any]:
    try:
        checked_size(properties, most)
    except ValueError as wrong:
        raise RecordError(f"its properties are {wrong}") from None
    return properties
