"""The outcome log of one run, and the partitions that its tasks claim."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final
from urllib.parse import quote
from uuid import uuid4

import msgspec

from target_braze.encode import encode
from target_braze.outcome_log.attempt import Attempt
from target_braze.outcome_log.entries import ATTEMPTS, CLAIMS, entries_of, newest_claim
from target_braze.outcome_log.grouped_sync import FencedError
from target_braze.outcome_log.merged import merged
from target_braze.outcome_log.storage import OutcomeLogError, open_folder

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from target_braze.outcome_log.merged import Outcomes
    from target_braze.outcome_log.storage import Folder

_FORMAT: Final = 1
_RUN: Final = "run.json"
_PARTITION: Final = re.compile(r"\d{6}")


class _Run(msgspec.Struct):
    """What all attempts of a run have in common."""

    format: int
    workspace: str
    partitions: int | None


@dataclass(frozen=True)
class OutcomeLog:
    """The log of one run that is split into tasks, such as a Spark job.

    A run with the same `run_id` resumes: it sends nothing that could count twice and that Braze has accepted. For that,
    it must split the same records into the same partitions, though each partition may come in any order.

    Holds text and numbers only, so it can be sent to tasks.

    Args:
        url: Folder for the logs of all runs: a path, or a URL of fsspec such as `s3://bucket/braze-runs`. It holds
            rejected records, so protect it as you protect the source.
        run_id: Identifies the run.
        partitions: Number of partitions, to refuse a rerun that splits the records in another way; None if unknown.
        storage_options: Options of fsspec's file system. By default, credentials come from the environment.
    """

    url: str
    run_id: str
    partitions: int | None = None
    storage_options: Mapping[str, Any] = field(default_factory=dict, repr=False)

    def __post_init__(self) -> None:
        """Check the run_id.

        Raises:
            ValueError: It is blank.
        """
        if not self.run_id.strip():
            raise ValueError("run_id is blank; give each run one that its retries share")

    def partition(self, number: int) -> Partition:
        """Return a partition for the `Loader` of a task; `number` counts from 0."""
        return Partition(self, number)

    def merge(self, failed: str | None = None) -> Outcomes:
        """Return the outcomes of all partitions, of a failed run as well: Braze cannot undo what it accepted.

        Args:
            failed: Why the run failed, without personal data; None if all tasks completed.

        Raises:
            OutcomeLogError: The log cannot be read, or is damaged.
        """
        folder = self.folder()
        paths = [name for name in folder.names("") if _PARTITION.fullmatch(name)]
        return merged(folder, self.run_id, paths, self.partitions, failed)

    def folder(self) -> Folder:
        """Return the folder of the run.

        Raises:
            OutcomeLogError: It cannot be opened.
        """
        # Percent-encoding with a character that stores and shells take as it is. A dot alone would be a parent folder.
        name = quote(self.run_id, safe="").replace("~", "%7E").replace(".", "%2E").replace("%", "~")
        return open_folder(f"{self.url.rstrip('/')}/{name}", self.storage_options)


@dataclass(frozen=True)
class Partition:
    """One partition of a run."""

    log: OutcomeLog
    number: int

    def claim(self, workspace: str, summary: Callable[[], Mapping[str, Any]]) -> Attempt:
        """Start a new attempt, which fences earlier ones.

        Args:
            workspace: URL of Braze.
            summary: Returns the summary of the attempt so far.

        Raises:
            OutcomeLogError: The log cannot be used, or the run has another workspace or number of partitions.
            FencedError: Another attempt claimed the partition at the same time.
        """
        folder = self.log.folder()
        self._check(folder, workspace)
        path = f"{self.number:06d}"
        newest = newest_claim(folder, path) or "0"
        # Two attempts that claim at the same time may get the same number, but not the same name.
        name = f"{int(newest.partition('-')[0]) + 1:06d}-{uuid4().hex[:12]}"
        folder.create(f"{path}/{CLAIMS}/{name}", b"")
        if newest_claim(folder, path) != name:
            raise FencedError(f"outcome log: another attempt claimed partition {self.number} at the same time")
        earlier = (entry for one in folder.names(f"{path}/{ATTEMPTS}") for entry in entries_of(folder, path, one))
        return Attempt(folder, path, name, earlier, summary, is_whole=self.log.partitions == 1)

    def _check(self, folder: Folder, workspace: str) -> None:
        expected = _Run(_FORMAT, workspace, self.log.partitions)
        content = folder.read(_RUN)
        if content is None:
            folder.create(_RUN, encode(expected))
            return
        try:
            found = msgspec.json.decode(content, type=_Run)
        except msgspec.DecodeError:
            raise OutcomeLogError(f"outcome log: {_RUN} of run '{self.log.run_id}' is damaged") from None
        if found.format != _FORMAT:
            raise OutcomeLogError(
                f"outcome log: run '{self.log.run_id}' has format {found.format}, but this version of target-braze "
                f"reads format {_FORMAT}; resume the run with the version that began it"
            )
        if found.workspace != workspace:
            raise OutcomeLogError(
                f"outcome log: run '{self.log.run_id}' belongs to {found.workspace}, but setting 'endpoint' is "
                f"{workspace}; use another run_id"
            )
        if None not in {found.partitions, expected.partitions} and found.partitions != expected.partitions:
            raise OutcomeLogError(
                f"outcome log: run '{self.log.run_id}' began with {found.partitions} partitions, but now has "
                f"{expected.partitions}, so records would be looked up in the wrong ones. Split it into "
                f"{found.partitions} again"
            )
