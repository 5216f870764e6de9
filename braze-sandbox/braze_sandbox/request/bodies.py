"""Checks shared by the bodies of write endpoints: array sizes, addresses, users."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from braze_sandbox.rules.identity import Rejected, as_text, check_email, normal_phone
from braze_sandbox.wire.answer import Refusal

if TYPE_CHECKING:
    from collections.abc import Callable, Hashable, Iterable, Iterator

    from braze_sandbox.model.profile import Profile
    from braze_sandbox.model.profiles import Profiles
    from braze_sandbox.request.endpoint import Call
    from braze_sandbox.wire.answer import Json

MOST = 50
"""The usual maximum number of items in a request."""


def bad(text: str) -> Refusal:
    """Return a refusal of the whole request with a text."""
    return Refusal(400, text)


def array(call: Call, name: str, *, most: int = MOST) -> list[Any]:
    """Return a required array of 1 to 50 elements. The docs state the limit, but not what happens beyond it."""
    values = call.body.get(name)
    if not isinstance(values, list) or not values:
        raise bad(f"'{name}' is required and must be an array that is not empty")
    if len(values) > most:
        raise bad(f"a single request may not contain more than {most} {name}")
    only(call, {name})
    return values


def only(call: Call, known: Iterable[str]) -> None:
    """Report body fields that the endpoint does not have."""
    for name in sorted(call.body.keys() - set(known)):
        call.report("a field that the endpoint does not have is ignored", name, call.body[name])


def each(work: Callable[..., None], rows: Iterable[tuple[Any, ...]]) -> Callable[[], None]:
    """Return a function that applies some work to each row in turn."""

    def run() -> None:
        for row in rows:
            work(*row)

    return run


def texts(obj: Json, where: str, *names: str) -> tuple[str, ...]:
    """Return required, non-empty strings of an object. A bad object rejects the whole request (docs silent)."""
    if not isinstance(obj, dict):
        raise bad(f"{where} must be an object")
    found: list[str] = []
    for name in names:
        value = as_text(obj.get(name)) if name == "external_id" else obj.get(name)
        if not isinstance(value, str) or not value:
            raise bad(f"{where}: '{name}' is required and must be a non-empty string")
        found.append(value)
    return tuple(found)


def strings(value: Json, where: str, *, single: bool = False, most: int = MOST) -> list[str]:
    """Return an array of 1 to 50 non-empty strings, or one string if allowed; ids may be whole numbers."""
    values = [value] if single and isinstance(value, (str, int)) else value
    if isinstance(values, list) and where.startswith("external_id"):
        values = [as_text(one) for one in values]
    if not isinstance(values, list) or not values or not all(isinstance(one, str) and one for one in values):
        raise bad(f"'{where}' must be {'a string or ' if single else ''}an array of non-empty strings")
    if len(values) > most:
        raise bad(f"a single request may not contain more than {most} {where}")
    return values


def emails(values: Iterable[str], where: str) -> list[str]:
    """Return validated email addresses."""
    try:
        return [check_email(value) for value in values]
    except Rejected:
        raise bad(f"'{where}' holds something that is not an email address") from None


def phones(values: Iterable[str], where: str, *, plus: bool = True) -> list[str]:
    """Return phone numbers in E.164 form; `plus`: require the plus sign."""
    found = []
    for value in values:
        number = value if value.startswith("+") or plus else "+" + value
        if not number.startswith("+") or normal_phone(number) != number:
            raise bad(f"'{where}' holds something that is not in E.164 format")
        found.append(number)
    return found


def prioritized(profiles: Profiles, kind: str, value: str, prioritization: list[str]) -> Profile | None:
    """Return the one profile with an address that the ordered preferences leave, or None."""
    found = profiles.sharing(kind, value)
    for preference in prioritization:
        if preference in ("identified", "unidentified"):
            found = [profile for profile in found if (profile.external_id is not None) is (preference == "identified")]
        else:
            pick = max if preference == "most_recently_updated" else min
            found = [pick(found, key=lambda profile: profile.updated)] if found else []
    return found[0] if len(found) == 1 else None


PREFERENCES = ("identified", "unidentified", "most_recently_updated", "least_recently_updated")


def prioritization(obj: dict[str, Any], where: str, allowed: Iterable[str] = PREFERENCES) -> list[str]:
    """Return the required `prioritization` of an object (docs: post_users_merge)."""
    given = obj.get("prioritization")
    if not isinstance(given, list) or not given or not all(one in tuple(allowed) for one in given):
        raise bad(f"{where}: 'prioritization' is required and must be an array of {', '.join(allowed)}")
    if "identified" in given and "unidentified" in given:
        raise bad(f"{where}: 'prioritization' may have only one of identified and unidentified")
    return given


def mentioned(call: Call) -> set[Hashable]:
    """Return all users mentioned anywhere in a body."""
    profiles = call.instance.profiles
    users: set[Hashable] = set()
    for kind, value in _identifiers("", call.body):
        profile = profiles.find(kind, value)
        users |= {f"{kind}={value}"} | ({f"braze_id={profile.braze_id}"} if profile else set())
    return users


_KINDS = {
    "external_id": "external_id",
    "external_ids": "external_id",
    "external_user_id": "external_id",
    "external_user_ids": "external_id",
    "braze_ids": "braze_id",
    "email": "email",
    "emails": "email",
    "phone": "phone",
    "phones": "phone",
}


def _identifiers(name: str, value: Json) -> Iterator[tuple[str, Json]]:
    if isinstance(value, list):
        for one in value:
            yield from _identifiers(name, one)
    elif isinstance(value, dict):
        label = value.get("alias_label")
        for part in ("alias_name", "old_alias_name"):
            if isinstance(label, str) and isinstance(value.get(part), str):
                yield "alias", (label, value[part])
        for inner, one in value.items():
            yield from _identifiers(inner, one)
    elif isinstance(as_text(value), str) and name in _KINDS:
        yield _KINDS[name], as_text(value)
