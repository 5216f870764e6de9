"""Map records to subscription states of email addresses."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, ClassVar, Final

from typing_extensions import override

from target_braze.braze import consent, limits
from target_braze.braze.changes import Change, Endpoint, Semantics, always, free, latest
from target_braze.braze.endpoints import Identifiers
from target_braze.mapping.base.actions import columns_of
from target_braze.mapping.base.settings import CONSENTED_AT, SUBSCRIPTION
from target_braze.mapping.base.subscription_states import StateSetter
from target_braze.mapping.identifiers import find_user

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from target_braze.mapping.base.stream_mapping import Defaults
    from target_braze.mapping.columns import Columns

ENDPOINTS: Final[Mapping[str, Endpoint]] = {
    state: Identifiers(
        "/email/status",
        "email.status",
        "default",
        ("email",),
        limits.ITEMS_PER_REQUEST,
        limits.SAME_THING_WAIT,
        constants={"subscription_state": state},
    )
    for state in ("subscribed", "unsubscribed", "opted_in")
}
SEMANTICS: Final[Mapping[str, Semantics]] = {
    state: Semantics(
        repeatable=always,
        counted=False,
        sends_messages=False,
        sets_attributes=False,
        moves_attributes=False,
        coalesce=latest,
        data_points=free,
        consent=consent.EMAIL_OUT if state == "unsubscribed" else consent.EMAIL_IN,
    )
    for state in ENDPOINTS
}


class EmailStatus(StateSetter, to="email_status"):
    """See https://www.braze.com/docs/api/endpoints/email/post_email_subscription_status/."""

    settings: ClassVar[Mapping[str, Any]] = {"subscription": SUBSCRIPTION, "consented_at": CONSENTED_AT}
    unsupported_keys = frozenset({"rename"})
    identifier_types = frozenset({"email"})
    semantics = tuple(SEMANTICS.values())
    endpoints = tuple(ENDPOINTS.values())
    on_delete_actions = ("nothing", "unsubscribe")
    dealing = "by user"

    states = tuple(ENDPOINTS)

    def __init__(self, columns: Columns, defaults: Defaults, notice: Callable[[str], None]) -> None:
        super().__init__(columns, defaults, notice)
        given = columns.entry.get("subscription", {})
        for key in {"group", "group_field", "double_opt_in"} & given.keys():
            raise columns.error(
                f"'subscription.{key}' does not apply to email_status - at {columns.at}.subscription.{key}"
            )
        self._report_unused(self._compile_state() | columns_of(self._identifier_rules))

    @override
    def _set(self, record: Mapping[str, Any], state: str) -> list[Change]:
        user, _ = find_user(self._identifier_rules, record)
        return [Change("email", user, {"email": user[1]}, SEMANTICS[state], ENDPOINTS[state], key="email_status")]
