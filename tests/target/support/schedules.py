"""Schedules that the API has made, for a campaign, a Canvas and a message without either."""

from __future__ import annotations

from datetime import datetime, timezone
from typing import TYPE_CHECKING, Any, Final

from braze_sandbox.model.messages import Dispatch, Schedule

if TYPE_CHECKING:
    from braze_sandbox.model.messages import Source
    from braze_sandbox.testing import Sandbox

AT: Final = datetime(2999, 3, 4, 9, tzinfo=timezone.utc)


def add_schedule(sandbox: Sandbox, key: str, source: Source, **body: Any) -> None:
    """Schedule a message for a far day; `body` is that of its request."""
    dispatch = Dispatch(id=f"dispatch of {key}", source=source, body=body)
    sandbox.workspace.schedules[key] = Schedule(id=key, dispatch=dispatch, at=AT)
