"""User identifiers: read, check, and match them with profiles (docs: user_attributes_object)."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Hashable

    from braze_sandbox.model.profile import Profile
    from braze_sandbox.model.profiles import Profiles
    from braze_sandbox.wire.answer import Json

IDENTIFIERS = frozenset({"external_id", "user_alias", "braze_id"})
CONTROL = IDENTIFIERS | {"_update_existing_only", "_merge_objects", "push_token_import"}

EXTERNAL_ID_BYTES = 987
ALIAS_BYTES = 236

_EMAIL = re.compile(r"[^@\s,;<>()]+@[^@\s,;<>()]+\.[^@\s.,;<>()]+")


class Rejected(Exception):  # noqa: N818 - what Braze does with the object
    """An object that Braze refuses while accepting the rest of the request; the message is the error's `type`."""


class Identity(NamedTuple):
    """An identifier: `external_id`, `alias`, `braze_id`, `email`, or `phone`, and its value."""

    kind: str
    value: Json


def as_text(value: Json) -> Json:
    """Return a whole-number id as text, as Braze stores it; return anything else unchanged."""
    return str(value) if isinstance(value, int) and not isinstance(value, bool) else value


def normal_phone(text: str) -> str | None:
    """Return a number in E.164 form, or None. Ten digits without a plus sign are American; punctuation is dropped."""
    digits = re.sub(r"[\s().\-/]", "", text)
    if re.fullmatch(r"\d{10}", digits, re.ASCII):
        return "+1" + digits
    return digits if re.fullmatch(r"\+[1-9]\d{6,14}", digits, re.ASCII) else None


def check_email(value: object) -> str:
    """Return the address, or EMAIL_BAD_FORMAT."""
    if not isinstance(value, str) or not _EMAIL.fullmatch(value):
        raise Rejected("EMAIL_BAD_FORMAT")
    return value


def identify(obj: dict[str, Any]) -> Identity:
    """Return an object's identifier: exactly one primary one, or else `email`, or else `phone`.

    Braze's response to an empty identifier, or one of the wrong type, is not documented: here it is rejected.
    """
    given = [name for name in ("external_id", "user_alias", "braze_id") if obj.get(name) is not None]
    if len(given) > 1:
        raise Rejected("You must specify only one of 'external_id', 'user_alias' or 'braze_id'")
    if not given:
        return _secondary(obj)
    value = as_text(obj[given[0]])
    if given[0] == "user_alias":
        return check_alias(value)
    if not isinstance(value, str) or not value:
        raise Rejected(f"'{given[0]}' must be a non-empty string")
    if given[0] == "external_id" and len(value.encode()) > EXTERNAL_ID_BYTES:
        raise Rejected("EXTERNAL_USER_ID_TOO_LARGE")
    return Identity(given[0], value)


def check_alias(value: object) -> Identity:
    """Return the identity for an alias object (docs: user_alias_object)."""
    if not isinstance(value, dict):
        raise Rejected("'user_alias' must be an object with alias_name and alias_label")
    label, name = value.get("alias_label"), value.get("alias_name")
    for part in (label, name):
        if not isinstance(part, str) or not 0 < len(part.encode()) <= ALIAS_BYTES:
            raise Rejected(f"'alias_name' and 'alias_label' must be strings of 1 to {ALIAS_BYTES} bytes")
    return Identity("alias", (label, name))


def _secondary(obj: dict[str, Any]) -> Identity:
    if obj.get("email") is not None:
        return Identity("email", check_email(obj["email"]))
    if obj.get("phone") is not None:
        number = normal_phone(obj["phone"]) if isinstance(obj["phone"], str) else None
        if number is None:
            raise Rejected("'phone' must be a valid number to identify a user")
        return Identity("phone", number)
    raise Rejected("'external_id', 'braze_id', 'user_alias', 'email' or 'phone' is required")


def users_of(profiles: Profiles, body: Json) -> set[Hashable]:
    """Return all users in a request: by profile if there is one, otherwise by identifier."""
    users: set[Hashable] = set()
    if not isinstance(body, dict):
        return users
    for name in ("attributes", "events", "purchases"):
        objects = body.get(name)
        for obj in objects if isinstance(objects, list) else ():
            try:
                identity = identify(obj) if isinstance(obj, dict) else None
            except Rejected:
                continue
            if identity:
                profile: Profile | None = profiles.find(*identity)
                users.add(f"braze_id={profile.braze_id}" if profile else f"{identity.kind}={identity.value}")
                # A profile that the other request is about to create is known only by this name.
                users.add(f"{identity.kind}={identity.value}")
    return users
