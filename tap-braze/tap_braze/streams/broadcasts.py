"""The stream of what is scheduled."""

from __future__ import annotations

from datetime import datetime, timedelta, timezone
from typing import TYPE_CHECKING

from singer_sdk import typing as th
from typing_extensions import override

from tap_braze.streams.base import fields
from tap_braze.streams.base.paged import PagedStream

if TYPE_CHECKING:
    from collections.abc import Iterator

    from singer_sdk.helpers.types import Record

    from tap_braze.fetching.fetch import Document, Request


class ScheduledBroadcasts(PagedStream):
    """Campaigns and Canvases that are scheduled for the next days, as they are now."""

    name = "scheduled_broadcasts"
    path = "/messages/scheduled_broadcasts"
    permission = "messages.schedule_broadcasts"
    payload = "scheduled_broadcasts"
    primary_keys = ("type", "id", "next_send_time")
    schema = fields.schema(
        fields.key("type", "Whether it is a campaign or a Canvas."),
        fields.key("id", "API identifier of the campaign or Canvas."),
        # No moment: in users' local times it has no offset.
        fields.key(
            "next_send_time",
            "When it goes out next; without an offset where that depends on the user. Empty where Braze gives none.",
        ),
        th.Property("name", th.StringType, description="Name of the campaign or Canvas."),
        th.Property(
            "schedule_type",
            th.StringType,
            description="`local_time_zones`, `intelligent_delivery` or the name of the company's time zone.",
        ),
        fields.strings("tags", "Names of its tags."),
    )

    @override
    def plan(self, since: datetime | None) -> Iterator[Request]:
        # Whatever its time, the midnight that its day begins with is what counts: so the last day is in.
        end = datetime.now(timezone.utc) + timedelta(days=self.tap.settings.broadcast_days + 1)
        yield self.request({"end_time": end.strftime("%Y-%m-%dT00:00:00Z")})

    @override
    def rows(self, request: Request, document: Document) -> list[Record]:
        rows = super().rows(request, document)
        return [{**row, "next_send_time": row.get("next_send_time") or ""} for row in rows]
