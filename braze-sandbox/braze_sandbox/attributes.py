"""Attributes objects applied to profiles: standard fields, custom attributes, operators (docs: user_attributes_object)."""

from __future__ import annotations

from functools import lru_cache
from typing import TYPE_CHECKING, Any
from zoneinfo import ZoneInfo

from braze_sandbox.codes import COUNTRIES, COUNTRY_NAMES, LANGUAGES
from braze_sandbox.identity import CONTROL, normal_phone
from braze_sandbox.values import (
    OBJECT_BYTES,
    STRING,
    Discard,
    elements,
    kind_of,
    nested,
    parse_time,
    scalar,
    stored_bytes,
)

if TYPE_CHECKING:
    from collections.abc import Callable

    from braze_sandbox.profiles import Profile, Profiles

_STATES = frozenset({"subscribed", "unsubscribed", "opted_in"})
_IMAGE_URL = 1024


def apply_attributes(
    profiles: Profiles, profile: Profile, obj: dict[str, Any], note: Callable[[str, str], None]
) -> None:
    """Apply a checked attributes object to a profile; what Braze drops or changes in silence goes to `note`."""
    merge = obj.get("_merge_objects") is True
    for given, value in obj.items():
        if given in CONTROL:
            continue
        name = given.strip()
        if name != given:
            note("an attribute name is trimmed", given)
        try:
            if name in STANDARD:
                _standard(profiles, profile, name, value, lambda reason, at=given: note(reason, at))  # type: ignore[misc] # the default binds the loop's name
            else:
                if not name:
                    raise Discard("an attribute with an empty name is not stored")  # noqa: TRY301 - as the others
                if name.lower() in STANDARD:
                    note("a standard field in another case is a custom attribute", given)
                if len(name) > STRING:
                    note("an attribute name over 255 characters (docs silent: kept)", given)
                _custom(profiles, profile, name, value, merge=merge, note=lambda reason, at=given: note(reason, at))
        except Discard as why:
            note(str(why), given)
    profiles.touch(profile)


def _standard(profiles: Profiles, profile: Profile, name: str, value: Any, note: Callable[[str], None]) -> None:  # noqa: ANN401 - any JSON
    if name in ("email", "phone"):
        if name == "phone" and value is not None:
            value = _phone(value, note)
        profiles.readdress(profile, name, value)
    elif name == "subscription_groups":
        _subscribe(profiles, profile, value or [])
    elif value is None:
        profile.attributes.pop(name, None)
    elif name == "country":
        _country(profile, value, note)
    else:
        profile.attributes[name] = STANDARD[name](value, note)


def _phone(value: Any, note: Callable[[str], None]) -> str:  # noqa: ANN401 - any JSON
    if not isinstance(value, str):
        raise Discard("a phone that is no string is ignored")
    number = normal_phone(value)
    if number is None:
        note("a phone number that cannot be read (docs silent: kept as it is)")
        return value
    if number != value:
        note("a phone number was brought to E.164")
    return number


def _country(profile: Profile, value: Any, note: Callable[[str], None]) -> None:  # noqa: ANN401 - any JSON
    text = value.strip() if isinstance(value, str) else ""
    code = text.upper() if text.upper() in COUNTRIES else COUNTRY_NAMES.get(text.lower())
    if code is None:
        # Braze sets NULL rather than to leave the old value alone.
        profile.attributes.pop("country", None)
        raise Discard("a country that Braze does not know becomes NULL")
    if code != value:
        note("a country was guessed from another spelling")
    profile.attributes["country"] = code


def _subscribe(profiles: Profiles, profile: Profile, groups: list[dict[str, Any]]) -> None:
    # A state reaches every profile with the same address (docs: user_attributes_object).
    same = profiles.sharing("email", profile.email) if profile.email else []
    for other in {p.braze_id: p for p in (profile, *same)}.values():
        states = other.attributes.setdefault("subscription_groups", {})
        for group in groups:
            states[group["subscription_group_id"]] = group["subscription_state"]
        profiles.touch(other)


def _text(value: Any, note: Callable[[str], None], limit: int = STRING) -> str:  # noqa: ANN401 - any JSON
    if isinstance(value, (bool, dict, list)):
        raise Discard("a value that is no string is ignored")
    if not isinstance(value, str):
        note("a number was coerced to a string")
        value = str(value)
    if len(value) > limit:
        raise Discard(f"a string over {limit} characters is not stored")
    text: str = value
    return text


def _one_of(allowed: frozenset[str], what: str) -> Callable[[Any, Callable[[str], None]], Any]:
    def check(value: Any, _note: Callable[[str], None]) -> Any:  # noqa: ANN401 - any JSON
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


def _time_zone(value: Any, _note: Callable[[str], None]) -> Any:  # noqa: ANN401 - any JSON
    if not isinstance(value, str) or not _is_zone(value):
        raise Discard("a time zone that Braze does not know is not set")
    return value


def _birthday(value: Any, _note: Callable[[str], None]) -> Any:  # noqa: ANN401 - any JSON
    if not isinstance(value, str) or len(value) != len("2000-01-01") or parse_time(value) is None or "/" in value:
        raise Discard("a dob that is not YYYY-MM-DD is ignored")
    return value


def _moment(value: Any, note: Callable[[str], None]) -> Any:  # noqa: ANN401 - any JSON
    return scalar("time", value, note)


def _boolean(value: Any, _note: Callable[[str], None]) -> Any:  # noqa: ANN401 - any JSON
    if not isinstance(value, bool):
        raise Discard("a value that is no boolean is ignored")
    return value


def _as_sent(value: Any, _note: Callable[[str], None]) -> Any:  # noqa: ANN401 - any JSON
    return value


def _image(value: Any, note: Callable[[str], None]) -> Any:  # noqa: ANN401 - any JSON
    return _text(value, note, _IMAGE_URL)


def _object(value: Any, _note: Callable[[str], None]) -> Any:  # noqa: ANN401 - any JSON
    if not isinstance(value, dict):
        raise Discard("a value that is no object is ignored")
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


def _custom(
    profiles: Profiles,
    profile: Profile,
    name: str,
    value: Any,
    *,
    merge: bool,
    note: Callable[[str], None],
) -> None:
    attributes, types = profile.custom_attributes, profiles.types
    if value is None:
        attributes.pop(name, None)
        return
    kind = types.get(name)
    if isinstance(value, dict):
        operator = _operator(value)
        if operator is None:
            new: Any = nested(value)
            _expect(kind, "object")
            if merge and isinstance(attributes.get(name), dict):
                new = _merged(attributes[name], new)
            found = "object"
        else:
            found, new = operator(kind, attributes.get(name), value, merge, note)
    elif isinstance(value, list):
        # An empty array is an array of either sort.
        found = kind if not value and kind in ("array", "objects") else kind_of(value)
        _expect(kind, found)
        new = [nested(element) for element in value] if found == "objects" else elements(value, note)
    else:
        if kind in ("array", "object", "objects"):
            raise Discard(f"a scalar is ignored for an attribute of type {kind}")
        found = kind or kind_of(value)
        new = scalar(found, value, note)
    if found in ("array", "object", "objects") and stored_bytes(new) > OBJECT_BYTES:
        raise Discard("an object or array over 100 KB is not stored")
    types.setdefault(name, found)
    attributes[name] = new


def _expect(kind: str | None, found: str) -> None:
    if kind not in (None, found):
        raise Discard(f"a value of type {found} is ignored for an attribute of type {kind}")


def _operator(value: dict[str, Any]) -> Callable[..., tuple[str, Any]] | None:
    keys = value.keys()
    if keys == {"inc"} and isinstance(value["inc"], (int, float)):
        return _inc
    if keys and keys <= {"add", "remove"} and all(isinstance(inner, list) for inner in value.values()):
        return _add_remove
    if keys & {"$add", "$remove", "$update"}:
        return _objects
    return None


def _inc(
    kind: str | None, old: Any, value: dict[str, Any], _merge: bool, _note: Callable[[str], None]
) -> tuple[str, Any]:
    _expect(kind, "number")
    by = value["inc"]
    if isinstance(by, bool) or not isinstance(by, int) or not isinstance(old, (int, type(None))):
        # The docs speak of integers; what becomes of others is not documented.
        raise Discard("inc on or by something that is no integer is ignored")
    return "number", (old or 0) + by


def _add_remove(
    kind: str | None, old: Any, value: dict[str, Any], _merge: bool, note: Callable[[str], None]
) -> tuple[str, Any]:
    _expect(kind, "array")
    gone = value.get("remove", [])
    if any(element in gone for element in value.get("add", [])):
        note("the same element is added and removed: which wins is not documented")
    kept = [element for element in old or [] if element not in gone]
    return "array", elements(kept + [element for element in value.get("add", []) if element not in gone], note)


def _objects(
    kind: str | None, old: Any, value: dict[str, Any], merge: bool, _note: Callable[[str], None]
) -> tuple[str, Any]:
    _expect(kind, "objects")
    if not value.keys() <= {"$add", "$remove", "$update"} or not all(isinstance(v, list) for v in value.values()):
        raise Discard("$add, $remove and $update take arrays and stand alone")
    items = list(old or [])
    items += [nested(item) for item in value.get("$add", [])]
    for rule in value.get("$remove", []):
        name, wanted = _criterion(rule)
        items = [item for item in items if item.get(name) != wanted]
    for rule in value.get("$update", []):
        name, wanted = _criterion(rule)
        new = nested(rule.get("$new_object"))
        items = [(_merged(item, new) if merge else new) if item.get(name) == wanted else item for item in items]
    if not all(isinstance(item, dict) for item in items):
        raise Discard("an array of objects takes objects only")
    return "objects", items


def _criterion(rule: Any) -> tuple[str, Any]:  # noqa: ANN401 - any JSON
    if not isinstance(rule, dict) or not rule.keys() >= {"$identifier_key", "$identifier_value"}:
        raise Discard("$remove and $update need $identifier_key and $identifier_value")
    return rule["$identifier_key"], rule["$identifier_value"]


def _merged(old: Any, new: Any) -> Any:  # noqa: ANN401 - any JSON
    if not (isinstance(old, dict) and isinstance(new, dict)):
        return new
    return {**old, **{name: _merged(old.get(name), value) for name, value in new.items()}}
