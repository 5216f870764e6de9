"""The settings `scim_token` and `dashboard_users`: whose access to the dashboard to read, over SCIM."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final

from singer_sdk import typing as th

if TYPE_CHECKING:
    from collections.abc import Mapping

SCIM: Final = (
    th.Property(
        "scim_token",
        th.StringType(pattern=r"^[!#-&(-~]+(?!\n)$"),
        secret=True,
        title="SCIM token",
        description=(
            "Token for `dashboard_users` and `dashboard_users_details`, from the SCIM settings of your company in "
            "Braze: these endpoints accept no API key. Default: none."
        ),
    ),
    th.Property(
        "dashboard_users",
        th.ObjectType(
            th.Property(
                "emails",
                th.ArrayType(th.StringType(min_length=1)),
                default=[],
                title="Email addresses",
                description="Email addresses of the people to look up, because Braze does not list accounts over SCIM.",
            ),
            th.Property(
                "service_origin",
                th.StringType(pattern=r"^[!-~]+(?!\n)$"),
                title="Service origin",
                description="Service origin of the SCIM integration, which Braze requires in each request.",
            ),
            nullable=False,
            additional_properties=False,
        ),
        default={},
        title="Dashboard users",
        description=(
            "Whose accounts `dashboard_users` and `dashboard_users_details` read: their `emails`, with the "
            "`service_origin` of the SCIM integration. Braze's security event report has the addresses. Needs "
            "`scim_token` too. Default: none, because these accounts are personal data of your colleagues."
        ),
    ),
)


@dataclass(frozen=True)
class DashboardUsers:
    """The checked and typed settings; `headers` are those of each request."""

    emails: tuple[str, ...] = field(repr=False)
    headers: Mapping[str, str] = field(repr=False)

    @classmethod
    def of(cls, config: Mapping[str, Any]) -> DashboardUsers:
        """Read the settings.

        Raises:
            ValueError: There are addresses, and another setting is missing.
        """
        emails, token = config["dashboard_users"]["emails"], config.get("scim_token")
        origin = config["dashboard_users"].get("service_origin")
        for setting, value in (("scim_token", token), ("dashboard_users.service_origin", origin)):
            if emails and value is None:
                raise ValueError(f"setting '{setting}': 'dashboard_users.emails' needs it too")
        headers = {"Authorization": f"Bearer {token}", "X-Request-Origin": origin} if token and origin else {}
        return cls(tuple(dict.fromkeys(emails)), headers)
