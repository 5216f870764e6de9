"""Compare users in Braze with the values that it accepted according to the ledger.

Braze does not document how it formats times, numbers, and lists, so another format is not a different value:
https://www.braze.com/docs/api/endpoints/export/user_data/post_users_identifier/
"""

from __future__ import annotations

import logging
import threading
from datetime import time, timezone
from functools import partial
from itertools import islice
from typing import TYPE_CHECKING, Any, Final, Literal

import msgspec

from target_braze.braze import answers, limits
from target_braze.braze.client import ForbiddenError
from target_braze.ledger.attributes import digest
from target_braze.ledger.file import LedgerError
from target_braze.mapping.values.standard_fields import STANDARD
from target_braze.mapping.values.times import looks_like_time, to_moment

if TYPE_CHECKING:
    from collections.abc import Container, Iterable, Iterator, Mapping, Sequence

    from target_braze.braze.client import Answer, Client
    from target_braze.ledger.store import Ledger
    from target_braze.records import User

_log = logging.getLogger("target-braze")

Verdict = Literal["equal", "different", "missing", "cannot compare"]

_IDS_PER_REQUEST: Final = 50
_STANDARD: Final = (
    "first_name",
    "last_name",
    "email",
    "phone",
    "dob",
    "gender",
    "country",
    "home_city",
    "language",
    "time_zone",
    "push_subscribe",
    "email_subscribe",
)
# Users change these themselves, so a different value is not an error.
_OF_USERS: Final = frozenset({"email_subscribe", "push_subscribe"})
# Braze may normalize these.
_REWRITTEN: Final = frozenset({"email", "language", "phone", "time_zone"})
_EMPTY: Final[tuple[object, ...]] = (None, "", [], {})
_NOTHING: Final = frozenset(map(digest, _EMPTY))
# Integers and digits that a float holds without loss.
_EXACT_INTEGER: Final = 2**53
_EXACT_DIGITS: Final = 15


def read(client: Client, external_ids: Iterable[str]) -> Iterator[tuple[str, dict[str, Any] | None]]:
    """Yield each external ID with its attributes by name, or with None if Braze does not have the user.

    Skip users that Braze has under another id.

    Raises:
        BrazeError: The request failed.
    """
    ids = iter(external_ids)
    while some := list(islice(ids, _IDS_PER_REQUEST)):
        body = {"external_ids": some, "fields_to_export": ["external_id", "custom_attributes", *_STANDARD]}
        found = export(client, body).json()
        profiles = {profile.get("external_id"): profile for profile in found.get("users", [])}
        for one in some:
            if one in profiles:
                yield one, attributes(profiles[one])
            elif one in found.get("invalid_user_ids", ()):
                yield one, None


def existing(client: Client, users: Sequence[User]) -> set[User]:
    """Return those of the users, by external ID or alias, that Braze has.

    Raises:
        BrazeError: A request failed.
    """
    found: set[User] = set()
    for kind in ("external_id", "user_alias"):
        those = iter([user for user in users if user[0] == kind])
        while some := list(islice(those, _IDS_PER_REQUEST)):
            body: dict[str, Any] = {"fields_to_export": ["external_id", "user_aliases"]}
            if kind == "external_id":
                body["external_ids"] = [user[1] for user in some]
            else:
                body["user_aliases"] = [{"alias_label": user[1], "alias_name": user[2]} for user in some]
            for profile in export(client, body).json().get("users", []):
                aliases = profile.get("user_aliases") or []
                found.add(("external_id", str(profile.get("external_id"))))
                found.update(("user_alias", alias["alias_label"], alias["alias_name"]) for alias in aliases)
    return found.intersection(users)


def export(client: Client, body: Mapping[str, Any]) -> Answer:
    """Return the answer of /users/export/ids to a request with this body.

    Raises:
        ForbiddenError: The API key lacks the permission.
        BrazeError: The request failed.
    """
    try:
        return client.request(
            "POST",
            "/users/export/ids",
            pool=limits.EXPORT_IDS_POOL,
            body=msgspec.json.encode(body),
            check=partial(answers.success, "POST /users/export/ids", success_key="users"),
        )
    except ForbiddenError as error:
        raise ForbiddenError(
            f"{error}. The API key needs the permission 'users.export.ids' for this", status=error.status
        ) from None


def verify(
    client: Client, ledger: Ledger, external_ids: Iterable[str], operated: Container[str]
) -> Iterator[tuple[str, bool, dict[str, Verdict]]]:
    """Yield each external ID, whether Braze has the user, and a verdict on each attribute compared with the ledger.

    Raises:
        BrazeError: A request failed.
    """
    for external_id, values in read(client, external_ids):
        accepted = ledger.accepted(("external_id", external_id))
        verdicts = {
            name: compare(name, value, (values or {}).get(name), operated=name in operated)
            for name, value in accepted.items()
        }
        yield external_id, values is not None, verdicts


def check(client: Client, ledger: Ledger, count: int, operated: Container[str], wait: float) -> None:
    """Compare `count` users with the ledger before a run.

    Compare users that differ a second time after `wait` seconds, because Braze may not show new values yet.

    Raises:
        LedgerError: The values in Braze differ from those in the ledger.
        BrazeError: A request failed.
    """
    ids = ledger.sample(count)
    for seconds in (0.0, wait):
        if seconds and ids:
            _log.info("the ledger differs from Braze in %d users; comparing these again in %g s", len(ids), seconds)
            threading.Event().wait(seconds)
        names: set[str] = set()
        found = [one for one in verify(client, ledger, ids, operated) if "different" in one[2].values()]
        for _, _, verdicts in found:
            names.update(name for name, verdict in verdicts.items() if verdict == "different")
        ids = [external_id for external_id, _, _ in found]
    if ids:
        raise LedgerError(
            f"the ledger {ledger.path} differs from Braze for {len(ids):,} of up to {count:,} users "
            f"({', '.join(sorted(names))}). If the file is an older copy, restore the newest one or run `target-braze "
            f"ledger recover {ledger.path}`. If another program changes these attributes, run `target-braze ledger "
            "verify --forget-different`, or set 'ledger_verify' to 0"
        )


def operated(streams: Mapping[str, Any]) -> set[str]:
    """Return the attributes that a mapping changes with operators instead of setting them."""
    found = set()
    for entry in streams.values():
        found |= {entry.get("rename", {}).get(column, column) for column in entry.get("operators", {})}
        found |= {entry["cohort"]["array"]} if "array" in entry.get("cohort", {}) else set()
    return found


def of_messages(lines: Iterable[str]) -> Iterator[tuple[str, dict[str, Any] | None]]:
    """Yield each external ID with its attributes, from Singer messages of exported profiles.

    Raises:
        DecodeError: A line is not a message.
    """
    for line in lines:
        record = msgspec.json.decode(line, type=_Message).record
        if record is not None and isinstance(external_id := record.get("external_id"), str):
            yield external_id, attributes(record)


class _Message(msgspec.Struct):
    record: dict[str, Any] | None = None


def attributes(profile: Mapping[str, Any]) -> dict[str, Any]:
    """Return the attributes of an exported user by the names that the target sends."""
    standard = {name: profile[name] for name in _STANDARD if name in profile}
    return {**(profile.get("custom_attributes") or {}), **standard}


def compare(name: str, accepted: bytes, value: object, *, operated: bool = False) -> Verdict:
    """Compare the attribute's value in Braze with the digest in the ledger.

    `operated`: operators change the attribute, so its values are not comparable.
    """
    if operated or name in _OF_USERS or not _is_shown(name):
        return "cannot compare"
    if accepted in _NOTHING or value in _EMPTY:
        return (
            "equal" if accepted in _NOTHING and value in _EMPTY else "different" if value not in _EMPTY else "missing"
        )
    if accepted in map(digest, _forms(value)):
        return "equal"
    return "different" if name not in _REWRITTEN and is_certain(value) else "cannot compare"


def is_certain(value: object) -> bool:
    """Return whether Braze is certain to show a value in the form in which it was sent."""
    if isinstance(value, bool):
        return True
    if isinstance(value, int):
        return abs(value) < _EXACT_INTEGER
    if isinstance(value, float):
        return len(repr(value).lstrip("-").replace(".", "").partition("e")[0]) <= _EXACT_DIGITS
    return isinstance(value, str) and not looks_like_time(value)


def _is_shown(name: str) -> bool:
    return name in _STANDARD or name not in STANDARD


def _forms(value: object) -> Iterator[object]:
    """Yield the sent values that Braze may have turned into this one."""
    yield value
    if isinstance(value, bool):
        yield from (1, "1", "true", "t") if value else (0, "0", "false", "f")
    elif isinstance(value, int | float):
        yield from (str(value), float(value))
        if value == value // 1:
            yield from (int(value), str(int(value)))
    elif isinstance(value, str):
        yield from _text_forms(value)


def _text_forms(text: str) -> Iterator[object]:
    try:
        if looks_like_time(text):
            moment = to_moment(text, timezone.utc).astimezone(timezone.utc)
            yield moment.isoformat()
            if moment.time() == time.min:
                yield moment.date().isoformat()
        else:
            yield msgspec.json.decode(text, type=int | float)
    except (ValueError, msgspec.DecodeError):
        return
