"""A minimal tap for CSV files: one stream per file, all columns strings, settings as in Meltano Hub's tap-csv."""

from __future__ import annotations

import csv
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

from singer_sdk import Stream, Tap
from singer_sdk import typing as th
from singer_sdk.exceptions import ConfigValidationError

if sys.version_info >= (3, 12):
    from typing import override
else:
    from typing_extensions import override

if TYPE_CHECKING:
    from collections.abc import Iterable

    from singer_sdk.helpers.types import Context


class CSVStream(Stream):
    """One file."""

    def __init__(self, tap: Tap, *, name: str, path: Path, keys: list[str], encoding: str) -> None:
        self.path = path
        self.encoding = encoding
        with path.open(encoding=encoding, newline="") as file:
            columns = next(csv.reader(file), [])
        if missing := [key for key in keys if key not in columns]:
            raise ConfigValidationError(
                f"setting 'files', entity '{name}': {path} has no column {', '.join(missing)}; "
                f"it has {', '.join(columns) or 'none'}"
            )
        super().__init__(
            tap, name=name, schema=th.PropertiesList(*(th.Property(c, th.StringType) for c in columns)).to_dict()
        )
        self.primary_keys = keys

    @override
    def get_records(self, context: Context | None) -> Iterable[dict[str, Any]]:
        with self.path.open(encoding=self.encoding, newline="") as file:
            yield from csv.DictReader(file)


class TapCSV(Tap):
    """A tap that reads the files listed in the setting `files`."""

    name = "tap-csv"
    package_name = "tap-csv"
    config_jsonschema = th.PropertiesList(
        th.Property(
            "files",
            th.ArrayType(
                th.ObjectType(
                    th.Property("entity", th.StringType, required=True, description="Name of the stream"),
                    th.Property("path", th.StringType, required=True, description="Path of the file"),
                    th.Property("keys", th.ArrayType(th.StringType), required=True, description="Columns of the key"),
                    th.Property("encoding", th.StringType, default="utf-8", description="Encoding of the file"),
                )
            ),
            required=True,
            description="The files to read",
        ),
    ).to_dict()

    @override
    def discover_streams(self) -> list[Stream]:
        return [
            CSVStream(
                self,
                name=file["entity"],
                path=self._existing(file["entity"], Path(file["path"])),
                keys=list(file["keys"]),
                encoding=file.get("encoding", "utf-8"),
            )
            for file in self.config["files"]
        ]

    @staticmethod
    def _existing(entity: str, path: Path) -> Path:
        if not path.is_file():
            raise ConfigValidationError(f"setting 'files', entity '{entity}': there is no file {path.resolve()}")
        return path
