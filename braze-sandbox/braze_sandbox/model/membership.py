"""Segment membership."""

from __future__ import annotations

import json
from datetime import datetime, timezone
from hashlib import blake2b
from typing import TYPE_CHECKING

from braze_sandbox.model.workspace import Segment

if TYPE_CHECKING:
    from collections.abc import Iterable
    from pathlib import Path

    from braze_sandbox.model.profile import Profile
    from braze_sandbox.model.workspace import Workspace

FILE = "segments.json"
_CREATED = datetime(2024, 1, 8, 9, 30, tzinfo=timezone.utc)


def members(segment: Segment, profiles: Iterable[Profile]) -> list[Profile]:
    """Return a segment's users: those it lists or, if it lists none, its share of all users by a hash of their ids."""
    if (named := segment.members) is not None:
        return [user for user in profiles if user.external_id in named or user.braze_id in named]
    return [user for user in profiles if _draw(segment.id, user.braze_id) < segment.share]


def _draw(*keys: str) -> float:
    return int.from_bytes(blake2b("/".join(keys).encode(), digest_size=4).digest(), "big") / 2**32


def name_members(workspace: Workspace, directory: Path) -> None:
    """Read segment membership from a directory's `segments.json`, if there is one.

    The file maps segment ids to arrays of external IDs or Braze IDs. Segments missing from the workspace are created.

    Raises:
        ValueError: The file has a different form.
    """
    path = directory / FILE
    if not path.exists():
        return
    try:
        named = json.loads(path.read_text(encoding="utf-8"))
    except ValueError as error:
        raise ValueError(f"{path} is not JSON: {error}") from None
    if not isinstance(named, dict) or not all(_ids(ids) for ids in named.values()):
        raise ValueError(f"{path} must map ids of segments to arrays of external IDs or Braze IDs")
    group = workspace.control_group
    for key, ids in named.items():
        segment = group if group and key == group.id else workspace.segments.get(key)
        if segment is None:
            segment = Segment(id=key, name=key, created_at=_CREATED, updated_at=_CREATED)
            workspace.segments[key] = segment
        segment.members = set(ids)


def _ids(value: object) -> bool:
    return isinstance(value, list) and all(isinstance(one, str) for one in value)
