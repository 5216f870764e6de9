"""Send an API-triggered Canvas to people."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, ClassVar

from typing_extensions import override

from target_braze.braze.messages.endpoints import trigger
from target_braze.braze.messages.times import Schedule, now
from target_braze.mapping.base.recipients import (
    EXISTING_ONLY,
    SCHEDULE,
    SEMANTICS,
    SETTINGS,
    WITH_ATTRIBUTES,
    Recipients,
    target_schema,
)

if TYPE_CHECKING:
    from collections.abc import Mapping

    from target_braze.braze.changes import Endpoint
    from target_braze.braze.messages.endpoints import Sending

_WHAT = "canvas"
_NOW = trigger(_WHAT, "canvas_id", "")
_LATER = trigger(_WHAT, "canvas_id", "", schedule=Schedule(now()))


class CanvasTriggers(Recipients, to="canvas_triggers"):
    """See https://www.braze.com/docs/api/endpoints/messaging/send_messages/post_send_triggered_canvases/."""

    settings: ClassVar[Mapping[str, Any]] = {
        **SETTINGS,
        "canvas": target_schema("Canvas", "canvas_id"),
        "schedule": SCHEDULE,
        "send_to_existing_only": EXISTING_ONLY,
    }
    unsupported_keys = frozenset()
    identifier_types = frozenset({"external_id", "braze_id", "user_alias", "email"})
    semantics = (SEMANTICS, WITH_ATTRIBUTES)
    endpoints = (_NOW, _LATER)
    # What a Canvas sends cannot be called back.
    on_delete_actions = ("nothing",)

    target = "canvas"
    id_key = "canvas_id"
    properties_key = "context"

    @classmethod
    @override
    def endpoints_for(cls, entry: Mapping[str, Any]) -> tuple[Endpoint, ...]:
        return (_LATER if "schedule" in entry else _NOW,)

    @override
    def _endpoint(self, key: str, schedule: Schedule | None, send_id: str | None) -> Sending:
        del send_id
        return trigger(
            _WHAT,
            self.id_key,
            key,
            schedule=schedule,
            window=self._window,
            constants=self._common_fields,
            holds=self._holds,
        )
