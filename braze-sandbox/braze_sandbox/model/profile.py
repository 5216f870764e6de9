"""A single user profile."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime
from math import isfinite
from sys import float_info
from typing import TYPE_CHECKING, Any

from braze_sandbox.model.clock import iso, utc_now

if TYPE_CHECKING:
    from collections.abc import Callable

    from braze_sandbox.wire.answer import Json


@dataclass(slots=True)
class Profile:
    """A user. Times are timezone-aware datetimes in UTC."""

    braze_id: str
    external_id: str | None = None
    deprecated_external_ids: list[str] = field(default_factory=list)
    """Former ids, which still match the user (docs: post_external_ids_rename)."""
    aliases: dict[str, str] = field(default_factory=dict)
    """Maps label to name: one name per label (docs: post_user_alias)."""
    attributes: dict[str, Any] = field(default_factory=dict)
    """Standard fields."""
    custom_attributes: dict[str, Any] = field(default_factory=dict)
    events: list[dict[str, Any]] = field(default_factory=list)
    """`name`, `time`, `properties`, and `app_id` of each event, in order of arrival."""
    purchases: list[dict[str, Any]] = field(default_factory=list)
    """`product_id`, `currency`, `price`, `quantity`, `time`, `properties`, and `app_id` of each purchase."""
    observed: dict[str, Any] = field(default_factory=dict)
    """Data from apps and messages (`devices`, `apps`, `campaigns_received` ...), in the format of exports."""
    created_at: datetime = field(default_factory=utc_now)
    updated: int = 0
    """Value of an update counter shared by all profiles; larger is more recent."""

    @property
    def email(self) -> str | None:
        """Return the email address as it was sent."""
        email: str | None = self.attributes.get("email")
        return email

    @property
    def phone(self) -> str | None:
        """Return the phone number, with its plus sign if it could be parsed."""
        phone: str | None = self.attributes.get("phone")
        return phone

    @property
    def random_bucket(self) -> int:
        """Return the user's fixed number from 0 to 9999."""
        return int(self.braze_id[-6:], 16) % 10_000

    @property
    def total_revenue(self) -> float:
        """Return price times quantity summed over all purchases, without currency conversion."""
        revenue: float = sum(bought["price"] * bought["quantity"] for bought in self.purchases)
        return round(revenue, 2) if isfinite(revenue) else float_info.max

    def as_json(self) -> dict[str, Any]:
        """Return the profile for /sandbox/users."""
        profile: dict[str, Any] = plain(
            {
                "braze_id": self.braze_id,
                "external_id": self.external_id,
                "deprecated_external_ids": self.deprecated_external_ids,
                "aliases": self.aliases,
                "attributes": self.attributes,
                "custom_attributes": self.custom_attributes,
                "events": self.events,
                "purchases": self.purchases,
                "observed": self.observed,
                "created_at": self.created_at,
            }
        )
        return profile


def plain(value: Json, stamp: Callable[[datetime], str] = iso) -> Json:
    """Return a value with its times converted to ISO 8601 strings."""
    if isinstance(value, datetime):
        return stamp(value)
    if isinstance(value, dict):
        return {name: plain(inner, stamp) for name, inner in value.items()}
    if isinstance(value, list):
        return [plain(inner, stamp) for inner in value]
    return value
