"""Messages that a workspace has sent through the API or scheduled."""

from __future__ import annotations

from dataclasses import asdict, dataclass, field
from typing import TYPE_CHECKING, Any, Literal

if TYPE_CHECKING:
    from datetime import datetime

Source = Literal["message", "campaign", "canvas", "live_activity"]


@dataclass(slots=True, kw_only=True)
class Message:
    """A message that a user would have received; nothing leaves the sandbox."""

    dispatch_id: str
    channel: str
    """As in campaign details: `email`, `ios_push`, `sms` ..., or `live_activity`."""
    sent_at: datetime
    braze_id: str
    external_id: str | None
    content: dict[str, Any]
    """The message object of the request, or the message of the campaign or step, with Liquid unrendered."""
    properties: dict[str, Any] = field(default_factory=dict)
    """`trigger_properties` or `context`; the recipient's values override the request's."""
    campaign_id: str | None = None
    message_variation_id: str | None = None
    canvas_id: str | None = None
    canvas_step_id: str | None = None
    canvas_variation_id: str | None = None
    send_id: str | None = None

    def as_json(self) -> dict[str, Any]:
        """Return the message for /sandbox/messages."""
        return {**asdict(self), "sent_at": self.sent_at.isoformat()}


@dataclass(slots=True, kw_only=True)
class Dispatch:
    """A validated request to send something; its recipients are looked up at send time."""

    id: str
    source: Source
    body: dict[str, Any]


@dataclass(slots=True, kw_only=True)
class Schedule:
    """A dispatch scheduled for later."""

    id: str
    dispatch: Dispatch
    at: datetime


@dataclass(slots=True, kw_only=True)
class LiveActivity:
    """A Live Activity started through the API."""

    app_id: str
    activity_id: str
    content_state: dict[str, Any]
    ended: bool = False
