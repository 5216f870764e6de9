"""Subscription groups of the users in the settings, and preference centers."""

from __future__ import annotations

from types import MappingProxyType
from typing import TYPE_CHECKING, Final

from singer_sdk import typing as th
from typing_extensions import override

from tap_braze.braze.client import RefusedError
from tap_braze.exports.dedupe import Dedupe
from tap_braze.settings.opt_in import INCLUDE_PROFILES
from tap_braze.streams.base import columns
from tap_braze.streams.base.details import DetailsStream
from tap_braze.streams.base.lists import ChangesStream, ListStream
from tap_braze.streams.base.paginators import Offset
from tap_braze.streams.base.row_types import NO_VALUE
from tap_braze.streams.base.stream import PREFERENCE_CENTERS

if TYPE_CHECKING:
    from collections.abc import Iterator
    from datetime import datetime

    from singer_sdk.helpers.types import Context, Record

    from tap_braze.braze.client import BrazeError
    from tap_braze.fetching.fetch import Document, Request
    from tap_braze.streams.base.context import RunContext

# https://www.braze.com/docs/api/endpoints/subscription_groups/get_list_user_subscription_groups/
_SIZES: Final = dict.fromkeys(("external_id", "email", "phone"), 50)

_USER: Final = (
    columns.key("external_id", "External ID of the user; `(none)` if Braze sends none."),
    columns.key("email", "Email address of the user; `(none)` if Braze sends none."),
    columns.key("phone", "Phone number of the user; `(none)` if Braze sends none."),
)


class _OfUsers(ListStream):
    """Requests for 50 users at a time; logs and errors never name the users."""

    selected_by_default = False
    without_setting = "setting 'subscriptions' names no user: set external_ids, external_ids_file, emails or phones"
    opt_in = INCLUDE_PROFILES
    personal = True

    @override
    def discreet(self, error: BrazeError) -> BrazeError:
        return type(error)(f"GET {self.path}: HTTP {error.status}", status=error.status)


class SubscriptionStates(_OfUsers):
    """Subscription groups of the users in the settings, where their state was ever set."""

    # Users without an external ID are told apart by their address and number; several users may share these.
    name = "subscription_states"
    path = "/subscription/user/status"
    permission = "subscription.groups.get"
    payload = "users"
    paginator = Offset(100)
    primary_keys = ("external_id", "email", "phone", "subscription_group_id")
    schema = columns.schema(
        *_USER,
        columns.key("subscription_group_id", "ID of the subscription group."),
        th.Property("subscription_group_name", th.StringType, description="Name of the subscription group."),
        th.Property("channel", th.StringType, description="Channel of the group, such as `email` or `sms`."),
        th.Property("status", th.StringType, description="`Subscribed` or `Unsubscribed`."),
    )

    @override
    def get_records(self, context: Context | None) -> Iterator[Record]:
        # A user may have several of the identifiers.
        dedupe = Dedupe()
        for row in super().get_records(context):
            if dedupe.add(repr([row[name] for name in self.primary_keys])):
                yield row

    @override
    def plan(self, since: datetime | None) -> Iterator[Request]:
        for kind, some in self.run.settings.subscribers.batches(_SIZES):
            yield self.request({f"{kind}[]": some})

    @override
    def rows(self, request: Request, document: Document) -> list[Record]:
        # The docs do not say whether `limit` counts users or groups, so treat a page of 100 groups as full.
        return [
            {
                **{name: user.get(name) or NO_VALUE for name in _SIZES},
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

    # Braze returns the identifiers of the request, so the other two are `(none)`.
    name = "subscription_group_states"
    path = "/subscription/status/get"
    permission = "subscription.status.get"
    payload = "status"
    parameter_names = MappingProxyType({"identifier_type": ""})
    primary_keys = ("subscription_group_id", "external_id", "email", "phone")
    schema = columns.schema(
        columns.key("subscription_group_id", "ID of the subscription group."),
        *_USER,
        th.Property("status", th.StringType, description="`Subscribed`, `Unsubscribed` or `Unknown`."),
    )

    def __init__(self, run: RunContext) -> None:
        super().__init__(run)
        self._reached: set[str] = set()  # groups that take an email address or a phone number
        self._refused: list[tuple[Request, BrazeError]] = []

    @override
    def get_records(self, context: Context | None) -> Iterator[Record]:
        yield from super().get_records(context)
        for request, error in self._refused:
            if request.tags["subscription_group_id"] not in self._reached:
                super().pass_over(request, error)

    @override
    def plan(self, since: datetime | None) -> Iterator[Request]:
        for group in self.run.settings.subscription_groups:
            for kind, some in self.run.settings.subscribers.batches(_SIZES):
                tags = {"subscription_group_id": group, "identifier_type": kind}
                yield self.request({f"{kind}[]": some}, tags=tags)

    @override
    def rows(self, request: Request, document: Document) -> list[Record]:
        group, kind = request.tags["subscription_group_id"], request.tags["identifier_type"]
        if kind != "external_id":
            self._reached.add(group)
        nobody = {"subscription_group_id": group, **dict.fromkeys(_SIZES, NO_VALUE)}
        return [{**nobody, kind: user, "status": status} for user, status in (document[self.payload] or {}).items()]

    @override
    def pass_over(self, request: Request, error: BrazeError) -> None:
        # Groups for email take no phone numbers, and the others no addresses, but no endpoint returns the channel of a
        # group. So a refusal means something only if the group takes neither.
        if isinstance(error, RefusedError) and request.tags["identifier_type"] != "external_id":
            self._refused.append((request, error))
        else:
            super().pass_over(request, error)


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
    unversioned = frozenset()
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
