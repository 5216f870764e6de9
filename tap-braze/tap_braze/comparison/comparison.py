"""What every comparison with earlier syncs offers to a stream."""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import TYPE_CHECKING, Any, ClassVar

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from singer_sdk.helpers.types import Record


class Comparison(ABC):
    """Turns the rows that Braze has into the records to write.

    Its methods are generators: they go on after each `yield` once that record was written, so that they can put
    into STATE what is out.
    """

    columns: ClassVar[Mapping[str, Any]]  # it adds these to the schema
    key: ClassVar[tuple[str, ...]] = ()  # and these of them to the key
    setting: ClassVar[str]  # what switches it on

    @abstractmethod
    def changes(self, row: Record) -> Iterator[Record]:
        """Yield the records to write now that Braze has sent this row."""

    def flush(self) -> Iterator[Record]:
        """Yield the records that wait for others. Call it before a bookmark that counts their rows as read."""
        yield from ()

    @abstractmethod
    def settle(self, *, complete: bool) -> Iterator[Record]:
        """Yield the last records of the sync; `complete` says that it read every row that Braze has."""

    def close(self) -> None:  # noqa: B027 - most have none
        """Close its files, whether or not the sync came to its end."""
