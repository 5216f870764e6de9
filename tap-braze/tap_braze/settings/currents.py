"""The setting `currents`: where Braze writes files of events, and which of them are read."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import timedelta
from fnmatch import fnmatchcase
from typing import TYPE_CHECKING, Any, Final

from singer_sdk import typing as th

from tap_braze.storage import OPTIONS

if TYPE_CHECKING:
    from collections.abc import Mapping
    from datetime import datetime

CURRENTS: Final = th.Property(
    "currents",
    th.ObjectType(
        th.Property(
            "url",
            th.StringType(min_length=1),
            description="Where Braze writes: `s3://bucket/currents`, `gs://`, `az://`, or a path. The folder path of "
            "the Currents connector, or a folder above it.",
        ),
        OPTIONS,
        th.Property(
            "event_types",
            th.ArrayType(th.StringType(min_length=1)),
            default=[],
            description="Event types that there are streams of, `users.messages.*` too. Empty: all.",
        ),
        th.Property(
            "start_date",
            th.DateTimeType,
            description="The first hour of files, by when Braze queued their events. Default: the tap's start date.",
        ),
        # Braze keeps events for five days while it cannot write; the default has two to spare.
        # https://www.braze.com/docs/user_guide/data/distribution/braze_currents/setting_up_currents/
        th.Property(
            "lookback_hours",
            th.IntegerType(minimum=0, maximum=24 * 365),
            default=168,
            description="How many hours before the newest file that was read another one may still appear.",
        ),
        th.Property(
            "deduplicate",
            th.BooleanType,
            default=False,
            description="Leave out an event whose id came shortly before in the same run and stream.",
        ),
        nullable=False,
        additional_properties=False,
    ),
    default={},
    title="Currents",
    description="The files of events that Braze Currents writes, for the streams `currents_…`, which it makes. "
    "`url`: the bucket (`s3://`, `gs://`, `az://`) or folder; `storage_options`: what opens it. `event_types`: "
    "which ones, globs too (default: all). `start_date`: first hour of files (default: the tap's). `lookback_hours` "
    "(168): how late files may appear. `deduplicate` (false): leave out events that come again in a run.",
)


@dataclass(frozen=True)
class Currents:
    """The setting, checked and typed.

    `start` is what a first run begins with; no run reads files from before `not_before`, if it is set.
    """

    url: str | None = field(repr=False)
    storage_options: Mapping[str, Any] = field(repr=False)
    event_types: tuple[str, ...]
    start: datetime
    not_before: datetime | None
    lookback: timedelta
    deduplicate: bool

    def wants(self, event_type: str) -> bool:
        """Whether an event type is to be read."""
        return not self.event_types or any(fnmatchcase(event_type, pattern) for pattern in self.event_types)

    @classmethod
    def of(cls, config: Mapping[str, Any], start: datetime, not_before: datetime | None) -> Currents:
        """Read the setting."""
        return cls(
            url=config.get("url"),
            storage_options=config["storage_options"],
            event_types=tuple(dict.fromkeys(config["event_types"])),
            start=not_before or start,
            not_before=not_before,
            lookback=timedelta(hours=config["lookback_hours"]),
            deduplicate=config["deduplicate"],
        )
