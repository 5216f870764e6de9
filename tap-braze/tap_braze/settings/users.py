"""The setting `users`: which profiles and fields to export, and where the files are."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from singer_sdk import typing as th

from tap_braze.settings.user_ids import UserIds, identifiers
from tap_braze.storage import OPTIONS

if TYPE_CHECKING:
    from collections.abc import Mapping

_TEXTS: Final = th.ArrayType(th.StringType(min_length=1))

# https://www.braze.com/docs/api/endpoints/export/user_data/post_users_segment/#request-parameters
_CUSTOM_ATTRIBUTES: Final = 500

USERS: Final = th.Property(
    "users",
    th.ObjectType(
        th.Property(
            "segment_ids",
            _TEXTS,
            default=[],
            title="Segment IDs",
            description="API identifiers of the segments whose users to export. Default: every segment.",
        ),
        th.Property(
            "fields",
            _TEXTS,
            default=[],
            title="Fields",
            description=(
                "Profile fields to export, by their names in `fields_to_export`. Default: all but "
                "`campaigns_received`, `canvases_received` and `cards_clicked`."
            ),
        ),
        th.Property(
            "custom_attributes",
            _TEXTS,
            default=[],
            title="Custom attributes",
            description="Names of the custom attributes to export, at most 500. Default: all.",
        ),
        *identifiers("external_id", "user_alias", "email", "phone", "braze_id", "device_id"),
        th.Property(
            "changes_only",
            th.BooleanType,
            default=False,
            title="Changes only",
            description=(
                "Send only what changed since the last export: new, changed and removed rows of `users`, "
                "`segment_members` and `global_control_group_users`. Needs `changes_path`."
            ),
        ),
        th.Property(
            "changes_path",
            th.StringType(min_length=1),
            title="Changes path",
            description=(
                "Folder in which `changes_only` stores the last exports, as Braze IDs and keyed hashes of "
                "profiles. Use one for each tap, and keep it between runs, like the state."
            ),
        ),
        th.Property(
            "url",
            th.StringType(min_length=1),
            title="URL",
            description=(
                "Bucket or folder that Braze exports to, if your workspace has cloud storage connected: "
                "`s3://bucket/path`, `gs://`, `az://` or a local path. It contains `segment-export/`."
            ),
        ),
        OPTIONS,
        th.Property(
            "output_format",
            th.StringType,
            default="zip",
            allowed_values=["zip", "gzip"],
            title="Output format",
            description="Format of the files that Braze writes to cloud storage: `zip` or `gzip`.",
        ),
        th.Property(
            "export_timeout",
            th.NumberType(exclusive_minimum=0),
            default=7200,
            title="Export timeout",
            description="Seconds to wait until an export can be read. Raise it for large segments.",
        ),
        th.Property(
            "quiet_seconds",
            th.NumberType(minimum=0),
            default=300,
            title="Quiet seconds",
            description=(
                "Seconds without a new file after which an export in cloud storage counts as complete. Braze "
                "does not mark its end, so a value that is too low loses profiles."
            ),
        ),
        nullable=False,
        additional_properties=False,
    ),
    default={},
    title="Users",
    description=(
        "Which profiles to export, and which of their fields. `segment_ids`: for `users`, the streams made from it and "
        "`segment_members`; default: every segment. `external_ids`, `external_ids_file` (one ID per line), "
        "`user_aliases`, `emails`, `phones`, `braze_ids`, `device_ids`: for `users_by_id`. `fields`, "
        "`custom_attributes`: parts of a profile. `changes_only`, `changes_path`: send only what changed since the "
        "last export, which is stored in the folder. `url`, `storage_options`: the bucket (`s3://`, `gs://`, `az://`) "
        "or folder that Braze exports to, and its credentials, if your workspace has cloud storage connected. "
        "`output_format`: `zip` or `gzip`. `export_timeout` (7200): seconds to wait for an export. `quiet_seconds` "
        "(300): seconds without a new file after which an export in a bucket counts as complete."
    ),
)


@dataclass(frozen=True)
class Users:
    """The checked and typed setting. Times are in seconds."""

    segment_ids: tuple[str, ...]
    fields: tuple[str, ...]
    custom_attributes: tuple[str, ...]
    user_ids: UserIds
    changes_path: Path | None  # None: send all profiles
    url: str | None = field(repr=False)
    storage_options: Mapping[str, Any] = field(repr=False)
    output_format: str
    patience: float
    quiet: float

    @classmethod
    def of(cls, config: Mapping[str, Any]) -> Users:
        """Read the setting.

        Raises:
            ValueError: The setting is wrong in a way that JSON Schema cannot express.
        """
        if config["custom_attributes"] and "custom_attributes" in config["fields"]:
            raise ValueError(
                "setting 'users': 'custom_attributes' in 'fields' exports all custom attributes, and the setting "
                "'custom_attributes' only those it names; use one of them"
            )
        if len(config["custom_attributes"]) > _CUSTOM_ATTRIBUTES:
            raise ValueError(f"setting 'users.custom_attributes': Braze takes at most {_CUSTOM_ATTRIBUTES} names")
        if config["changes_only"] and not config.get("changes_path"):
            raise ValueError(
                "setting 'users.changes_only': set 'users.changes_path' to a folder that remembers the last export"
            )
        return cls(
            segment_ids=tuple(dict.fromkeys(config["segment_ids"])),
            fields=tuple(dict.fromkeys(config["fields"])),
            custom_attributes=tuple(dict.fromkeys(config["custom_attributes"])),
            user_ids=UserIds.of(config, "users"),
            changes_path=Path(config["changes_path"]).expanduser().resolve() if config["changes_only"] else None,
            url=config.get("url"),
            storage_options=config["storage_options"],
            output_format=config["output_format"],
            patience=float(config["export_timeout"]),
            quiet=float(config["quiet_seconds"]),
        )
