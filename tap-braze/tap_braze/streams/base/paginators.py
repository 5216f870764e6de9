"""How endpoints page: what asks for the first page, and what asks for the one after it."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Final, Protocol

if TYPE_CHECKING:
    from tap_braze.fetching.fetch import Request

# Rows that leave a list while it is read move the rows after them up, across the edge of a page. So each page by offset
# starts with this many rows of the page before; repeated rows are left out.
PAGE_OVERLAP: Final = 10


class Paginator(Protocol):
    """The paging of one endpoint; it keeps nothing, so all streams may share one."""

    def first(self) -> dict[str, str]:
        """Return the parameters of the first page."""

    def after(self, page: Request, cursor: str | None, rows: int, fresh: int) -> Request | None:
        """Return the request for the next page, None after the last.

        Args:
            page: the request for this page.
            cursor: the cursor in the Link header of the answer.
            rows: how many rows the page has.
            fresh: how many of them no earlier page has.
        """


@dataclass(frozen=True)
class LinkCursor:
    """The Link header names the next page; an answer without that header is whole or the last page."""

    def first(self) -> dict[str, str]:
        """Return no parameters."""
        return {}

    def after(self, page: Request, cursor: str | None, rows: int, fresh: int) -> Request | None:  # noqa: ARG002
        """Return the request with the cursor; a page without a new row is the last."""
        return replace(page, params={**page.params, "cursor": cursor}) if cursor is not None and fresh else None


@dataclass(frozen=True)
class Offset:
    """`limit` rows a page, after `offset` rows; a page that is not full is the last."""

    limit: int

    def first(self) -> dict[str, str]:
        """Return the limit alone: Content Blocks refuse an offset of 0."""
        return {"limit": str(self.limit)}

    def after(self, page: Request, cursor: str | None, rows: int, fresh: int) -> Request | None:  # noqa: ARG002
        """Return the request with the next offset; a page without a new row is the last, too."""
        if rows < self.limit or not fresh:
            return None
        offset = int(str(page.params.get("offset", "0"))) + self.limit - PAGE_OVERLAP
        return replace(page, params={**page.params, "offset": str(offset)})


@dataclass(frozen=True)
class PageNumbers:
    """`page` counts from 0; a page with fewer than `size` rows is the last. None: the docs name no size."""

    size: int | None = 100

    def first(self) -> dict[str, str]:
        """Return the number of the first page."""
        return {"page": "0"}

    def after(self, page: Request, cursor: str | None, rows: int, fresh: int) -> Request | None:  # noqa: ARG002
        """Return the request with the next number; a page without a new row is the last, too."""
        number = int(str(page.params["page"]))
        if self.size is not None:
            last = rows < self.size or not fresh
        else:
            # The docs also leave open whether pages count from 0 or 1: page 0 may be empty, or the same as page 1.
            last = number > 0 and (not rows or (number > 1 and not fresh))
        return None if last else replace(page, params={**page.params, "page": str(number + 1)})
