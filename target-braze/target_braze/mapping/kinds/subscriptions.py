"""Records that say what users may be sent: the states of subscription groups, and of email addresses."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final
from uuid import UUID

from typing_extensions import override

from target_braze.braze.user_endpoints import EMAIL_STATUS, SUBSCRIPTIONS
from target_braze.mapping.columns import Field
from target_braze.mapping.identifiers import find_user
from target_braze.mapping.kinds.actions import Step, columns_of
from target_braze.mapping.values.scalars import to_boolean, to_string
from target_braze.records import Change

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from target_braze.mapping.columns import Columns
    from target_braze.mapping.kinds.base import Defaults
    from target_braze.mapping.values.scalars import Convert

_STATES: Final = ("subscribed", "unsubscribed")


class _Stated(Step):
    """What both have in common: a user and a state, from a column or the mapping."""

    states: tuple[str, ...]

    def _compile_state(self) -> set[str]:
        given: Mapping[str, str] = self._columns.entry.get("subscription", {})
        self._state: Field | str
        if "state" in given:
            self._state = given["state"]
            if self._state not in self.states:
                raise self._columns.error(
                    f"'subscription.state' has to be {' or '.join(self.states)} - at "
                    f"{self._columns.at}.subscription.state"
                )
            return set()
        column = self._column("subscription", "state_field", "subscription_state", ("string", "integer", "boolean"))
        self._state = Field(column, "subscription_state", _state(self.states))
        return {column}

    @property
    @override
    def sources(self) -> Mapping[str, tuple[str, ...]]:
        return {"subscription_state": (self._state.column,)} if isinstance(self._state, Field) else {}

    def _state_of(self, record: Mapping[str, Any]) -> str:
        return self._state if isinstance(self._state, str) else str(self._state.required(record))

    @override
    def _removed(self, record: Mapping[str, Any]) -> list[Change]:
        return self._set(record, "unsubscribed")

    @override
    def _changes(self, record: Mapping[str, Any]) -> list[Change]:
        return self._set(record, self._state_of(record))

    def _set(self, record: Mapping[str, Any], state: str) -> list[Change]:
        raise NotImplementedError


class Subscriptions(_Stated):
    """https://www.braze.com/docs/api/endpoints/subscription_groups/post_update_user_subscription_group_status_v2/."""

    to = "subscriptions"
    kind = "external_ids"
    keys = frozenset({"subscription"})
    lacks = frozenset({"rename"})
    users = frozenset(SUBSCRIPTIONS)
    removals = ("nothing", "unsubscribe")
    states = _STATES

    def __init__(self, columns: Columns, defaults: Defaults, notice: Callable[[str], None]) -> None:
        super().__init__(columns, defaults, notice)
        used = self._compile_state() | columns_of(self._candidates)
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
        self._note_unused(used)
        self._double_opt_in: bool = columns.entry.get("subscription", {}).get("double_opt_in", False)
        if self._double_opt_in and any(candidate.kind == "email" for candidate in self._candidates):
            raise columns.error(
                "'subscription.double_opt_in' is for SMS groups, whose users are named by external_id or phone; say "
                f"so in 'user' - at {columns.at}.subscription.double_opt_in"
            )

    @property
    @override
    def sources(self) -> Mapping[str, tuple[str, ...]]:
        group = {"subscription_group_id": (self._group.column,)} if isinstance(self._group, Field) else {}
        return {**super().sources, **group}

    @override
    def _set(self, record: Mapping[str, Any], state: str) -> list[Change]:
        user, _ = find_user(self._candidates, record)
        group = self._part(record)
        endpoint = SUBSCRIPTIONS[user[0]]
        fields: dict[str, Any] = {"subscription_group_id": group, "subscription_state": state}
        if self._double_opt_in and state == "subscribed":
            fields["use_double_opt_in_logic"] = True
        return [Change(endpoint.arrays[0], user, fields, endpoint=endpoint, key=group)]

    @override
    def _part(self, record: Mapping[str, Any]) -> str:
        return self._group if isinstance(self._group, str) else str(self._group.required(record))

    @override
    def _part_columns(self, part: str) -> dict[str, Any]:
        return {} if isinstance(self._group, str) else {self._group.column: part}


class EmailStatuses(_Stated):
    """https://www.braze.com/docs/api/endpoints/email/post_email_subscription_status/."""

    to = "email_status"
    kind = "email"
    keys = frozenset({"subscription"})
    lacks = frozenset({"rename"})
    users = frozenset({"email"})
    removals = ("nothing", "unsubscribe")
    states = tuple(EMAIL_STATUS)

    def __init__(self, columns: Columns, defaults: Defaults, notice: Callable[[str], None]) -> None:
        super().__init__(columns, defaults, notice)
        given = columns.entry.get("subscription", {})
        for key in {"group", "group_field", "double_opt_in"} & given.keys():
            raise columns.error(
                f"'subscription.{key}' has no meaning for email_status - at {columns.at}.subscription.{key}"
            )
        self._note_unused(self._compile_state() | columns_of(self._candidates))

    @override
    def _set(self, record: Mapping[str, Any], state: str) -> list[Change]:
        user, _ = find_user(self._candidates, record)
        return [Change(self.kind, user, {"email": user[1]}, endpoint=EMAIL_STATUS[state], key="email_status")]


def _state(allowed: tuple[str, ...]) -> Convert:
    def convert(value: object) -> str | None:
        text = value.strip().lower() if isinstance(value, str) else None
        if text in allowed:
            return text
        try:
            subscribed = to_boolean(value)
        except ValueError:
            raise ValueError(f"expected {' or '.join(allowed)}, or true or false, got {value!r}") from None
        return None if subscribed is None else "subscribed" if subscribed else "unsubscribed"

    return convert


def _group(value: object) -> str:
    text = to_string(value).strip()
    try:
        return text and str(UUID(text))
    except ValueError:
        raise ValueError(f"expected the id of a subscription group, which the dashboard shows, got {value!r}") from None
