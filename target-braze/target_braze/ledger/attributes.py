"""Attributes: hashes of what Braze has accepted for each user, of each value and of the last object as a whole.

Most records repeat what was sent before. The hash of the whole object shows that without a look at each value.
"""

from __future__ import annotations

import struct
from itertools import chain
from typing import TYPE_CHECKING, Final

import msgspec
import xxhash

from target_braze.braze.consent import CHOICES
from target_braze.encode import encode
from target_braze.mapping.coalescing import accumulates
from target_braze.mapping.identifiers import DEFAULT

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from target_braze.braze.changes import Change
    from target_braze.ledger.file import Database

TABLES: Final = """
CREATE TABLE IF NOT EXISTS attributes (id INTEGER PRIMARY KEY, name TEXT NOT NULL UNIQUE);
CREATE TABLE IF NOT EXISTS users (id INTEGER PRIMARY KEY, hashes BLOB NOT NULL, day INTEGER NOT NULL);
"""

# Six-byte hashes of different values match once in 280 trillion comparisons, and ten million users with ten attributes
# fit into two gigabytes.
_HASH_BYTES: Final = 6
# Attribute name as a number, and hash of its value. A user's entries may be followed by one hash without a number: of
# the last object, if all of its values are still what Braze has.
_ENTRY: Final = struct.Struct(f"2s{_HASH_BYTES}s")
_NUMBER: Final = struct.Struct("<H")

NOT_VALUES: Final = frozenset({"_merge_objects", "_update_existing_only", "braze_id", "external_id", "user_alias"})
_IDENTIFIERS: Final = {kind: NOT_VALUES | {kind} for kind in DEFAULT}
# Equal values have equal JSON.
_canonical: Final = msgspec.json.Encoder(decimal_format="number", order="sorted").encode
_decode_parts: Final = msgspec.json.Decoder(dict[str, msgspec.Raw]).decode
_hash: Final = xxhash.xxh3_64_digest


class Attributes:
    """Keeps the tables, in the ledger's transactions and under its lock. A user is the number of its row."""

    def __init__(self, db: Database) -> None:
        self._db = db
        # Hashes that are newer than the file's, by the number of the user's row.
        self.unwritten: dict[int, bytes] = {}
        # As in entries.
        self._numbers = _numbers(db)

    def hashes(self, user: int) -> bytes | None:
        """Return a user's hashes as stored, or None."""
        row = self._db.execute("SELECT hashes FROM users WHERE id = ?", (user,)).fetchone()
        return None if row is None else row[0]

    def by_name(self, user: int) -> dict[str, bytes]:
        """Return the digests of a user's accepted values, by attribute."""
        names = {number: name for name, number in self._numbers.items()}
        return {names[number]: value for number, value in _unpack(self.hashes(user)).items()}

    def reduce(self, change: Change, hashes: bytes, absent: Iterable[str]) -> bool:
        """Remove from the change what a user with these hashes has. Return False if nothing is left.

        Unset the attributes that are `absent` from the record, if the user has them. Needs no lock.
        """
        is_whole = change.object_hash is not None and change.object_hash == hashes[_end(hashes) :]
        if is_whole and not absent:
            return False
        identifiers = _IDENTIFIERS[change.user[0]]
        known, number_of = _unpack(hashes), self._numbers.get
        values = _values(change)
        left = dict.fromkeys(
            name
            for name, value in values.items()
            if name in identifiers
            or value is None
            or (accepted := known.get(number_of(name, b""))) is None
            or accepted != _hash(value)[:_HASH_BYTES]
        )
        unset = [
            name
            for name in absent
            if name not in identifiers and name not in left and known.get(number_of(name, b""), _NULL) != _NULL
        ]
        if unset or len(left) < len(values):
            change.replace({name: change.fields[name] for name in left} | dict.fromkeys(unset))
        return bool(unset) or not identifiers.issuperset(left)

    def learn(self, change: Change, hashes: bytes | None) -> bytes:
        """Return a user's hashes after Braze has accepted the change."""
        known = _unpack(hashes)
        identifiers, numbers = _IDENTIFIERS[change.user[0]], self._numbers
        for name, value in _values(change).items():
            if name in identifiers:
                continue
            number = numbers.get(name) or self._number(name)
            if value is None:
                known.pop(number, None)
            else:
                known[number] = _hash(value)[:_HASH_BYTES]
        return _pack(known) + (change.object_hash or b"")

    def write(self, day: int) -> None:
        """Write the unwritten hashes."""
        # In the order of the table, so that neighbors are on pages that were just read.
        rows = [(user, hashes, day) for user, hashes in sorted(self.unwritten.items())]
        self._db.executemany("INSERT OR REPLACE INTO users VALUES (?, ?, ?)", rows)
        self.unwritten.clear()

    def delete(self, user: int) -> None:
        """Forget everything about a user."""
        self.unwritten.pop(user, None)
        self._db.execute("DELETE FROM users WHERE id = ?", (user,))

    def forget(self, user: int, names: Iterable[str]) -> None:
        """Forget these attributes of a user."""
        known = _unpack(self.hashes(user))
        for name in names:
            known.pop(self._numbers[name], None)
        self._db.execute("UPDATE users SET hashes = ? WHERE id = ?", (_pack(known), user))

    def _number(self, name: str) -> bytes:
        # Another process may have added names since.
        self._db.execute("INSERT OR IGNORE INTO attributes SELECT coalesce(max(id) + 1, 0), ? FROM attributes", (name,))
        self._numbers.update(_numbers(self._db))
        return self._numbers[name]


def _numbers(db: Database) -> dict[str, bytes]:
    return {name: _NUMBER.pack(number) for name, number in db.execute("SELECT name, id FROM attributes")}


def digest(value: object) -> bytes:
    """Return the hash that the ledger keeps of a value."""
    return _hash(_canonical(value))[:_HASH_BYTES]


def object_hash(change: Change) -> bytes | None:
    """Return the hash of a change's object, or None if it adds to the stored values each time it is sent."""
    if not change.repeatable:
        return None
    whole = change.encoded or encode(change.fields)
    return _hash(whole + encode(change.chosen_at) if change.chosen_at else whole)[:_HASH_BYTES]


def _dated(change: Change, name: str, value: object) -> object:
    """Return the value with the time of the person's choice, since the same choice may be made again."""
    return value if change.chosen_at is None or name not in CHOICES else [value, change.chosen_at]


_NULL: Final = digest(None)


def _values(change: Change) -> Mapping[str, bytes | msgspec.Raw | None]:
    """Return the canonical JSON of each field, or None for a value that adds to the stored one."""
    encoded = change.encoded
    # JSON for Braze is canonical except for the order of keys.
    if encoded is not None and change.chosen_at is None and encoded.count(b"{") == 1:
        return _decode_parts(encoded)
    return {
        name: None if type(value) is dict and accumulates(value) else _canonical(_dated(change, name, value))
        for name, value in change.fields.items()
    }


def _end(hashes: bytes) -> int:
    """Return where the entries end."""
    return len(hashes) - len(hashes) % _ENTRY.size


def _pack(known: Mapping[bytes, bytes]) -> bytes:
    return b"".join(chain.from_iterable(known.items()))


def _unpack(hashes: bytes | None) -> dict[bytes, bytes]:
    return {} if hashes is None else dict(_ENTRY.iter_unpack(hashes[: _end(hashes)]))
