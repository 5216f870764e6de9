"""The setting `subscriptions`: whose subscription states to read."""

from __future__ import annotations

from typing import Final

from singer_sdk import typing as th

from tap_braze.settings.user_ids import identifiers

SUBSCRIPTIONS: Final = th.Property(
    "subscriptions",
    th.ObjectType(
        *identifiers("external_id", "email", "phone"),
        th.Property(
            "groups",
            th.ArrayType(th.StringType(min_length=1)),
            default=[],
            title="Subscription groups",
            description="IDs of the subscription groups that `subscription_group_states` reads.",
        ),
        nullable=False,
        additional_properties=False,
    ),
    default={},
    title="Subscriptions",
    description=(
        "Whose subscriptions `subscription_states` and `subscription_group_states` read. Name users in any of "
        "`external_ids`, `external_ids_file` (one external ID per line), `emails` and `phones`; "
        "`subscription_group_states` also needs `groups`, a list of subscription group IDs. Default: none."
    ),
)
