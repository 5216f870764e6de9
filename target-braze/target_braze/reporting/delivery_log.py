"""The delivery log: one row for each record of a run with its outcome, as a Singer stream that any target loads."""

from __future__ import annotations

from datetime import datetime, timezone
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any, Final

from target_braze.encode import encode
from target_braze.mapping.identifiers import DEFAULT
from target_braze.reporting.dead_letter_file import SUFFIXES_OF_LEDGER, is_same_file, repair_end

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from target_braze.records import Record, Rejection, User

STREAM: Final = "delivery_log"
_KEY: Final = ("run_id", "position")
# Columns with their types and, for the reference in docs/, their meanings.
COLUMNS: Final[Mapping[str, tuple[str, str]]] = {
    "run_id": ("string", "random ID of the run, as in the summary"),
    "position": ("integer", "number of the record among all that the run read, from 1"),
    "stream": ("string", "stream of the record"),
    "record": ("integer", "number of the record in its stream, as messages have it"),
    "key": ("string", "the stream's key columns with their values, as JSON"),
    "kind": ("string", "what the record became in Braze: the value of `to`"),
    "identifier_type": ("string", "`external_id`, `braze_id`, `user_alias`, `email` or `phone`; null without a user"),
    "identifier": ("string", "identifier of the user; of an alias, its name"),
    "alias_label": ("string", "label of the alias"),
    "outcome": (
        "string",
        "`sent`, `coalesced`, `unchanged`, `left_out`, `opted_out`, `rejected`, `in_doubt` or `open`",
    ),
    "reason": (
        "string",
        "why the record was rejected or is in doubt; `consent_conflict: ...` if an opt-in was left out",
    ),
    "braze": ("string", "Braze's own text, if it answered; for a consent conflict, when the person opted out"),
    "status": ("integer", "HTTP status of that answer"),
    "data_points": (
        "integer",
        "data points of the objects that Braze accepted; a coalesced record's count with the first",
    ),
    "request": ("integer", "number of the request; records with the same number were sent together"),
    "at": ("string", "when the outcome was known, in UTC"),
}


class DeliveryLog:
    """Appends rows to a file or pipe. Not for several threads at once.

    A row is written before a STATE can cover its record. If a run is killed, the records without a row come again.
    """

    def __init__(self, path: Path, run_id: str) -> None:
        self.path = path
        self._run_id = run_id
        self._lines: list[bytes] = []
        self._file: IO[bytes] | None = None

    def add(
        self,
        record: Record,
        kind: str,
        outcome: str,
        *,
        user: User | None = None,
        points: int = 0,
        request: int | None = None,
        why: Rejection | None = None,
    ) -> None:
        """Add a row, to be written by `flush`."""
        values = record.message.get("record") or {}
        named = user is not None and user[0] in DEFAULT
        row = (
            self._run_id,
            record.position,
            record.stream,
            record.number,
            encode({column: values.get(column) for column in record.keys}).decode(),
            kind,
            user[0] if user and named else None,
            user[-1] if user and named else None,
            user[1] if user and user[0] == "user_alias" else None,
            outcome,
            why and why.reason,
            why and why.braze,
            why and why.status,
            points,
            request,
            datetime.now(timezone.utc).isoformat(),
        )
        found = dict(zip(COLUMNS, row, strict=True))
        self._lines.append(encode({"type": "RECORD", "stream": STREAM, "record": found}) + b"\n")

    def extend(self, rows: list[bytes]) -> None:
        """Add rows that are made already, to be written by `flush`."""
        self._lines += rows

    def flush(self) -> None:
        """Write the rows that were added.

        Raises:
            OSError: They cannot be written.
        """
        lines, self._lines = self._lines, []
        try:
            if lines and self._file is None:
                self._file = self._open()
                lines.insert(0, encode(_SCHEMA) + b"\n")
            rest = memoryview(b"".join(lines))
            while rest and self._file is not None:
                rest = rest[self._file.write(rest) :]
        except OSError as error:
            raise OSError(f"the delivery log cannot be written to {self.path}: {error.strerror}") from None

    def close(self) -> None:
        """Close the file, if one is open."""
        if self._file is not None:
            self._file.close()

    def _open(self) -> IO[bytes]:
        if self.path.is_file():
            repair_end(self.path)
        elif not self.path.exists():
            self.path.touch(mode=0o600)
        # Without a buffer, a row is in the file when `flush` returns.
        return self.path.open("ab", buffering=0)


def mistakes(config: Mapping[str, Any]) -> Iterator[str]:
    """Yield the errors in setting `delivery_log_path`, without changing a file."""
    path = config.get("delivery_log_path")
    if not path:
        return
    letters, ledger = config.get("dead_letter_path"), config.get("ledger_path")
    for setting, others in (
        ("dead_letter_path", [letters] if letters else []),
        ("ledger_path", [ledger + suffix for suffix in SUFFIXES_OF_LEDGER] if ledger else []),
    ):
        if any(is_same_file(path, other) for other in others):
            yield f"settings 'delivery_log_path' and '{setting}' name the same file; give each a file of its own"
            return
    if Path(path).is_dir() or (Path(path).is_file() and not _is_ours(Path(path))):
        yield (
            f"setting 'delivery_log_path': {path} exists and is no delivery log. Name another file, or move this one "
            "away"
        )


def _is_ours(path: Path) -> bool:
    try:
        with path.open("rb") as file:
            return file.read(len(_BEGINNING)) in (b"", _BEGINNING)
    except OSError:
        return False


_SCHEMA: Final = {
    "type": "SCHEMA",
    "stream": STREAM,
    "key_properties": list(_KEY),
    "schema": {
        "type": "object",
        "properties": {
            name: {
                "type": [kind] if name in _KEY else [kind, "null"],
                "description": description,
                **({"format": "date-time"} if name == "at" else {}),
            }
            for name, (kind, description) in COLUMNS.items()
        },
    },
}
_BEGINNING: Final = encode(_SCHEMA)[: encode(_SCHEMA).index(STREAM.encode())]
