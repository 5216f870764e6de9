"""How endpoints page: the parameters of the first page, and the request for the next one."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Final, Protocol

if TYPE_CHECKING:
    from tap_braze.fetching.fetch import Request

# A row that leaves a list during reading moves later rows up, across the edge of a page. So each page by offset starts
# with this many rows of the previous page; repeated rows are dropped.
PAGE_OVERLAP: Final = 10


class Paginator(Protocol):
    """The paging of one endpoint; it is stateless, so all streams may share one."""

    def first(self) -> dict[str, str]:
        """Return the parameters of the first page."""

    def after(self, page: Request, cursor: str | None, rows: int, fresh: int) -> Request | None:
        """Return the request for the next page; None after the last.

        Args:
            page: The request for this page.
            cursor: The cursor in the Link header of the response.
            rows: The number of rows in the page.
            fresh: The number of rows that no earlier page had.
        """


@dataclass(frozen=True)
class LinkCursor:
    """The Link header names the next page; a response without that header is complete or the last page."""

    def first(self) -> dict[str, str]:
        """Return no parameters."""
        return {}

    def after(self, page: Request, cursor: str | None, rows: int, fresh: int) -> Request | None:  # noqa: ARG002
        """Return the request with the cursor; a page without a new row is the last."""
        return replace(page, params={**page.params, "cursor": cursor}) if cursor is not None and fresh else None


@dataclass(frozen=True)
class Offset:
    """`limit` rows per page, after `offset` rows; a page that is not full is the last."""

    limit: int

    def first(self) -> dict[str, str]:
        """Return only the limit: Content Blocks reject an offset of 0."""
        return {"limit": str(self.limit)}

    def after(self, page: Request, cursor: str | None, rows: int, fresh: int) -> Request | None:  # noqa: ARG002
        """Return the request with the next offset; a page without a new row is also the last."""
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
        """Return the request with the next number; a page without a new row is also the last."""
        number = int(str(page.params["page"]))
        if self.size is not None:
            last = rows < self.size or not fresh
        else:
            # The docs do not say whether pages count from 0 or 1: page 0 may be empty, or the same as page 1.
            last = number > 0 and (not rows or (number > 1 and not fresh))
        return None if last else replace(page, params={**page.params, "page": str(number + 1)})
