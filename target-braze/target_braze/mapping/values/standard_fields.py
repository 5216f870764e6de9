"""Check the form of Braze's standard user fields, so that a wrong value is reported and never erases a correct one.

See https://www.braze.com/docs/api/objects_filters/user_attributes_object/ and, for `image_url`,
https://www.braze.com/docs/user_guide/data/activation/attributes/standard_attributes/. Names are lower case; any other
spelling is a custom attribute.
"""

from __future__ import annotations

import re
from functools import partial
from typing import TYPE_CHECKING, Any, Final
from uuid import UUID

from target_braze.braze import limits
from target_braze.mapping.values.emails import to_email
from target_braze.mapping.values.json_text import from_json_text
from target_braze.mapping.values.phones import e164
from target_braze.mapping.values.scalars import Convert, checked_string, to_boolean, to_id, to_number, to_string
from target_braze.mapping.values.schemas import epoch_of
from target_braze.mapping.values.times import from_epoch, remembered, show, to_date, to_time

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from target_braze.mapping.values.nested import Place

# ISO 3166-1 alpha-2. Braze sets an unknown country to null.
_COUNTRIES: Final = frozenset(
    """
    AD AE AF AG AI AL AM AO AQ AR AS AT AU AW AX AZ BA BB BD BE BF BG BH BI BJ BL BM BN BO BQ BR BS BT BV BW BY
    BZ CA CC CD CF CG CH CI CK CL CM CN CO CR CU CV CW CX CY CZ DE DJ DK DM DO DZ EC EE EG EH ER ES ET FI FJ FK
    FM FO FR GA GB GD GE GF GG GH GI GL GM GN GP GQ GR GS GT GU GW GY HK HM HN HR HT HU ID IE IL IM IN IO IQ IR
    IS IT JE JM JO JP KE KG KH KI KM KN KP KR KW KY KZ LA LB LC LI LK LR LS LT LU LV LY MA MC MD ME MF MG MH MK
    ML MM MN MO MP MQ MR MS MT MU MV MW MX MY MZ NA NC NE NF NG NI NL NO NP NR NU NZ OM PA PE PF PG PH PK PL PM
    PN PR PS PT PW PY QA RE RO RS RU RW SA SB SC SD SE SG SH SI SJ SK SL SM SN SO SR SS ST SV SX SY SZ TC TD TF
    TG TH TJ TK TL TM TN TO TR TT TV TW TZ UA UG UM US UY UZ VA VC VE VG VI VN VU WF WS YE YT ZA ZM ZW
    """.split()  # noqa: SIM905
)

_DEGREES: Final[Mapping[str, int]] = {"longitude": 180, "latitude": 90}
# A BCP 47 language tag or a POSIX locale: the language, then script, region, encoding and more. Braze's list has only
# languages: https://www.braze.com/docs/user_guide/data/unification/user_data/language_codes/.
_LANGUAGE: Final = re.compile(
    r"([a-z]{2,3})(?:[_-][a-z0-9]{1,8})*(?:\.[a-z0-9-]+)?(?:@[a-z]+)?\Z", re.ASCII | re.IGNORECASE
)
# With a second part of three letters, a tag is a language of its own or none, regardless of its first part.
_NOT_BY_ITS_FIRST_PART: Final = re.compile(r"[a-z]{2,3}[_-][a-z]{3}(?:[_-]|\Z)", re.ASCII | re.IGNORECASE)


def _one_of(allowed: frozenset[str], what: str, *, upper: bool) -> Convert:
    def convert(value: object) -> str | None:
        text = to_string(value).strip()
        text = text.upper() if upper else text.lower()
        if not text:
            return None
        if text not in allowed:
            raise ValueError(f"expected {what}, got {value!r}")
        return text

    return convert


def _text(longest: int) -> Convert:
    def convert(value: object) -> str:
        text = to_string(value)
        if len(text) > longest:
            raise ValueError(f"{len(text)} characters long, Braze keeps at most {longest}")
        return text

    return convert


def _not_blank(convert: Convert) -> Convert:
    return lambda value: None if isinstance(value, str) and not value.strip() else convert(value)


def _location(value: object) -> dict[str, Any] | None:
    value = from_json_text(value, "an object with the numbers 'longitude' and 'latitude'")
    if value is None:
        return None
    if not isinstance(value, dict):
        raise ValueError(f"expected an object with the numbers 'longitude' and 'latitude', got {show(value)}")
    found = {key: to_number(value.get(key, "")) for key in _DEGREES}
    if any(degrees is None or not -_DEGREES[key] <= degrees <= _DEGREES[key] for key, degrees in found.items()):
        raise ValueError(f"expected 'longitude' and 'latitude' within 180 and 90 degrees, got {show(value)}")
    return found


def _object(value: object) -> dict[str, Any] | None:
    value = from_json_text(value, "an object")
    if value is None:
        return None
    if not isinstance(value, dict):
        raise ValueError(f"expected an object, got {type(value).__name__}")
    return {key: member for key, member in value.items() if member is not None}


def _objects(check: Callable[[dict[str, Any]], dict[str, Any]], what: str) -> Convert:
    """Return the converter of an array of objects; `check` returns each object or raises ValueError."""

    def convert(value: object) -> list[dict[str, Any]] | None:
        items = from_json_text(value, f"an array of {what}")
        if items is None or items == []:
            return None
        if not isinstance(items, list) or not all(isinstance(item, dict) for item in items):
            raise ValueError(f"expected an array of {what}, got {show(value)}")
        return [check({key: member for key, member in item.items() if member is not None}) for item in items]

    return convert


def _subscription_group(group: dict[str, Any]) -> dict[str, Any]:
    _only(group, "subscription_group_id", "subscription_state", "use_double_opt_in_logic")
    state = str(group.get("subscription_state", "")).strip().lower()
    if state not in {"subscribed", "unsubscribed"}:
        raise ValueError(f"expected the 'subscription_state' subscribed or unsubscribed, got {show(state)}")
    try:
        UUID(group["subscription_group_id"])
    except (AttributeError, KeyError, TypeError, ValueError):
        raise ValueError(
            f"expected the id of a group as 'subscription_group_id', got {show(group.get('subscription_group_id'))}"
        ) from None
    sent = {"subscription_group_id": group["subscription_group_id"], "subscription_state": state}
    if "use_double_opt_in_logic" in group:
        sent["use_double_opt_in_logic"] = to_boolean(group["use_double_opt_in_logic"])
    return sent


def _push_token(token: dict[str, Any]) -> dict[str, Any]:
    _only(token, "app_id", "token", "device_id")
    for key in ("app_id", "token"):
        if not isinstance(token.get(key), str) or not token[key].strip():
            raise ValueError(f"a push token needs text as its '{key}', got {show(token.get(key))}")
    device = token.get("device_id", "x" * limits.DEVICE_ID_BYTES[0])
    if not isinstance(device, str) or len(device.encode()) not in limits.DEVICE_ID_BYTES:
        raise ValueError(
            f"the 'device_id' of a push token has {limits.DEVICE_ID_BYTES[0]} to {limits.DEVICE_ID_BYTES[-1]} bytes, "
            f"got {show(device)}"
        )
    return token


def _only(item: dict[str, Any], *keys: str) -> None:
    if stray := sorted(item.keys() - {*keys}):
        raise ValueError(f"Braze knows no key '{stray[0]}' here, only {', '.join(keys)}")


def _phone(value: object, report: Callable[[str], None]) -> str | None:
    """Return a phone number in E.164 form, or unchanged if it has no country code."""
    text = to_id(value)
    if not text:
        return None
    number = e164(text)
    if number is None:
        report("phone numbers without a country code; Braze reads ten digits as an American number")
    return number or text


def _language(value: object, report: Callable[[str], None]) -> str | None:
    """Return a language code without script, region and encoding; leave other text unchanged for Braze to check."""
    text: str = checked_string(value).strip()
    match = _LANGUAGE.match(text)
    if match and not _NOT_BY_ITS_FIRST_PART.match(text):
        return match[1].lower()
    if text:
        report(
            "text that is not a language tag such as de or pt-BR; Braze leaves the field unchanged if it does not "
            "know the language"
        )
    return text or None


_subscription: Final = _one_of(
    frozenset({"opted_in", "subscribed", "unsubscribed"}), "opted_in, subscribed or unsubscribed", upper=False
)

_FIELDS: Final[Mapping[str, Convert]] = {
    "country": _one_of(_COUNTRIES, "an ISO 3166-1 country code such as DE", upper=True),
    "current_location": _location,
    "email": to_email,
    "email_click_tracking_disabled": to_boolean,
    "email_open_tracking_disabled": to_boolean,
    "email_subscribe": _subscription,
    "facebook": _object,
    "gender": _one_of(frozenset("MFONP"), "M, F, O, N or P", upper=True),
    "image_url": _text(limits.IMAGE_URL_LENGTH),
    "push_subscribe": _subscription,
    "push_tokens": _objects(_push_token, "push tokens"),
    "subscription_groups": _objects(_subscription_group, "subscription groups"),
    "twitter": _object,
}

# Braze ignores an unknown time zone and erases nothing; it does not document names other than IANA's.
TEXTS: Final = frozenset({"first_name", "home_city", "last_name", "time_zone"})
# These cannot be unset: with a null, Braze would reject the whole object.
NEVER_NULL: Final = frozenset({"email_subscribe", "push_subscribe", "push_tokens", "subscription_groups"})
_TIMES: Final = frozenset({"date_of_first_session", "date_of_last_session", "dob", "marked_email_as_spam_at"})
# Converters that report on values to the user.
_REPORTING: Final[Mapping[str, Callable[..., str | None]]] = {
    "language": _language,
    "phone": _phone,
}
STANDARD: Final = _FIELDS.keys() | TEXTS | _TIMES | _REPORTING.keys()


def compile_standard_field(name: str, schema: Mapping[str, Any], place: Place) -> Convert | None:
    """Compile the converter of a standard field for a column with this schema; return None for any other name."""
    if name in TEXTS:
        return place.text
    if name in _TIMES:
        zone, unit = place.zone, epoch_of(schema)
        to_text = to_date if name == "dob" else partial(to_time, zone=zone)
        return _not_blank(remembered(lambda value: to_text(from_epoch(value, unit) if unit else value)))
    if name in _REPORTING:
        return partial(_REPORTING[name], report=place.report)
    return _FIELDS.get(name)


def types_of_standard_field(name: str) -> frozenset[str]:
    """Return the types of columns that may hold the field; text may hold the JSON of an object."""
    if name in {"current_location", "facebook", "twitter"}:
        return frozenset({"object", "string"})
    if name in {"push_tokens", "subscription_groups"}:
        return frozenset({"array", "string"})
    return frozenset({"string", "number", "integer", "boolean"})
