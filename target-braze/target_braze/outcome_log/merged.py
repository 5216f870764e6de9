"""The outcomes of a whole run, merged from the logs of its attempts."""

from __future__ import annotations

import os
from collections import Counter
from functools import cached_property
from hashlib import blake2b
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import msgspec

from target_braze.damaged_json import decode_damaged
from target_braze.encode import encode
from target_braze.outcome_log.entries import ATTEMPTS, EarlierOutcomes, entries_of, newest_claim
from target_braze.records import Record, Rejection
from target_braze.reporting.dead_letter_file import FIELD
from target_braze.reporting.history import Run
from target_braze.reporting.rejections import Rejections
from target_braze.reporting.run_report import write_report
from target_braze.reporting.summary import RECORD_COUNTS, Counts

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

    import pyarrow as pa

    from target_braze.outcome_log.entries import Entry
    from target_braze.outcome_log.storage import Folder

_REASONS: Final = 5
_PARTITIONS: Final = 10


class Letter(msgspec.Struct):
    """A dead letter: its Singer message, the SCHEMA message of its stream, and the number of its record."""

    message: bytes
    schema: bytes
    number: int


class _Partition:
    """The attempts at one partition, oldest first."""

    def __init__(self, folder: Folder, path: str) -> None:
        self._folder = folder
        self._path = path
        self.number = int(path)
        self._attempts = folder.names(f"{path}/{ATTEMPTS}")
        # None for an attempt that was killed in its first second.
        self.summaries: list[dict[str, Any] | None] = []
        outcomes = EarlierOutcomes(self._read_all())
        self.in_doubt = outcomes.in_doubt.total()
        holds = bool(self._attempts) and newest_claim(folder, path) == self._attempts[-1]
        last = self.summaries[-1] if holds else None
        # An attempt that was killed could not say so.
        self.ended = "killed" if last is None or last["ended"] == "running" else str(last["ended"])
        self.error = None if last is None else last["error"]

    def document(self) -> dict[str, Any]:
        return {
            "partition": self.number,
            "attempts": len(self._attempts),
            "ended": self.ended,
            "error": self.error,
            "in_doubt": self.in_doubt,
        }

    def letters(self) -> Iterator[Letter]:
        """Yield the letters of the attempt that completed the partition, otherwise those of all attempts, each once."""
        if self.ended == "completed":
            yield from self._letters(self._attempts[-1])
            return
        # Each attempt reads the same records, so it repeats letters of earlier ones.
        known: Counter[bytes] = Counter()
        for attempt in reversed(self._attempts):
            found: Counter[bytes] = Counter()
            for letter in self._letters(attempt):
                message = decode_damaged(letter.message)
                key = blake2b(encode([message["stream"], message["record"]]), digest_size=16).digest()
                found[key] += 1
                if found[key] > known[key]:
                    yield letter
            known |= found

    def _letters(self, attempt: str) -> Iterator[Letter]:
        schema = b""
        for entry in entries_of(self._folder, self._path, attempt):
            schema = bytes(entry.schema) or schema
            if entry.letter:
                yield Letter(entry.letter, schema, entry.number)

    def _read_all(self) -> Iterator[Entry]:
        for attempt in self._attempts:
            summary = b""
            for entry in entries_of(self._folder, self._path, attempt):
                summary = bytes(entry.summary) or summary
                yield entry
            self.summaries.append(msgspec.json.decode(summary) if summary else None)


class Outcomes:
    """What became of a run. Reads the log again for its dead letters."""

    def __init__(
        self, run_id: str, partitions: Iterable[_Partition], missing: Iterable[int], failed: str | None
    ) -> None:
        self._run_id = run_id
        self._partitions = [*partitions]
        self._missing = [*missing]
        self._failed = failed

    @cached_property
    def summary(self) -> dict[str, Any]:
        """Outcomes by stream and in total, with the fields of a run's summary, and those of each partition.

        Records are counted as the last attempt at their partition saw them: those that earlier attempts sent are
        `unchanged`. Objects, requests, data points, retries and seconds are those of all attempts, as far as killed
        ones had logged them.
        """
        streams: dict[str, Counter[str]] = {}
        total: Counter[str] = Counter()
        retries = 0
        waited: Counter[str] = Counter()
        every = [one for partition in self._partitions for one in partition.summaries if one is not None]
        for partition in self._partitions:
            known = [one for one in partition.summaries if one is not None]
            for summary in known:
                retries += summary["retries"]
                waited.update(summary["seconds_waited"])
                is_last = summary is known[-1]
                for stream, counts in summary["streams"].items():
                    streams.setdefault(stream, Counter()).update(_counted(counts, is_last=is_last))
                total.update(_counted(summary["total"], is_last=is_last))
        names = Counts().as_json()
        run = Run("target-braze").document()
        return {
            **run,
            "run_id": self._run_id,
            # Now, if no attempt said when it started: there were no records, or all attempts were killed at once.
            "started_at": min((one["started_at"] for one in every), default=run["started_at"]),
            "ended_at": max((one["ended_at"] for one in every if one["ended_at"]), default=None),
            "ended": "completed" if self._error is None else "failed",
            "error": self._error,
            # Attempts run at the same time.
            "seconds": round(sum(one["seconds"] for one in every), 3),
            "dry_run": False,
            "streams": {stream: {name: counts[name] for name in names} for stream, counts in streams.items()},
            "total": {name: total[name] for name in names},
            "reasons": self._rejections(shows_values=False).most_frequent(_REASONS),
            "retries": retries,
            "seconds_waited": {cause: round(seconds, 3) for cause, seconds in waited.items()},
            "partitions": [partition.document() for partition in self._partitions],
        }

    def dead_letters(self) -> Iterator[bytes]:
        """Yield the dead letters of all partitions as Singer messages without line ends, each after its SCHEMA."""
        schemas: dict[str, bytes] = {}
        for letter in self._letters():
            stream = decode_damaged(letter.message)["stream"]
            if schemas.get(stream) != letter.schema:
                schemas[stream] = letter.schema
                yield letter.schema
            yield letter.message

    def table(self) -> pa.Table:
        """Return the dead letters as a pyarrow.Table; column `record` is JSON.

        Raises:
            ImportError: pyarrow is not installed.
        """
        import pyarrow as pa  # noqa: PLC0415 - only with the extra `arrow`

        text, number = pa.string(), pa.int64()
        columns = {
            "stream": text,
            "number": number,
            "reason": text,
            "braze": text,
            "status": number,
            "at": text,
            "record": text,
        }
        rows = []
        for letter in self._letters():
            message = decode_damaged(letter.message)
            note = {name: value for name, value in message[FIELD].items() if name in columns}
            record = encode(message["record"]).decode("utf-8", "replace")
            rows.append({**note, "stream": message["stream"], "number": letter.number, "record": record})
        return pa.Table.from_pylist(rows, pa.schema(list(columns.items())))

    def write_dead_letters(self, path: str | Path) -> None:
        """Write the dead letters to a new file that can be piped into target-braze.

        Raises:
            OSError: The file exists, or cannot be written.
        """
        with open(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb") as file:  # noqa: PTH123
            file.writelines(line + b"\n" for line in self.dead_letters())

    def write_report(self, path: str | Path, *, shows_values: bool = False) -> None:
        """Write the page of the run, and its line in the history beside it, as setting `report_path` does.

        Args:
            path: Path of the page.
            shows_values: Show values of rejected records.
        """
        notes = ["This page may contain personal data: it shows values of rejected records."] if shows_values else []
        write_report(Path(path), self.summary, self._rejections(shows_values=shows_values), notes=notes)

    @property
    def _error(self) -> str | None:
        if self._failed is not None:
            return self._failed
        unfinished = [one.number for one in self._partitions if one.ended != "completed"] + self._missing
        if not unfinished:
            return None
        listed = ", ".join(map(str, sorted(unfinished)[:_PARTITIONS]))
        return (
            f"partitions not completed: {len(unfinished)} ({listed}{', ...' if len(unfinished) > _PARTITIONS else ''})"
        )

    def _letters(self) -> Iterator[Letter]:
        for partition in self._partitions:
            yield from partition.letters()

    def _rejections(self, *, shows_values: bool) -> Rejections:
        found = Rejections(shows_values=shows_values)
        for letter in self._letters():
            message = decode_damaged(letter.message)
            record = Record(message["stream"], letter.number, 0, (), message, {})
            note = message[FIELD]
            found.add(record, Rejection(note["reason"], note.get("braze"), note.get("status")))
        return found


def merged(folder: Folder, run_id: str, paths: Iterable[str], expected: int | None, failed: str | None) -> Outcomes:
    """Return the outcomes of a run.

    Args:
        folder: Folder of the run.
        run_id: Id of the run.
        paths: Folders of its partitions.
        expected: Number of partitions, if known.
        failed: Why the run failed; None if it completed.
    """
    partitions = [_Partition(folder, path) for path in paths]
    missing = {*range(expected or 0)} - {one.number for one in partitions}
    return Outcomes(run_id, partitions, missing, failed)


def _counted(counts: Mapping[str, int], *, is_last: bool) -> dict[str, int]:
    return {name: count for name, count in counts.items() if is_last or name not in RECORD_COUNTS}
