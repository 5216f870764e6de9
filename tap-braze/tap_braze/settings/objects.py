"""Which campaigns, Canvases, templates and other objects to read, and what to do about deleted ones."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from singer_sdk import typing as th

if TYPE_CHECKING:
    from collections.abc import Mapping

OBJECTS: Final = (
    th.Property(
        "include_archived",
        th.BooleanType,
        default=True,
        title="Include archived",
        description="Also read archived campaigns, Canvases and cards.",
    ),
    th.Property(
        "deletions",
        th.StringType,
        default="hard",
        allowed_values=["hard", "soft", "keep"],
        title="Deletions",
        description=(
            "What to do about rows that Braze no longer has, in streams that are read in full. `hard` sends all "
            "rows with a version and ACTIVATE_VERSION at the end, so that the loader deletes or marks the others. "
            "`soft` sends each such row once more, with its key and `_sdc_deleted_at`, for loaders that ignore "
            "ACTIVATE_VERSION. `keep` sends neither, and only edited campaigns, Canvases, templates, Content Blocks "
            "and preference centers."
        ),
    ),
    th.Property(
        "history",
        th.CustomType({"type": ["boolean", "array"], "items": {"type": "string", "minLength": 1}}),
        default=False,
        title="History",
        description=(
            "Keep every version of objects such as campaigns, Canvases, segments and templates: `true` for all streams "
            'that support it, or a list of streams, such as `["canvases_details"]`. Each version is a row with '
            "the object's key and `valid_from`, written only when something changed. Default: only the current version."
        ),
    ),
    th.Property(
        "scheduled_broadcasts",
        th.ObjectType(
            th.Property(
                "days",
                th.IntegerType(minimum=0, maximum=3650),
                default=90,
                title="Days",
                description="Days to look ahead after today.",
            ),
            nullable=False,
            additional_properties=False,
        ),
        default={},
        title="Scheduled broadcasts",
        description='How far ahead `scheduled_broadcasts` looks, such as `{"days": 30}`. Default: 90 days.',
    ),
)


def has_history(config: Mapping[str, Any], stream: str) -> bool:
    """Return whether the setting `history` includes a stream."""
    history = config.get("history")
    return history is True or (isinstance(history, list) and stream in history)
