"""Apply attributes objects to profiles: standard and custom fields (docs: user_attributes_object)."""

from __future__ import annotations

from functools import lru_cache, partial
from typing import TYPE_CHECKING, Any
from zoneinfo import ZoneInfo

from braze_sandbox.model.clock import iso_milliseconds
from braze_sandbox.rules.codes import COUNTRIES, COUNTRY_NAMES, LANGUAGES, TIME_ZONE_NAMES
from braze_sandbox.rules.custom_attributes import apply_custom
from braze_sandbox.rules.identity import CONTROL, normal_phone
from braze_sandbox.rules.values import STRING, Discard, parse_time, scalar

if TYPE_CHECKING:
    from collections.abc import Callable

    from braze_sandbox.model.profile import Profile
    from braze_sandbox.model.profiles import Profiles
    from braze_sandbox.wire.answer import Json

SUBSCRIPTIONS = ("email_subscribe", "push_subscribe")
_SINCE = {"opted_in": "opted_in", "unsubscribed": "unsubscribed"}
_STATES = frozenset({"subscribed", "unsubscribed", "opted_in"})
_IMAGE_URL = 1024


def apply_attributes(
    profiles: Profiles, profile: Profile, obj: dict[str, Any], report: Callable[[str, str], None]
) -> None:
    """Apply a validated attributes object to a profile; send what Braze silently drops or changes to `report`."""
    merge = obj.get("_merge_objects") is True
    for given, value in obj.items():
        if given in CONTROL:
            continue
        name = given.strip()
        if name != given:
            report("an attribute name is trimmed", given)
        try:
            if name in STANDARD:
                _standard(profiles, profile, name, value, partial(_at, report, given))
            else:
                if not name:
                    raise Discard("an attribute with an empty name is not stored")  # noqa: TRY301 - as the others
                if name in profiles.workspace.blocked_attributes:
                    raise Discard("a blocklisted attribute is discarded")  # noqa: TRY301 - as the others
                if name.lower() in STANDARD:
                    report("a standard field in another case is a custom attribute", given)
                if len(name) > STRING:
                    report("an attribute name over 255 characters (docs silent: kept)", given)
                apply_custom(
                    profiles.types,
                    profile.custom_attributes,
                    name,
                    value,
                    merge=merge,
                    report=partial(_at, report, given),
                )
        except Discard as why:
            report(str(why), given)
    profiles.touch(profile)


def _at(report: Callable[[str, str], None], path: str, reason: str) -> None:
    report(reason, path)


def _standard(profiles: Profiles, profile: Profile, name: str, value: Json, report: Callable[[str], None]) -> None:
    if name in ("email", "phone"):
        if name == "phone" and value is not None:
            value = _phone(value, report)
        profiles.readdress(profile, name, value)
    elif name == "subscription_groups":
        _subscribe(profiles, profile, value or [])
    elif value is None:
        profile.attributes.pop(name, None)
    elif name == "country":
        _country(profile, value, report)
    elif name in SUBSCRIPTIONS:
        set_state(profiles, profile, name, STANDARD[name](value, report))
    else:
        profile.attributes[name] = STANDARD[name](value, report)


def set_state(profiles: Profiles, profile: Profile, name: str, state: Json) -> None:
    """Set the global state of email or push, with the time that exports include without being asked."""
    profile.attributes[name] = state
    if kind := _SINCE.get(state):
        profile.observed[f"{name.partition('_')[0]}_{kind}_at"] = iso_milliseconds(profiles.workspace.now())


def _phone(value: Json, report: Callable[[str], None]) -> str:
    if not isinstance(value, str):
        raise Discard("a phone that is not a string is ignored")
    number = normal_phone(value)
    if number is None:
        report("a phone number that cannot be read (docs silent: kept unchanged)")
        return value
    if number != value:
        report("a phone number was brought to E.164")
    return number


def _country(profile: Profile, value: Json, report: Callable[[str], None]) -> None:
    text = value.strip() if isinstance(value, str) else ""
    code = text.upper() if text.upper() in COUNTRIES else COUNTRY_NAMES.get(text.lower())
    if code is None:
        # Braze sets NULL instead of keeping the old value.
        profile.attributes.pop("country", None)
        raise Discard("a country that Braze does not know becomes NULL")
    if code != value:
        report("a country was guessed from another spelling")
    profile.attributes["country"] = code


def _subscribe(profiles: Profiles, profile: Profile, groups: list[dict[str, Any]]) -> None:
    # A state applies to every profile with the same address (docs: user_attributes_object).
    same = profiles.sharing("email", profile.email) if profile.email else []
    for other in {p.braze_id: p for p in (profile, *same)}.values():
        states = other.attributes.setdefault("subscription_groups", {})
        for group in groups:
            states[group["subscription_group_id"]] = group["subscription_state"]
        profiles.touch(other)


def _text(value: Json, report: Callable[[str], None], limit: int = STRING) -> str:
    if isinstance(value, (bool, dict, list)):
        raise Discard("a value that is not a string is ignored")
    if not isinstance(value, str):
        report("a number was coerced to a string")
        value = str(value)
    if len(value) > limit:
        raise Discard(f"a string over {limit} characters is not stored")
    text: str = value
    return text


def _one_of(allowed: frozenset[str], what: str) -> Callable[[Any, Callable[[str], None]], Any]:
    def check(value: Json, _note: Callable[[str], None]) -> Json:
        if not isinstance(value, str) or value not in allowed:
            raise Discard(f"{what} that Braze does not know is not set")
        return value

    return check


@lru_cache(maxsize=1024)
def _is_zone(name: str) -> bool:
    try:
        ZoneInfo(name)
    except (ValueError, OSError, KeyError):
        return False
    return True


def _time_zone(value: Json, _note: Callable[[str], None]) -> Json:
    if not isinstance(value, str) or not (value in TIME_ZONE_NAMES or _is_zone(value)):
        raise Discard("a time zone that Braze does not know is not set")
    return value


def _birthday(value: Json, _note: Callable[[str], None]) -> Json:
    if not isinstance(value, str) or len(value) != len("2000-01-01") or parse_time(value) is None or "/" in value:
        raise Discard("a dob that is not YYYY-MM-DD is ignored")
    return value


def _moment(value: Json, report: Callable[[str], None]) -> Json:
    return scalar("time", value, report)


def _boolean(value: Json, _note: Callable[[str], None]) -> Json:
    if not isinstance(value, bool):
        raise Discard("a value that is not a boolean is ignored")
    return value


def _as_sent(value: Json, _note: Callable[[str], None]) -> Json:
    return value


def _image(value: Json, report: Callable[[str], None]) -> Json:
    return _text(value, report, _IMAGE_URL)


def _object(value: Json, _note: Callable[[str], None]) -> Json:
    if not isinstance(value, dict):
        raise Discard("a value that is not an object is ignored")
    return value


STANDARD: dict[str, Callable[[Any, Callable[[str], None]], Any]] = {
    "first_name": _text,
    "last_name": _text,
    "home_city": _text,
    "email": _text,
    "phone": _text,
    "country": _text,
    "language": _one_of(LANGUAGES, "a language"),
    "time_zone": _time_zone,
    "gender": _one_of(frozenset("MFONP"), "a gender"),
    "dob": _birthday,
    "current_location": _as_sent,
    "date_of_first_session": _moment,
    "date_of_last_session": _moment,
    "email_subscribe": _one_of(_STATES, "a state"),
    "push_subscribe": _one_of(_STATES, "a state"),
    "email_open_tracking_disabled": _boolean,
    "email_click_tracking_disabled": _boolean,
    "marked_email_as_spam_at": _moment,
    "subscription_groups": _as_sent,
    "push_tokens": _as_sent,
    "image_url": _image,
    "facebook": _object,
    "twitter": _object,
}
