"""Map records to states of users in subscription groups."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar, Final
from uuid import UUID

from typing_extensions import override

from target_braze.braze import consent, limits
from target_braze.braze.changes import Change, Endpoint, Request, Semantics, always, free, latest
from target_braze.encode import encode
from target_braze.mapping.base.actions import columns_of
from target_braze.mapping.base.settings import CONSENTED_AT, SUBSCRIPTION
from target_braze.mapping.base.subscription_states import StateSetter
from target_braze.mapping.columns import Columns, Field
from target_braze.mapping.identifiers import find_user
from target_braze.mapping.values.scalars import to_string

if TYPE_CHECKING:
    from collections.abc import Callable, Hashable, Mapping, Sequence

    from target_braze.braze.client import RefusedError
    from target_braze.mapping.base.stream_mapping import Defaults

_STATES: Final = ("subscribed", "unsubscribed")


# Recorded for an unknown subscription group: the error applies to all users of the group.
_UNKNOWN_GROUP: Final = "invalid subscription group id"


@dataclass(frozen=True, eq=False)
class SubscriptionGroups(Endpoint):
    """An endpoint for users by group and state: https://www.braze.com/docs/api/endpoints/subscription_groups/.

    Emails and phone numbers may not share a request, so each kind of identifier has separate requests.
    """

    @override
    def body(self, changes: Sequence[Change], encoded: Sequence[bytes]) -> bytes:
        groups: dict[tuple[Any, ...], list[str]] = {}
        for change in changes:
            groups.setdefault(tuple(change.fields.items()), []).append(change.user[1])
        return encode(
            {"subscription_groups": [{**dict(group), self.arrays[0]: users} for group, users in groups.items()]}
        )

    @override
    def divided(self, request: Request, error: RefusedError) -> list[Request]:
        groups = request.divided(_by_group)
        if len(groups) > 1 or any(_UNKNOWN_GROUP in text.casefold() for text in error.errors):
            return groups
        return super().divided(request, error)

    @override
    def _named(self, changes: Sequence[Change], error: object) -> Sequence[Change]:
        """Return the changes that an error is about; the index of a group means all changes of the group."""
        groups = Request.of(self, changes).divided(_by_group)
        if isinstance(error, dict) and error.get("input_array") == "subscription_groups":
            index = error.get("index")
            return groups[index].changes if type(index) is int and 0 <= index < len(groups) else ()
        return super()._named(changes, error) if len(groups) == 1 else ()


def _by_group(change: Change) -> Hashable:
    return tuple(change.fields.items())


# Braze keeps the state of an address without a profile, but may lose the state of an unknown external ID.
_SHARED: Final[Any] = {
    "path": "/v2/subscription/status/set",
    "permission": "subscription.status.set",
    "pool": "subscriptions",
    "max_changes": limits.ITEMS_PER_REQUEST,
    "settle_seconds": limits.SAME_THING_WAIT,
}
ENDPOINTS: Final[Mapping[str, Endpoint]] = {
    "external_id": SubscriptionGroups(
        arrays=("external_ids",), seconds_after_others=limits.DEPENDENCY_DELAY, **_SHARED
    ),
    "email": SubscriptionGroups(arrays=("emails",), **_SHARED),
    "phone": SubscriptionGroups(arrays=("phones",), **_SHARED),
}
SEMANTICS: Final = Semantics(
    repeatable=always,
    counted=False,
    sends_messages=False,
    sets_attributes=False,
    moves_attributes=False,
    coalesce=latest,
    data_points=free,
    consent=consent.GROUP,
)


class Subscriptions(StateSetter, to="subscriptions"):
    """https://www.braze.com/docs/api/endpoints/subscription_groups/post_update_user_subscription_group_status_v2/."""

    settings: ClassVar[Mapping[str, Any]] = {"subscription": SUBSCRIPTION, "consented_at": CONSENTED_AT}
    unsupported_keys = frozenset({"rename"})
    identifier_types = frozenset(ENDPOINTS)
    semantics = (SEMANTICS,)
    endpoints = tuple(ENDPOINTS.values())
    on_delete_actions = ("nothing", "unsubscribe")
    dealing = "by user"

    states = _STATES

    def __init__(self, columns: Columns, defaults: Defaults, notice: Callable[[str], None]) -> None:
        super().__init__(columns, defaults, notice)
        used = self._compile_state() | columns_of(self._identifier_rules)
        literal = columns.entry.get("subscription", {}).get("group")
        self._group: Field | str
        if literal is None:
            column = self._column("subscription", "group_field", "subscription_group_id")
            self._group = Field(column, "subscription_group_id", _group)
            used.add(column)
        else:
            try:
                self._group = _group(literal)
            except ValueError as wrong:
                raise columns.error(f"'subscription.group': {wrong} - at {columns.at}.subscription.group") from None
        self._report_unused(used)
        self._double_opt_in: bool = columns.entry.get("subscription", {}).get("double_opt_in", False)
        if self._double_opt_in and any(rule.identifier_type == "email" for rule in self._identifier_rules):
            raise columns.error(
                "'subscription.double_opt_in' is for SMS groups, whose users are identified by external_id or phone; "
                "name its column in 'user' - at {columns.at}.subscription.double_opt_in"
            )

    @property
    @override
    def sources(self) -> Mapping[str, tuple[str, ...]]:
        group = {"subscription_group_id": (self._group.column,)} if isinstance(self._group, Field) else {}
        return {**super().sources, **group}

    @override
    def _set(self, record: Mapping[str, Any], state: str) -> list[Change]:
        user, _ = find_user(self._identifier_rules, record)
        group = self._part(record)
        endpoint = ENDPOINTS[user[0]]
        fields: dict[str, Any] = {"subscription_group_id": group, "subscription_state": state}
        if self._double_opt_in and state == "subscribed":
            fields["use_double_opt_in_logic"] = True
        return [Change(endpoint.arrays[0], user, fields, SEMANTICS, endpoint, key=group)]

    @override
    def _part(self, record: Mapping[str, Any]) -> str:
        return self._group if isinstance(self._group, str) else str(self._group.required(record))

    @override
    def _part_columns(self, part: str) -> dict[str, Any]:
        return {} if isinstance(self._group, str) else {self._group.column: part}


def _group(value: object) -> str:
    text = to_string(value).strip()
    try:
        return text and str(UUID(text))
    except ValueError:
        raise ValueError(f"expected the id of a subscription group, as shown in the dashboard, got {value!r}") from None
