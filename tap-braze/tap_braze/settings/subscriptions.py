"""The setting `subscriptions`: whose subscription states to read."""

from __future__ import annotations

from typing import Final

from singer_sdk import typing as th

SUBSCRIPTIONS: Final = th.Property(
    "subscriptions",
    th.ObjectType(
        th.Property(
            "external_ids",
            th.ArrayType(th.StringType(min_length=1)),
            default=[],
            title="External IDs",
            description="External IDs of the users to read.",
        ),
        th.Property(
            "external_ids_file",
            th.StringType(min_length=1),
            title="External IDs file",
            description="Path of a UTF-8 text file with one external ID per line.",
        ),
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
        "Whose subscriptions `subscription_states` and `subscription_group_states` read. Set `external_ids` "
        "or `external_ids_file` (one external ID per line), or both; `subscription_group_states` also needs "
        "`groups`, a list of subscription group IDs. Default: nobody's."
    ),
)
