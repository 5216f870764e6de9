"""SDK Authentication keys."""

from __future__ import annotations

from typing import TYPE_CHECKING

from singer_sdk import typing as th
from typing_extensions import override

from tap_braze.streams.base import columns
from tap_braze.streams.base.lists import ListStream

if TYPE_CHECKING:
    from collections.abc import Iterator
    from datetime import datetime

    from tap_braze.fetching.fetch import Request


class SdkAuthenticationKeys(ListStream):
    """Public SDK Authentication keys of the apps in the setting `app_ids`."""

    name = "sdk_authentication_keys"
    path = "/app_group/sdk_authentication/keys"
    permission = "sdk_authentication.keys"
    payload = "keys"
    selected_by_default = False
    without_setting = "setting 'app_ids' is empty"
    primary_keys = ("app_id", "id")
    unversioned = frozenset()
    schema = columns.schema(
        columns.key("app_id", "API identifier of the app."),
        columns.key("id", "ID of the key."),
        th.Property("rsa_public_key", th.StringType, description="The public key (PEM)."),
        th.Property("description", th.StringType, description="Description of the key."),
        th.Property("is_primary", th.BooleanType, description="Whether it is the app's primary key."),
    )

    @override
    def plan(self, since: datetime | None) -> Iterator[Request]:
        for app in self.run.settings.app_ids:
            yield self.request(tags={"app_id": app})
