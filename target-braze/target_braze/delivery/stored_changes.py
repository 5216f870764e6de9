"""Changes as bytes, to keep in a file for a while. Only the process that wrote them can read them."""

from __future__ import annotations

from operator import attrgetter
from typing import TYPE_CHECKING, Any, Final, TypeVar

import msgspec

from target_braze.braze.changes import Change
from target_braze.encode import decode, encode
from target_braze.records import Record, Rejection

if TYPE_CHECKING:
    from target_braze.braze.changes import Endpoint, Semantics

# The fields of a change that are stored in another form.
_USERS: Final = ("user", "others")
_SHARED: Final = ("semantics", "endpoint")
_FIELDS: Final = ("given", "encoded")
_OTHERS: Final = {*_USERS, *_SHARED, *_FIELDS, "records", "withheld"}
_PLAIN: Final = tuple(name for name in Change.__struct_fields__ if name not in _OTHERS)
_plain: Final = attrgetter(*_PLAIN)

_Shared = TypeVar("_Shared")

_pack: Final = msgspec.msgpack.Encoder().encode
_unpack: Final = msgspec.msgpack.Decoder().decode

# What records of a stream share: its name, its keys, and its SCHEMA message.
_Source = tuple[str, tuple[str, ...], dict[str, Any]]


class ChangeStore:
    """Turns changes into bytes and back. Objects that many changes share stay in memory."""

    def __init__(self) -> None:
        self._endpoints: list[Endpoint] = []
        self._semantics: list[Semantics] = []
        # By id, because comparing them is slow. The lists keep an id from being used again.
        self._numbers: dict[int, int] = {}
        self._sources: list[_Source] = []
        # The last source of each stream; a tap may repeat its SCHEMA.
        self._source_of: dict[str, int] = {}

    def pack(self, change: Change) -> bytes:
        """Return the change as bytes."""
        records = []
        for record in change.records:
            record.pack()
            records.append((self._source(record), record.number, record.position, record.sent, record.size))
        return _pack(
            (
                change.user,
                change.others,
                self._number(change.semantics, self._semantics),
                self._number(change.endpoint, self._endpoints),
                change.encoded or encode(change.fields),
                change.given is not None,
                records,
                change.withheld,
                _plain(change),
            )
        )

    def unpack(self, packed: bytes) -> Change:
        """Return the change that was packed. Changes of one record no longer share it."""
        user, others, semantics, endpoint, encoded, has_given, records, withheld, plain = _unpack(packed)
        return Change(
            user=tuple(user),
            others=tuple(map(tuple, others)),
            semantics=self._semantics[semantics],
            endpoint=self._endpoints[endpoint],
            encoded=encoded,
            given=decode(encoded) if has_given else None,
            withheld=None if withheld is None else Rejection(**withheld),
            records=[self._record(*record) for record in records],
            **dict(zip(_PLAIN, plain, strict=True)),
        )

    def number(self, endpoint: Endpoint) -> int:
        """Return the number for which `endpoint` returns the same endpoint."""
        return self._number(endpoint, self._endpoints)

    def endpoint(self, number: int) -> Endpoint:
        """Return the endpoint with a number."""
        return self._endpoints[number]

    def _number(self, one: _Shared, known: list[_Shared]) -> int:
        number = self._numbers.get(id(one))
        if number is None:
            number = self._numbers[id(one)] = len(known)
            known.append(one)
        return number

    def _source(self, record: Record) -> int:
        number = self._source_of.get(record.stream)
        if number is not None:
            _, keys, schema = self._sources[number]
            if keys == record.keys and (schema is record.schema or schema == record.schema):
                return number
        self._sources.append((record.stream, record.keys, record.schema))
        self._source_of[record.stream] = number = len(self._sources) - 1
        return number

    def _record(self, source: int, number: int, position: int, sent: bytes, size: int) -> Record:
        stream, keys, schema = self._sources[source]
        return Record(stream, number, position, keys, sent, schema, size)
