"""User IDs from settings: a list, a file, or both."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping


@dataclass(frozen=True)
class UserIds:
    """User IDs from a list and from a file with one ID per line."""

    listed: tuple[str, ...] = ()
    file: Path | None = None

    @classmethod
    def of(cls, config: Mapping[str, Any], file_setting: str) -> UserIds:
        """Read `external_ids` of an object setting, and the file that its `file_setting` names.

        Raises:
            ValueError: The file cannot be read.
        """
        file = config.get(file_setting.rpartition(".")[2])
        if file is not None and not os.access(file, os.R_OK):
            raise ValueError(f"setting '{file_setting}': {file!r} cannot be read")
        return cls(tuple(dict.fromkeys(config["external_ids"])), Path(file) if file is not None else None)

    def __iter__(self) -> Iterator[str]:
        """Yield all IDs; read the file (UTF-8) line by line."""
        yield from self.listed
        if self.file is not None:
            with self.file.open(encoding="utf-8-sig") as lines:
                yield from filter(None, (line.strip() for line in lines))
