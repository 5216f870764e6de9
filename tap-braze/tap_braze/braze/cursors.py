"""Read the cursor of the next page from an answer."""

from __future__ import annotations

from typing import TYPE_CHECKING
from urllib.parse import unquote, urlsplit

from requests.utils import parse_header_links

if TYPE_CHECKING:
    from .client import Answer


def next_cursor(answer: Answer) -> str | None:
    """Return the cursor of the next page, or None on the last one.

    Only the cursor of the Link header's URL is used: the URL is relative, and in Braze's samples its path is not even
    that of the request.
    https://www.braze.com/docs/api/endpoints/catalogs/catalog_items/synchronous/get_catalog_items_details_bulk/
    """
    for link in parse_header_links(answer.headers.get("link", "")):
        if "next" in link.get("rel", "").split():
            for parameter in urlsplit(link["url"]).query.split("&"):
                name, _, value = parameter.partition("=")
                if name == "cursor":
                    return unquote(value)  # not parse_qs, which turns a plus sign into a blank
    return None
