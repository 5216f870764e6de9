"""Erase one person from Braze and from the target's own files, and certify what was done."""

from __future__ import annotations

import hashlib
import secrets
import threading
import time
from dataclasses import dataclass
from datetime import datetime, timezone
from functools import partial
from importlib import metadata
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import msgspec

from target_braze.braze import answers
from target_braze.braze.client import BrazeError, Client, ForbiddenError
from target_braze.encode import decode
from target_braze.ledger.verify import export
from target_braze.loader.parts import mapping_defaults
from target_braze.mapping import compile_mapping
from target_braze.mapping.kinds.identities.deletions import ENDPOINTS
from target_braze.mapping.values import phones
from target_braze.records import MappingError, RecordError
from target_braze.reporting.dead_letter_file import files_of, remove_letters
from target_braze.settings.stream_config import Entries

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from target_braze.mapping.base.stream_mapping import StreamMapping
    from target_braze.records import User

_EXPORTED: Final = ("external_id", "braze_id", "user_aliases", "email", "phone")
# Seconds between two looks at Braze.
_BETWEEN: Final = 5.0
# Shorter identifiers, such as 17, occur by chance in records of other people.
_TELLING_LENGTH: Final = 6
# What this cannot reach, for the certificate.
_OUT_OF_REACH: Final = (
    "Braze keeps counts of events and purchases, without the person.",
    "The ledger keeps hashes of events, purchases and messages, which name nobody.",
    "Outcome logs of runs with many tasks, which hold rejected records.",
    "Warehouses, exports, files of Currents, backups, reports with `report_values`, and other copies of these files.",
    "The source. If it sends the person again, the next run creates the profile again.",
)


class ErasureError(Exception):
    """The person cannot be erased. The message explains why and what to do."""


@dataclass(frozen=True)
class Person:
    """A person, by the identifiers in Braze, of which the first one was given; `is_found` if Braze has a profile."""

    users: tuple[User, ...]
    is_found: bool

    def is_one_of(self, users: Iterable[User]) -> bool:
        """Return whether any of these users is the person."""
        return not {_comparable(user) for user in self.users}.isdisjoint(map(_comparable, users))

    def is_mentioned(self, value: object) -> bool:
        """Return whether an identifier of some length occurs anywhere in a JSON value."""
        if isinstance(value, dict):
            return any(map(self.is_mentioned, value.values()))
        if isinstance(value, list):
            return any(map(self.is_mentioned, value))
        text = str(value).strip().casefold()
        return len(text) >= _TELLING_LENGTH and text in {user[-1].casefold() for user in self.users}


def find(client: Client, user: User) -> Person:
    """Return the person with an external ID or Braze ID.

    Raises:
        BrazeError: The request failed.
        ErasureError: Braze has the person under another external ID.
    """
    profiles = _profiles(client, user)
    users = [user]
    for profile in profiles:
        if user[0] == "external_id" and profile.get("external_id") != user[1]:
            raise ErasureError(
                "Braze has this person under another external ID, because the users were merged or the ID was renamed. "
                "Look the person up in Braze, and erase that ID"
            )
        users += [(name, profile[name]) for name in ("external_id", "braze_id", "email") if profile.get(name)]
        if email := profile.get("email"):
            # The ledger knows recipients of messages by this spelling.
            users.append(("email", email.casefold()))
        users += [
            ("user_alias", alias["alias_label"], alias["alias_name"]) for alias in profile.get("user_aliases") or ()
        ]
        if phone := profile.get("phone"):
            users += [("phone", number) for number in {phone, _e164(phone)}]
    return Person(tuple(dict.fromkeys(users)), bool(profiles))


def delete(client: Client, user: User) -> None:
    """Delete a user in Braze, for good.

    Raises:
        BrazeError: The request failed.
    """
    endpoint = ENDPOINTS[user[0]]
    body = msgspec.json.encode({endpoint.arrays[0]: [user[1]]})
    try:
        client.request(
            "POST",
            endpoint.path,
            pool=endpoint.pool,
            body=body,
            check=partial(answers.success, f"POST {endpoint.path}", success_key="deleted"),
        )
    except ForbiddenError as error:
        raise BrazeError(f"{error}. The API key needs the permission '{endpoint.permission}' for this") from None


def wait_until_gone(client: Client, user: User, seconds: float) -> bool:
    """Return whether Braze stops showing a user within some seconds.

    Raises:
        BrazeError: A request failed.
    """
    end = time.monotonic() + seconds
    while _profiles(client, user):
        left = end - time.monotonic()
        if left <= 0:
            return False
        threading.Event().wait(min(_BETWEEN, left))
    return True


def erase_log(config: Mapping[str, Any], person: Person) -> int:
    """Remove a person's rows from the delivery log in complete settings, and return their number.

    A row without a user is the person's if its key holds one of the person's identifiers.

    Raises:
        OSError: The file cannot be read or written.
    """
    values = {user[-1] for user in person.users}

    def is_theirs(message: Mapping[str, Any]) -> bool:
        row = message.get("record") or {}
        if row.get("identifier_type") is None:
            return not values.isdisjoint(map(str, decode(row.get("key") or "{}").values()))
        label = [row["alias_label"]] if row["alias_label"] else []
        return person.is_one_of([(row["identifier_type"], *label, row["identifier"])])

    path = config.get("delivery_log_path")
    return remove_letters(Path(path), is_theirs) if path and Path(path).is_file() else 0


def erase_letters(config: Mapping[str, Any], person: Person) -> tuple[int, list[str]]:
    """Remove a person's records from the dead-letter files in complete settings.

    Returns:
        The number of removed records; and the places, as file and line, of other records that mention the person.

    Raises:
        OSError: A file cannot be read or written.
    """
    removed, mentions = 0, []
    if path := config.get("dead_letter_path"):
        for file in files_of(Path(path).resolve()):
            letters = _Letters(config, person)
            removed += remove_letters(file, letters.is_theirs)
            mentions += [f"{file.name}:{line}" for line in letters.mentions]
    return removed, mentions


class _Letters:
    """Tells the letters of one person from others while a file is read. `mentions` are line numbers after removal."""

    def __init__(self, config: Mapping[str, Any], person: Person) -> None:
        self.mentions: list[int] = []
        self._person = person
        self._entries = Entries(config["streams"])
        self._defaults = mapping_defaults(config)
        self._mappings: dict[str, StreamMapping | None] = {}
        self._line = 0

    def is_theirs(self, message: Mapping[str, Any]) -> bool:
        stream, record = message.get("stream", ""), message.get("record")
        if message.get("type") == "SCHEMA":
            self._mappings[stream] = self._compile(stream, message.get("schema") or {})
        elif isinstance(record, dict):
            mapping = self._mappings.get(stream)
            if mapping is not None and self._person.is_one_of(_users(mapping, record)):
                return True
            if self._person.is_mentioned(record):
                self.mentions.append(self._line + 1)
        self._line += 1
        return False

    def _compile(self, stream: str, schema: Mapping[str, Any]) -> StreamMapping | None:
        """Return the mapping of a stream, or None if it no longer fits: then only mentions are found."""
        try:
            at, entry = self._entries.of(stream)
            return compile_mapping(stream, schema, entry, self._defaults, lambda _: None, key=at)
        except MappingError:
            return None


def certificate(
    person: Person, workspace: str, *, rows: int | None, letters: int, log: int, mentions: list[str], is_gone: bool
) -> dict[str, Any]:
    """Return the certificate of an erasure: what was found where, and whether anything is left.

    It names the person by a salted hash, which only someone who has the identifier can check.
    """
    salt = secrets.token_hex(16)
    name = person.users[0]
    return {
        "person": {
            "identifier": name[0],
            "salt": salt,
            "sha256": hashlib.sha256(f"{salt}{name[1]}".encode()).hexdigest(),
        },
        "workspace": workspace,
        "program": f"target-braze {metadata.version('target-braze')}",
        "finished_at": datetime.now(timezone.utc).isoformat(timespec="seconds"),
        "braze": {"had_profile": person.is_found, "has_profile": not is_gone},
        "ledger": None if rows is None else {"rows_erased": rows},
        "dead_letters": {"records_erased": letters},
        "delivery_log": {"rows_erased": log},
        "other_letters_with_mention": mentions,
        "complete": is_gone and not mentions,
        "out_of_reach": list(_OUT_OF_REACH),
    }


def _profiles(client: Client, user: User) -> list[dict[str, Any]]:
    """Return the profiles of a user in Braze: none or one."""
    key = {"external_id": "external_ids", "braze_id": "braze_id"}[user[0]]
    value = [user[1]] if user[0] == "external_id" else user[1]
    answer = export(client, {key: value, "fields_to_export": _EXPORTED})
    return answers.listed("POST /users/export/ids", "users", answer)


def _users(mapping: StreamMapping, record: Mapping[str, Any]) -> list[User]:
    try:
        return [member.user for member in mapping.members(record)]
    except RecordError:
        return []


def _comparable(user: User) -> User:
    return (user[0], user[1].casefold()) if user[0] == "email" else user


def _e164(number: str) -> str:
    try:
        return phones.e164(number) or number
    except ValueError:
        return number
