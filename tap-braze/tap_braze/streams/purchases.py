"""Purchases: products, quantity and revenue."""

from __future__ import annotations

from singer_sdk import typing as th

from tap_braze.streams.base import columns
from tap_braze.streams.base.lists import NamesStream
from tap_braze.streams.base.paginators import PageNumbers
from tap_braze.streams.base.series import SeriesStream
from tap_braze.streams.base.stream import HOURLY_1000


class Products(NamesStream):
    """IDs of all purchased products."""

    name = "products"
    path = "/purchases/product_list"
    permission = "purchases.product_list"
    pool = HOURLY_1000
    payload = "products"
    paginator = PageNumbers(size=None)
    primary_keys = ("product_id",)
    schema = columns.schema(columns.key("product_id", "ID of the product, as in purchases."))


class PurchasesQuantity(SeriesStream):
    """Purchased items by day."""

    name = "purchases_quantity"
    path = "/purchases/quantity_series"
    permission = "purchases.quantity_series"
    pool = HOURLY_1000
    dimensions = ("app_id", "product_id")
    products = Products
    hourly = True
    primary_keys = ("time",)
    schema = columns.schema(columns.day(), *columns.counts(purchase_quantity="Purchased items."))


class PurchasesRevenue(SeriesStream):
    """Revenue by day."""

    name = "purchases_revenue"
    path = "/purchases/revenue_series"
    permission = "purchases.revenue_series"
    pool = HOURLY_1000
    dimensions = ("app_id", "product_id")
    products = Products
    hourly = True
    primary_keys = ("time",)
    # Typed as an integer in its docs; all other revenue has cents.
    schema = columns.schema(
        columns.day(), th.Property("revenue", th.NumberType, description="Revenue, in the currency of the dashboard.")
    )
