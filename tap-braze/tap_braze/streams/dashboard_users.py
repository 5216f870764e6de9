"""Dashboard users, to audit who may do what: the people in the settings, looked up over SCIM.

SCIM has a token of its own and lists nobody. https://www.braze.com/docs/api/endpoints/scim/
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from singer_sdk import typing as th
from typing_extensions import override

from tap_braze.streams.base import columns
from tap_braze.streams.base.lists import NOTHING, ListStream
from tap_braze.streams.base.stream import SCIM

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from datetime import datetime

    from singer_sdk.helpers.types import Record

    from tap_braze.braze.client import BrazeError
    from tap_braze.fetching.fetch import Document, Request
    from tap_braze.streams.base.context import RunContext

_USER = (
    columns.key("id", "ID of the account."),
    th.Property("userName", th.StringType, description="Email address of the account."),
    th.Property(
        "name",
        th.ObjectType(
            th.Property("givenName", th.StringType, description="First name."),
            th.Property("familyName", th.StringType, description="Last name."),
        ),
        description="Name of the person.",
    ),
    th.Property("department", th.StringType, description="Department of the person."),
    # Braze writes these for people, in more than one form.
    th.Property("createdAt", th.StringType, description="When the account was created, as Braze writes it."),
    th.Property("lastSignInAt", th.StringType, description="When the person last signed in, as Braze writes it."),
    columns.open_object("permissions", "Permissions of the account: for the company, by role, by workspace and team."),
    columns.strings("schemas", "SCIM schemas of the response."),
)


class _ScimStream(ListStream):
    permission = "scim"
    pool = SCIM
    selected_by_default = False
    personal = True
    without_setting = "setting 'dashboard_users' names no email address"
    primary_keys = ("id",)
    schema = columns.schema(*_USER)

    def __init__(self, run: RunContext) -> None:
        super().__init__(run)
        if self.config.get("scim_token") is None:
            self.untested = "setting 'scim_token' is not set"

    @property
    @override
    def needs(self) -> str:
        return "a SCIM token in setting 'scim_token'"

    @override
    def bare_request(self) -> Request:
        return self._with_token(super().bare_request())

    @override
    def request(self, params: Mapping[str, str | list[str]] = NOTHING, tags: Mapping[str, str] = NOTHING) -> Request:
        return self._with_token(super().request(params, tags))

    @override
    def discreet(self, error: BrazeError) -> BrazeError:
        # The path and Braze's text may name a person or the token.
        return type(error)(f"GET {self.path}: HTTP {error.status}", status=error.status)

    def _with_token(self, request: Request) -> Request:
        return replace(request, headers=self.run.settings.dashboard_users.headers)


class DashboardUsers(_ScimStream):
    """Accounts of the dashboard users in the settings."""

    name = "dashboard_users"
    path = "/scim/v2/Users"
    payload = "Resources"

    @override
    def plan(self, since: datetime | None) -> Iterator[Request]:
        for email in self.run.settings.dashboard_users.emails:
            yield self.request({"filter": f'userName eq "{email}"'})


class DashboardUsersDetails(_ScimStream):
    """Accounts of the dashboard users in the settings, with their roles."""

    name = "dashboard_users_details"
    path = "/scim/v2/Users/{id}"
    payload = "userName"
    parent = DashboardUsers
    parent_key = "id"

    @override
    def rows(self, request: Request, document: Document) -> list[Record]:
        return [{**request.tags, **document}]
