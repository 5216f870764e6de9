"""Suppressed email addresses and phone numbers."""

from __future__ import annotations

from types import MappingProxyType
from typing import TYPE_CHECKING

from typing_extensions import override

from tap_braze.streams.base import columns
from tap_braze.streams.base.lists import DailyStream
from tap_braze.streams.base.paginators import Offset
from tap_braze.streams.base.row_types import NO_VALUE

if TYPE_CHECKING:
    from singer_sdk.helpers.types import Record

    from tap_braze.fetching.fetch import Document, Request


class HardBounces(DailyStream):
    """Email addresses that bounced hard."""

    name = "hard_bounces"
    path = "/email/hard_bounces"
    permission = "email.hard_bounces"
    payload = "emails"
    paginator = Offset(500)
    primary_keys = ("email", "hard_bounced_at")
    personal = True
    replication_key = "hard_bounced_at"
    schema = columns.schema(
        columns.key("email", "Email address."),
        columns.moment("hard_bounced_at", "When an email to the address bounced.", required=True),
    )


class Unsubscribes(DailyStream):
    """Email addresses that unsubscribed, each with its latest time only."""

    name = "unsubscribes"
    path = "/email/unsubscribes"
    permission = "email.unsubscribe"
    payload = "emails"
    params = MappingProxyType({"sort_direction": "asc"})
    paginator = Offset(500)
    primary_keys = ("email",)
    personal = True
    replication_key = "unsubscribed_at"
    schema = columns.schema(
        columns.key("email", "Email address."),
        columns.moment("unsubscribed_at", "When the address last unsubscribed.", required=True),
    )


class InvalidPhoneNumbers(DailyStream):
    """Phone numbers that Braze found invalid."""

    name = "invalid_phone_numbers"
    path = "/sms/invalid_phone_numbers"
    permission = "sms.invalid_phone_numbers"
    payload = "sms"
    paginator = Offset(500)
    primary_keys = ("phone", "invalid_detected_at", "reason")
    personal = True
    replication_key = "invalid_detected_at"
    schema = columns.schema(
        columns.key("phone", "Phone number (E.164)."),
        columns.moment("invalid_detected_at", "When Braze found the number invalid.", required=True),
        columns.key("reason", "`provider_error` or `deactivated`; `(none)` if Braze sends none."),
    )

    @override
    def rows(self, request: Request, document: Document) -> list[Record]:
        return [{**row, "reason": row.get("reason") or NO_VALUE} for row in super().rows(request, document)]
