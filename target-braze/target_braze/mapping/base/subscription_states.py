"""Base class of subscription groups and the email status."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from typing_extensions import override

from target_braze.mapping.base.actions import Action
from target_braze.mapping.columns import Field
from target_braze.mapping.values.scalars import Convert, to_boolean

if TYPE_CHECKING:
    from collections.abc import Mapping

    from target_braze.braze.changes import Change


class StateSetter(Action):
    """Sets the state of a user, from a column or the mapping."""

    states: tuple[str, ...]

    def _compile_state(self) -> set[str]:
        given: Mapping[str, str] = self._columns.entry.get("subscription", {})
        self._state: Field | str
        timed = {self._columns.entry["consented_at"]} if "consented_at" in self._columns.entry else set()
        if "state" in given:
            self._state = given["state"]
            if self._state not in self.states:
                raise self._columns.error(
                    f"'subscription.state' must be {' or '.join(self.states)} - at "
                    f"{self._columns.at}.subscription.state"
                )
            return timed
        column = self._column("subscription", "state_field", "subscription_state", ("string", "integer", "boolean"))
        self._state = Field(column, "subscription_state", _state(self.states))
        return {column} | timed

    @property
    @override
    def sources(self) -> Mapping[str, tuple[str, ...]]:
        return {"subscription_state": (self._state.column,)} if isinstance(self._state, Field) else {}

    def _state_of(self, record: Mapping[str, Any]) -> str:
        return self._state if isinstance(self._state, str) else str(self._state.required(record))

    @override
    def _changes_on_delete(self, record: Mapping[str, Any]) -> list[Change]:
        return self._set(record, "unsubscribed")

    @override
    def _changes(self, record: Mapping[str, Any]) -> list[Change]:
        return self._set(record, self._state_of(record))

    def _set(self, record: Mapping[str, Any], state: str) -> list[Change]:
        raise NotImplementedError


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
