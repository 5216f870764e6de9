"""Send an API-triggered campaign to people."""

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
from target_braze.mapping.base.settings import NAME, described
from target_braze.mapping.columns import Field
from target_braze.mapping.values.scalars import to_id

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from target_braze.braze.changes import Endpoint
    from target_braze.braze.messages.endpoints import Sending
    from target_braze.mapping.base.stream_mapping import Defaults
    from target_braze.mapping.columns import Columns

_WHAT = "campaigns"
_NOW = trigger(_WHAT, "campaign_id", "")
_LATER = trigger(_WHAT, "campaign_id", "", schedule=Schedule(now()))


class CampaignTriggers(Recipients, to="campaign_triggers"):
    """See https://www.braze.com/docs/api/endpoints/messaging/send_messages/post_send_triggered_campaigns/."""

    settings: ClassVar[Mapping[str, Any]] = {
        **SETTINGS,
        "campaign": target_schema("campaign", "campaign_id"),
        "schedule": SCHEDULE,
        "send_to_existing_only": EXISTING_ONLY,
        "send_id_field": described(
            NAME,
            "Column of the send ID",
            "Column with the send ID under which Braze counts the message. Default: none.",
        ),
    }
    unsupported_keys = frozenset()
    identifier_types = frozenset({"external_id", "braze_id", "user_alias", "email"})
    semantics = (SEMANTICS, WITH_ATTRIBUTES)
    endpoints = (_NOW, _LATER)
    # A message cannot be called back.
    on_delete_actions = ("nothing",)

    target = "campaign"
    id_key = "campaign_id"
    properties_key = "trigger_properties"

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

    @classmethod
    @override
    def endpoints_for(cls, entry: Mapping[str, Any]) -> tuple[Endpoint, ...]:
        return (_LATER if "schedule" in entry else _NOW,)

    @override
    def _endpoint(self, key: str, schedule: Schedule | None, send_id: str | None) -> Sending:
        return trigger(
            _WHAT,
            self.id_key,
            key,
            schedule=schedule,
            window=self._window,
            constants=self._common_fields | ({} if send_id is None else {"send_id": send_id}),
            holds=self._holds,
        )
