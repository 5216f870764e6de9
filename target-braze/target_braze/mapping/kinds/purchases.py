"""Map records to purchases of one product each."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, ClassVar, Final

from typing_extensions import override

from target_braze.braze import limits
from target_braze.braze.changes import Semantics, never
from target_braze.braze.endpoints import TRACKING
from target_braze.mapping.base.events_and_purchases import EventOrPurchase, watch_names
from target_braze.mapping.base.settings import FLATTEN, NAME, PROPERTIES, TIME_FIELD, described, strict_object
from target_braze.mapping.identifiers import DEFAULT
from target_braze.mapping.spelling import almost
from target_braze.mapping.values.scalars import to_id, to_integer, to_number, to_string

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping

    from target_braze.braze.changes import Change
    from target_braze.mapping.base.stream_mapping import Defaults
    from target_braze.mapping.columns import Columns, Field
    from target_braze.mapping.values.scalars import Convert
    from target_braze.records import User


def _points(_fields: Mapping[str, Any], _identifier_type: str) -> int:
    return 1


SEMANTICS: Final = Semantics(
    repeatable=never,
    counted=True,
    sends_messages=False,
    sets_attributes=False,
    moves_attributes=False,
    coalesce=None,
    data_points=_points,
    consent=None,
)


class Purchases(EventOrPurchase, to="purchases"):
    """See https://www.braze.com/docs/api/objects_filters/purchase_object/."""

    settings: ClassVar[Mapping[str, Any]] = {
        "purchase": strict_object(
            {
                "product_id": described(NAME, "Product ID", "Column with the ID of the product. Default: product_id."),
                "price": described(NAME, "Price", "Column with the price of one unit. Default: price."),
                "currency": described(NAME, "Currency", "Column with the ISO 4217 currency code. Default: currency."),
                "quantity": described(
                    NAME, "Quantity", "Column with the number of units; without one, it is 1. Default: quantity."
                ),
            },
            title="Purchase",
            description="Columns of the purchase. Default: product_id, price, currency and quantity.",
        ),
        "time_field": TIME_FIELD,
        "properties": PROPERTIES,
        "flatten": FLATTEN,
    }
    unsupported_keys = frozenset()
    identifier_types = frozenset(DEFAULT)
    semantics = (SEMANTICS,)
    endpoints = TRACKING
    on_delete_actions = ("nothing",)
    dealing = "by user"
    payload_key = "purchases"

    properties_bytes = limits.PURCHASE_PROPERTIES_BYTES
    reserved = limits.RESERVED_PURCHASE_PROPERTIES

    def __init__(self, columns: Columns, defaults: Defaults, notice: Callable[[str], None]) -> None:
        super().__init__(columns, defaults, notice)
        given: Mapping[str, str] = columns.entry.get("purchase", {})
        self._parts = tuple(
            self._column("purchase", given, key, convert)
            for key, convert in (("product_id", to_product_id), ("currency", to_currency), ("price", to_number))
        )
        self._quantity = None
        spelled = almost(columns, "quantity")
        if spelled and "quantity" not in given and spelled not in columns.entry.get("properties", ()):
            raise columns.error(
                f"column '{spelled}' differs from Braze's 'quantity' only in spelling, so each purchase would count "
                f"as one. Write {columns.at}.purchase.quantity: {spelled}, or name it in {columns.at}.properties"
            )
        if "quantity" in given or "quantity" in columns:
            self._quantity = self._column("purchase", given, "quantity", quantity_converter(defaults))
        self._products: set[str] = set()
        parts = (*self._parts, self._quantity) if self._quantity else self._parts
        self._compile_properties({part.column for part in parts})

    @override
    def _fill_own(self, fields: dict[str, Any], record: Mapping[str, Any]) -> None:
        for part in self._parts:
            fields[part.name] = part.required(record)
        quantity = self._quantity and self._quantity.value(record)
        if quantity is not None:
            fields["quantity"] = quantity
        self._products = watch_names(
            self._products, fields["product_id"], limits.MANY_PRODUCTS, "product ids", self._notice
        )
        self._fill_timed(fields, record)

    @override
    def changes(self, record: Mapping[str, Any]) -> list[Change]:
        (change,) = super().changes(record)
        parts = split_quantity(change.fields)
        return [change] if len(parts) == 1 else [self._as_change(change.user, fields) for fields in parts]

    @override
    def _as_fast_change(self, user: User, own: dict[str, Any], encoded: bytes, number: int) -> Change | None:
        if own.get("quantity", 1) > limits.PURCHASE_QUANTITY:
            return None
        return super()._as_fast_change(user, own, encoded, number)

    @override
    def _parts_of_object(self) -> Iterable[Field]:
        return (*self._parts, self._quantity) if self._quantity else self._parts


def to_product_id(value: object) -> str:
    """Return the id of a product.

    Raises:
        ValueError: Braze would not accept the id.
    """
    text = to_id(value)
    if len(text) > limits.PRODUCT_ID_LENGTH:
        raise ValueError(f"{len(text)} characters long, Braze takes at most {limits.PRODUCT_ID_LENGTH}")
    return text


def to_currency(value: object) -> str:
    """Return an ISO 4217 currency code in upper case.

    Raises:
        ValueError: Braze would not accept the code.
    """
    text = to_string(value).strip().upper()
    if len(text) != 3 or not (text.isascii() and text.isalpha()):  # noqa: PLR2004
        raise ValueError(f"expected an ISO 4217 currency code such as EUR, got {value!r}")
    return text


def quantity_converter(defaults: Defaults) -> Convert:
    """Return the converter of quantities, which returns None for blank text."""
    splits = defaults.large_quantities == "split"
    most = limits.SPLIT_QUANTITY if splits else limits.PURCHASE_QUANTITY

    def to_quantity(value: object) -> int | None:
        quantity = to_integer(value)
        if quantity is None or 1 <= quantity <= most:
            return quantity
        if splits:
            raise ValueError(f"expected a quantity of 1 to {most:,}, got {quantity}")
        raise ValueError(
            f"Braze takes a quantity of 1 to {most}, got {quantity}"
            + (
                "; 'large_quantities: split' sends several purchases"
                if most < quantity <= limits.SPLIT_QUANTITY
                else ""
            )
        )

    return to_quantity


def split_quantity(fields: dict[str, Any]) -> list[dict[str, Any]]:
    """Return a purchase as purchases whose quantities Braze accepts; their total is the same.

    Braze does not remove duplicates, so equal parts all count.
    """
    full, rest = divmod(fields.get("quantity", 1), limits.PURCHASE_QUANTITY)
    if not full or (full, rest) == (1, 0):
        return [fields]
    quantities = [limits.PURCHASE_QUANTITY] * full + [rest] * bool(rest)
    return [{**fields, "quantity": quantity} for quantity in quantities]
