"""The stream of products."""

from __future__ import annotations

from tap_braze.streams import fields
from tap_braze.streams.base import HOURLY_1000, ListStream


class Products(ListStream):
    """Ids of all products that were purchased."""

    name = "products"
    path = "/purchases/product_list"
    permission = "purchases.product_list"
    pool = HOURLY_1000
    payload = "products"
    page_size = None
    primary_keys = ("product_id",)
    schema = fields.schema(fields.key("product_id", "Product id, as purchases name it."))
