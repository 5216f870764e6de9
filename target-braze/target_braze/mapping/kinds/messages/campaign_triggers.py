"""Send an API-triggered campaign to people."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, ClassVar

from typing_extensions import override

from target_braze.mapping.base.recipients import SEMANTICS, WITH_ATTRIBUTES
from target_braze.mapping.base.settings import NAME, described
from target_braze.mapping.base.triggers import IDENTIFIER_TYPES, Triggers, trigger_endpoints, trigger_settings
from target_braze.mapping.columns import Field
from target_braze.mapping.values.scalars import to_id

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from target_braze.mapping.base.stream_mapping import Defaults
    from target_braze.mapping.columns import Columns


class CampaignTriggers(Triggers, to="campaign_triggers"):
    """See https://www.braze.com/docs/api/endpoints/messaging/send_messages/post_send_triggered_campaigns/."""

    path_name = "campaigns"
    target = "campaign"
    id_key = "campaign_id"
    properties_key = "trigger_properties"
    settings: ClassVar[Mapping[str, Any]] = {
        **trigger_settings(target, "campaign", id_key),
        "send_id_field": described(
            NAME,
            "Column of the send ID",
            "Column with the send ID under which Braze counts the message. Default: none.",
        ),
    }
    unsupported_keys = frozenset()
    identifier_types = IDENTIFIER_TYPES
    semantics = (SEMANTICS, WITH_ATTRIBUTES)
    endpoints = trigger_endpoints(path_name, id_key)
    # A message cannot be called back.
    on_delete_actions = ("nothing",)

    def __init__(self, columns: Columns, defaults: Defaults, notice: Callable[[str], None]) -> None:
        self._send: Field | None = None
        column = columns.entry.get("send_id_field")
        if column is not None:
            columns.known(column, "send_id_field")
            columns.check_types(column, ("string", "integer"), "a send ID")
            self._send = Field(column, "send_id", columns.read_id(column, to_id))
        super().__init__(columns, defaults, notice)

    @property
    @override
    def sources(self) -> Mapping[str, tuple[str, ...]]:
        return {**super().sources, **({} if self._send is None else {"send_id": (self._send.column,)})}

    @override
    def _send_id(self, record: Mapping[str, Any]) -> str | None:
        return None if self._send is None else str(self._send.required(record))
