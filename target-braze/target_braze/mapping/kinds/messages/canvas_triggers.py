"""Send an API-triggered Canvas to people."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, ClassVar

from target_braze.mapping.base.recipients import SEMANTICS, WITH_ATTRIBUTES
from target_braze.mapping.base.triggers import IDENTIFIER_TYPES, Triggers, trigger_endpoints, trigger_settings

if TYPE_CHECKING:
    from collections.abc import Mapping


class CanvasTriggers(Triggers, to="canvas_triggers"):
    """See https://www.braze.com/docs/api/endpoints/messaging/send_messages/post_send_triggered_canvases/."""

    path_name = "canvas"
    target = "canvas"
    id_key = "canvas_id"
    properties_key = "context"
    settings: ClassVar[Mapping[str, Any]] = trigger_settings(target, "Canvas", id_key)
    unsupported_keys = frozenset()
    identifier_types = IDENTIFIER_TYPES
    semantics = (SEMANTICS, WITH_ATTRIBUTES)
    endpoints = trigger_endpoints(path_name, id_key)
    # What a Canvas sends cannot be called back.
    on_delete_actions = ("nothing",)
