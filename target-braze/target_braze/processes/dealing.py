"""Deal records: each to the process that delivers the changes of its user."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Any, Final
from zlib import crc32

import msgspec
from msgspec.structs import astuple

from target_braze.encode import encode
from target_braze.mapping.fast_path import FastFields
from target_braze.mapping.identifiers import find_user
from target_braze.mapping.kinds import KINDS
from target_braze.mapping.stream_kinds import kind_of
from target_braze.processes.frames import Single, Version
from target_braze.records import RecordError

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from target_braze.mapping.identifiers import IdentifierRule
    from target_braze.processes.children import Children
    from target_braze.reporting.summary import Counts

# Bucket of what is not dealt by user.
_FIRST: Final = 0
# Two processes keep up with Braze's highest rate limit; more than this would only share its windows.
_AUTO: Final = 4


def how_many(config: Mapping[str, Any]) -> int:
    """Return the number of processes that complete settings ask for."""
    asked = config["processes"]
    if asked == "auto":
        usable = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
        asked = min(usable, _AUTO)
    return min(int(asked), int(config["concurrency"]))


def obstacles(config: Mapping[str, Any]) -> Iterator[str]:
    """Yield the settings that need one process, because something counts for a whole run or concerns several users."""
    if config["dry_run"]:
        yield "a dry run sends nothing"
    if config.get("canary"):
        yield "a canary watches all records of a stream"
    for name, entry in config["streams"].items():
        kind = kind_of(name, entry)
        if KINDS[kind].dealing == "never":
            yield f"records of kind '{kind}' cannot be divided among processes (streams.{name}.to)"
        elif KINDS[kind].dealing == "by user" and entry.get("on_delete", "nothing") != "nothing":
            yield f"no process would see the whole table (streams.{name}.on_delete)"
        elif limit := next((key for key in entry if key == "canary" or key.startswith("max_")), None):
            yield f"'{limit}' counts for the whole run (streams.{name}.{limit})"


class Dealer:
    """Receives a stream's records in the parent, and deals them. `LoaderStream` documents the methods.

    Args:
        children: Take the records.
        name: Name of the stream.
        number: Number of the stream among the children.
        counts: Counts the records.
        rules: Identify the users to deal the records by; None if all records go to one child.
    """

    def __init__(
        self, children: Children, name: str, number: int, counts: Counts, rules: Sequence[IdentifierRule] | None
    ) -> None:
        self.name = name
        self._children = children
        self._number = number
        self._counts = counts
        self._rules = rules
        self._columns = [*dict.fromkeys(column for rule in rules or () for column in rule.columns)]
        self._schema: dict[str, Any] | None = None

    @property
    def records(self) -> int:
        """Number of records that the stream has received in this run."""
        return self._counts.read

    @property
    def fast_record(self) -> type[msgspec.Struct] | None:
        """A struct of the columns that identify the user; no other column is decoded."""
        if not FastFields.may_have(self._columns):
            return None
        fields = [(f"_{place}", Any, None) for place in range(len(self._columns))]
        names = {name: column for (name, _, _), column in zip(fields, self._columns, strict=True)}
        return msgspec.defstruct("Identifiers", fields, rename=names, gc=False)

    def receive_fast(self, columns: msgspec.Struct, line: bytes, schema: dict[str, Any]) -> bool:
        """Deal an ordinary record."""
        self._describe(schema)
        bucket = self._bucket(dict(zip(self._columns, astuple(columns), strict=True)))
        counts = self._counts
        counts.read += 1
        self._children.deal_line(bucket, self._number, counts.read, line)
        return True

    def receive(self, record: dict[str, Any], message: dict[str, Any], schema: dict[str, Any], size: int) -> None:
        """Deal a record that is decoded already."""
        mapped = None if record is message["record"] else encode(record)
        self._deal(self._bucket(record), message, schema, size, record=mapped)

    def reject(self, message: dict[str, Any], schema: dict[str, Any], size: int, reason: str) -> None:
        """Deal a record that cannot be read."""
        self._deal(_FIRST, message, schema, size, reason=reason)

    def activate_version(self, version: int, schema: dict[str, Any] | None = None) -> None:
        """Pass a version on: only streams whose records all go to one child act on it."""
        if schema is not None:
            self._describe(schema)
        self._children.deal(_FIRST, Version(self._number, version))

    def _bucket(self, record: Mapping[str, Any]) -> int:
        if self._rules is None:
            return _FIRST
        try:
            user, _ = find_user(self._rules, record)
        except RecordError:
            return _FIRST  # which rejects it
        return crc32("\0".join(user).encode("utf-8", "surrogatepass"))

    def _deal(
        self,
        bucket: int,
        message: dict[str, Any],
        schema: dict[str, Any],
        size: int,
        *,
        record: bytes | None = None,
        reason: str = "",
    ) -> None:
        self._describe(schema)
        self._counts.read += 1
        item = Single(self._number, self._counts.read, 0, size, encode(message), record, reason)
        self._children.deal(bucket, item)

    def _describe(self, schema: dict[str, Any]) -> None:
        if schema is not self._schema:
            self._schema = schema
            self._children.describe(self._number, schema)
