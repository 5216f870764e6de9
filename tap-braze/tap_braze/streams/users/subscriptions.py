"""Subscription groups of the users in the settings, and preference centers."""

from __future__ import annotations

from itertools import islice
from typing import TYPE_CHECKING, Final

from singer_sdk import typing as th
from typing_extensions import override

from tap_braze.settings.opt_in import INCLUDE_PROFILES
from tap_braze.streams.base import columns
from tap_braze.streams.base.details import DetailsStream
from tap_braze.streams.base.lists import ChangesStream, ListStream
from tap_braze.streams.base.paginators import Offset
from tap_braze.streams.base.stream import PREFERENCE_CENTERS

if TYPE_CHECKING:
    from collections.abc import Iterator
    from datetime import datetime

    from singer_sdk.helpers.types import Record

    from tap_braze.braze.client import BrazeError
    from tap_braze.fetching.fetch import Document, Request

# https://www.braze.com/docs/api/endpoints/subscription_groups/get_list_user_subscription_groups/
_USERS: Final = 50


class _OfUsers(ListStream):
    """Requests for 50 users at a time; logs and errors never name the users."""

    selected_by_default = False
    needs_setting = "subscriptions"
    opt_in = INCLUDE_PROFILES
    personal = True

    def users(self) -> Iterator[list[str]]:
        """Yield as many external IDs at a time as one request can name."""
        users = iter(self.run.settings.subscribers)
        while some := list(islice(users, _USERS)):
            yield some

    @override
    def discreet(self, error: BrazeError) -> BrazeError:
        return type(error)(f"GET {self.path}: HTTP {error.status}", status=error.status)


class SubscriptionStates(_OfUsers):
    """Subscription groups of the users in the settings, where their state was ever set."""

    name = "subscription_states"
    path = "/subscription/user/status"
    permission = "subscription.groups.get"
    payload = "users"
    paginator = Offset(100)
    primary_keys = ("external_id", "subscription_group_id")
    schema = columns.schema(
        columns.key("external_id", "External ID of the user."),
        columns.key("subscription_group_id", "ID of the subscription group."),
        th.Property("subscription_group_name", th.StringType, description="Name of the subscription group."),
        th.Property("channel", th.StringType, description="Channel of the group, such as `email` or `sms`."),
        th.Property("status", th.StringType, description="`Subscribed` or `Unsubscribed`."),
        th.Property("email", th.StringType, description="Email address of the user."),
        th.Property("phone", th.StringType, description="Phone number of the user."),
    )

    @override
    def plan(self, since: datetime | None) -> Iterator[Request]:
        for some in self.users():
            yield self.request({"external_id[]": some})

    @override
    def rows(self, request: Request, document: Document) -> list[Record]:
        # The docs do not say whether `limit` counts users or groups, so treat a page of 100 groups as full.
        return [
            {
                "external_id": user.get("external_id"),
                "email": user.get("email"),
                "phone": user.get("phone"),
                "subscription_group_id": group.get("id"),
                "subscription_group_name": group.get("name"),
                "channel": group.get("channel"),
                "status": group.get("status"),
            }
            for user in document[self.payload] or []
            for group in user.get("subscription_groups") or []
        ]


class SubscriptionGroupStates(_OfUsers):
    """State of each user in each subscription group in the settings."""

    name = "subscription_group_states"
    path = "/subscription/status/get"
    permission = "subscription.status.get"
    payload = "status"
    primary_keys = ("subscription_group_id", "external_id")
    schema = columns.schema(
        columns.key("subscription_group_id", "ID of the subscription group."),
        columns.key("external_id", "External ID of the user."),
        th.Property("status", th.StringType, description="`Subscribed`, `Unsubscribed` or `Unknown`."),
    )

    @override
    def plan(self, since: datetime | None) -> Iterator[Request]:
        for group in self.run.settings.subscription_groups:
            for some in self.users():
                yield self.request({"external_id[]": some}, tags={"subscription_group_id": group})

    @override
    def rows(self, request: Request, document: Document) -> list[Record]:
        states = document[self.payload] or {}
        return [{**request.tags, "external_id": user, "status": status} for user, status in states.items()]


_PREFERENCE_CENTER: Final = (
    columns.key("preference_center_api_id", "API identifier of the preference center."),
    columns.moment("updated_at", "When the preference center last changed."),
    columns.moment("created_at", "When the preference center was created."),
    th.Property("name", th.StringType, description="Name of the preference center."),
)


class PreferenceCenters(ChangesStream):
    """All preference centers."""

    name = "preference_centers"
    path = "/preference_center/v1/list"
    permission = "preference_center.list"
    pool = PREFERENCE_CENTERS
    payload = "preference_centers"
    primary_keys = ("preference_center_api_id",)
    replication_key = "updated_at"
    schema = columns.schema(
        *_PREFERENCE_CENTER,
    )


class PreferenceCentersDetails(DetailsStream):
    """Pages of each preference center that changed since the last run."""

    name = "preference_centers_details"
    path = "/preference_center/v1/{preference_center_api_id}"
    permission = "preference_center.get"
    pool = PREFERENCE_CENTERS
    payload = "preference_center_api_id"
    parent = PreferenceCenters
    parent_key = "preference_center_api_id"
    primary_keys = ("preference_center_api_id",)
    replication_key = "updated_at"
    schema = columns.schema(
        *_PREFERENCE_CENTER,
        th.Property("state", th.StringType, description="State of the preference center, such as `active`."),
        th.Property("preference_center_title", th.StringType, description="Title of the page."),
        th.Property("preference_center_page_html", th.StringType, description="HTML of the page."),
        th.Property("confirmation_page_html", th.StringType, description="HTML of the confirmation page."),
        th.Property("redirect_page_html", th.StringType, description="HTML of the redirect page."),
        th.Property(
            "preference_center_options",
            th.ObjectType(additional_properties=True),
            description="Options of the page, such as `meta-viewport-content`.",
        ),
    )
