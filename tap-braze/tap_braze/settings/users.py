"""The setting `users`: whose profiles are exported, with which fields, and where the files are."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final

from singer_sdk import typing as th

from tap_braze.settings.user_ids import UserIds
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
            description="Segments whose users are exported. Empty: all segments that are listed.",
        ),
        th.Property(
            "fields",
            _TEXTS,
            default=[],
            description="Fields of the profiles, as `fields_to_export` names them. Empty: all but "
            "`campaigns_received`, `canvases_received` and `cards_clicked`.",
        ),
        th.Property(
            "custom_attributes",
            _TEXTS,
            default=[],
            description="Names of the custom attributes that the profiles have. Empty: all.",
        ),
        th.Property("external_ids", _TEXTS, default=[], description="External ids, for `users_by_id`."),
        th.Property(
            "ids_file",
            th.StringType(min_length=1),
            description="A text file (UTF-8) with one external id a line, for `users_by_id`.",
        ),
        th.Property(
            "url",
            th.StringType(min_length=1),
            description="The bucket or folder that Braze exports to, if the workspace has cloud storage: "
            "`s3://bucket/path`, `gs://`, `az://`, or a path. `segment-export/` is in it.",
        ),
        OPTIONS,
        th.Property(
            "output_format",
            th.StringType,
            default="zip",
            allowed_values=["zip", "gzip"],
            description="What the files in cloud storage shall be.",
        ),
        th.Property(
            "export_timeout",
            th.NumberType(exclusive_minimum=0),
            default=7200,
            description="Seconds that an export may take until it can be read.",
        ),
        th.Property(
            "quiet_seconds",
            th.NumberType(minimum=0),
            default=300,
            description="An export in cloud storage is taken for whole when no file has been added for so many "
            "seconds: Braze does not mark its end.",
        ),
        nullable=False,
        additional_properties=False,
    ),
    default={},
    title="Users",
    description="Whose profiles are read, and what of them. `segment_ids`: for `users`, its side streams and "
    "`segment_members`; default: all segments. `external_ids`, `ids_file` (one id a line): for `users_by_id`. "
    "`fields` and `custom_attributes`: what of a profile. `url`, `storage_options`: the bucket (`s3://`, `gs://`, "
    "`az://`) or folder that Braze exports to, if the workspace has cloud storage, and what opens it; "
    "`output_format` of its files, `zip` or `gzip`. `export_timeout` (7200): seconds that an export may take. "
    "`quiet_seconds` (300): an export in a bucket is whole when no file has been added for so long.",
)


@dataclass(frozen=True)
class Users:
    """The setting, checked and typed; times are in seconds."""

    segment_ids: tuple[str, ...]
    fields: tuple[str, ...]
    custom_attributes: tuple[str, ...]
    user_ids: UserIds
    url: str | None = field(repr=False)
    storage_options: Mapping[str, Any] = field(repr=False)
    output_format: str
    patience: float
    quiet: float

    @classmethod
    def of(cls, config: Mapping[str, Any]) -> Users:
        """Read the setting.

        Raises:
            ValueError: it is wrong in a way that JSON Schema cannot tell.
        """
        if config["custom_attributes"] and "custom_attributes" in config["fields"]:
            raise ValueError(
                "setting 'users': with 'custom_attributes' in 'fields' Braze exports all of them, and with names in "
                "the setting 'custom_attributes' only these; give one or the other"
            )
        if len(config["custom_attributes"]) > _CUSTOM_ATTRIBUTES:
            raise ValueError(f"setting 'users.custom_attributes': Braze takes {_CUSTOM_ATTRIBUTES} names at most")
        return cls(
            segment_ids=tuple(dict.fromkeys(config["segment_ids"])),
            fields=tuple(dict.fromkeys(config["fields"])),
            custom_attributes=tuple(dict.fromkeys(config["custom_attributes"])),
            user_ids=UserIds.of(config, "users.ids_file"),
            url=config.get("url"),
            storage_options=config["storage_options"],
            output_format=config["output_format"],
            patience=float(config["export_timeout"]),
            quiet=float(config["quiet_seconds"]),
        )
