"""Users named in settings: by external ID in a list or a file, or by other identifiers in lists."""

from __future__ import annotations

import os
from dataclasses import dataclass, field
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from singer_sdk import typing as th

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

_TEXT: Final = th.StringType(min_length=1)
_ALIAS: Final = th.ObjectType(
    *(
        th.Property(
            name,
            _TEXT,
            required=True,
            nullable=False,
            title=name.replace("_", " ").capitalize(),
            description=f"{part} of the alias.",
        )
        for name, part in (("alias_name", "Name"), ("alias_label", "Label"))
    ),
    nullable=False,
    additional_properties=False,
)
# Lists by the type of identifier, and what they hold.
_LISTS: Final[Mapping[str, tuple[str, str, str, th.JSONTypeHelper[Any]]]] = {
    "external_id": ("external_ids", "External IDs", "External IDs of the users to read.", _TEXT),
    "user_alias": (
        "user_aliases",
        "User aliases",
        'Aliases of the users to read, such as `[{"alias_name": "a1", "alias_label": "crm"}]`.',
        _ALIAS,
    ),
    "email": ("emails", "Email addresses", "Email addresses of the users to read.", _TEXT),
    "phone": ("phones", "Phone numbers", "Phone numbers of the users to read, such as `+15551234567`.", _TEXT),
    "braze_id": ("braze_ids", "Braze IDs", "Braze's identifiers of the users to read, as in Currents.", _TEXT),
    "device_id": ("device_ids", "Device IDs", "Device IDs of the users to read.", _TEXT),
}


def identifiers(*types: str) -> list[th.Property[Any]]:
    """Return the settings that name users by these types of identifiers; external IDs may be in a file too."""
    lists = [
        th.Property(name, th.ArrayType(items), default=[], title=title, description=description)
        for name, title, description, items in map(_LISTS.__getitem__, types)
    ]
    file = th.Property(
        "external_ids_file",
        _TEXT,
        title="External IDs file",
        description="Path of a UTF-8 text file with one external ID per line.",
    )
    return [lists[0], file, *lists[1:]]


@dataclass(frozen=True)
class UserIds:
    """Identifiers by their type, and a file with one external ID per line."""

    listed: Mapping[str, tuple[Any, ...]] = field(repr=False)
    file: Path | None = None

    @classmethod
    def of(cls, config: Mapping[str, Any], setting: str) -> UserIds:
        """Read the `identifiers` of the object setting with this name.

        Raises:
            ValueError: The file cannot be read.
        """
        file = config.get("external_ids_file")
        if file is not None and not os.access(file, os.R_OK):
            raise ValueError(f"setting '{setting}.external_ids_file': {file!r} cannot be read")
        listed = {
            kind: tuple({str(each): each for each in config[name]}.values())
            for kind, (name, *_) in _LISTS.items()
            if name in config
        }
        return cls(listed, Path(file) if file is not None else None)

    def batches(self, sizes: Mapping[str, int]) -> Iterator[tuple[str, list[Any]]]:
        """Yield all identifiers, by type and up to the type's size at a time."""
        for kind, listed in self.listed.items():
            ids = self._external_ids() if kind == "external_id" else iter(listed)
            while some := list(islice(ids, sizes[kind])):
                yield kind, some

    def _external_ids(self) -> Iterator[str]:
        """Yield the external IDs of the list, then of the file (UTF-8), which is read line by line."""
        yield from self.listed["external_id"]
        if self.file is not None:
            with self.file.open(encoding="utf-8-sig") as lines:
                yield from filter(None, (line.strip() for line in lines))
