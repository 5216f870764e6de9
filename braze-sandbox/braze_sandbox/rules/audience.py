"""Connected audiences: filters on user attributes and subscriptions (docs: connected_audience)."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any

from braze_sandbox.model.clock import parse_iso

if TYPE_CHECKING:
    from collections.abc import Callable

    from braze_sandbox.model.profile import Profile
    from braze_sandbox.wire.answer import Json

    Filter = Callable[[Profile, datetime], bool]

REGULAR_EXPRESSIONS = frozenset({"matches_regex", "does_not_match_regex"})
"""Comparisons that the sandbox does not evaluate."""


class AudienceError(ValueError):
    """An audience that Braze would refuse; the message gives the reason."""


class UnsupportedError(AudienceError):
    """A comparison that Braze supports and the sandbox does not."""


def compile_audience(value: Json) -> Filter:
    """Return a function that checks whether a user is in an audience at a given time.

    Raises:
        AudienceError: The audience has none of the documented forms.
    """
    if not isinstance(value, dict) or len(value) != 1:
        raise AudienceError("an audience must be an object with one filter, or with AND or OR")
    ((name, inner),) = value.items()
    if name in ("AND", "OR"):
        if not isinstance(inner, list) or not inner:
            raise AudienceError(f"'{name}' must be an array of filters")
        parts = [compile_audience(one) for one in inner]
        every = all if name == "AND" else any
        return lambda profile, now: every(part(profile, now) for part in parts)
    make = _FILTERS.get(name)
    if make is None or not isinstance(inner, dict):
        raise AudienceError(f"{name!r} is not a filter of a connected audience")
    return make(inner)


def _custom_attribute(given: dict[str, Any]) -> Filter:
    name, comparison, value = (given.get(key) for key in ("custom_attribute_name", "comparison", "value"))
    if not isinstance(name, str):
        raise AudienceError("'custom_attribute_name' must be a string")
    if str(comparison) in REGULAR_EXPRESSIONS:
        raise UnsupportedError(f"the comparison {comparison}")
    if comparison in ("exists", "does_not_exist"):
        wanted = comparison == "exists"
        return lambda profile, _: (profile.custom_attributes.get(name) is not None) is wanted
    compare = _COMPARISONS.get(str(comparison))
    if compare is None:
        raise AudienceError(f"{comparison!r} is not a comparison for custom attributes")
    return lambda profile, now: compare(profile.custom_attributes.get(name), value, now)


def _subscription(field: str) -> Callable[[dict[str, Any]], Filter]:
    def make(given: dict[str, Any]) -> Filter:
        if given.get("comparison") not in ("is", "is_not"):
            raise AudienceError("'comparison' must be is or is_not")
        if given.get("value") not in ("opted_in", "subscribed", "unsubscribed"):
            raise AudienceError("'value' must be opted_in, subscribed or unsubscribed")
        wanted, value = given["comparison"] == "is", given["value"]
        return lambda profile, _: (profile.attributes.get(field, "subscribed") == value) is wanted

    return make


def _last_used_app(given: dict[str, Any]) -> Filter:
    comparison, moment = given.get("comparison"), _moment(given.get("value"))
    if comparison not in ("after", "before") or moment is None:
        raise AudienceError("'last_used_app' needs the comparison after or before and an ISO 8601 date-time")

    def used(profile: Profile, _: datetime) -> bool:
        times = [_moment(app["last_used"]) for app in profile.observed.get("apps", ())]
        known = [time for time in times if time is not None]
        return bool(known) and (max(known) > moment if comparison == "after" else max(known) < moment)

    return used


def _moment(value: Json) -> datetime | None:
    if isinstance(value, datetime):
        return value
    parsed = parse_iso(value) if isinstance(value, str) else None
    return parsed and parsed[0]


def _ordered(test: Callable[[Any, Any], bool]) -> Callable[[Json, Json, datetime], bool]:
    def compare(stored: Json, value: Json, _: datetime) -> bool:
        numbers = all(isinstance(one, (int, float)) and not isinstance(one, bool) for one in (stored, value))
        return numbers and test(stored, value)

    return compare


def _dated(test: Callable[[datetime, datetime], bool]) -> Callable[[Json, Json, datetime], bool]:
    def compare(stored: Json, value: Json, _: datetime) -> bool:
        moments = _moment(stored), _moment(value)
        return moments[0] is not None and moments[1] is not None and test(moments[0], moments[1])

    return compare


_LONGEST = 1_000_000
"""Maximum days in either direction; more would overflow the calendar."""


def _days(*, ahead: bool, less: bool) -> Callable[[Json, Json, datetime], bool]:
    def compare(stored: Json, value: Json, now: datetime) -> bool:
        moment = _moment(stored)
        if (
            moment is None
            or isinstance(value, bool)
            or not isinstance(value, (int, float))
            or not 0 <= value < _LONGEST
        ):
            return False
        distance = (moment - now) if ahead else (now - moment)
        near = distance < timedelta(days=value)
        return distance >= timedelta(0) and near is less

    return compare


_COMPARISONS: dict[str, Callable[[Json, Json, datetime], bool]] = {
    "equals": lambda stored, value, _: stored == value,
    "not_equal": lambda stored, value, _: stored != value,
    "includes_value": lambda stored, value, _: isinstance(stored, list) and value in stored,
    "does_not_include_value": lambda stored, value, _: not (isinstance(stored, list) and value in stored),
    "greater_than": _ordered(lambda stored, value: stored > value),
    "greater_than_or_equal_to": _ordered(lambda stored, value: stored >= value),
    "less_than": _ordered(lambda stored, value: stored < value),
    "less_than_or_equal_to": _ordered(lambda stored, value: stored <= value),
    "after": _dated(lambda stored, value: stored > value),
    "before": _dated(lambda stored, value: stored < value),
    "less_than_x_days_ago": _days(ahead=False, less=True),
    "greater_than_x_days_ago": _days(ahead=False, less=False),
    "less_than_x_days_in_the_future": _days(ahead=True, less=True),
    "greater_than_x_days_in_the_future": _days(ahead=True, less=False),
}
_FILTERS: dict[str, Callable[[dict[str, Any]], Filter]] = {
    "custom_attribute": _custom_attribute,
    "push_subscription_status": _subscription("push_subscribe"),
    "email_subscription_status": _subscription("email_subscribe"),
    "last_used_app": _last_used_app,
}
