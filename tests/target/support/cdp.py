"""Customer-data platform calls in their raw JSON form, for the tests that load them."""

from __future__ import annotations

from typing import Any

from tests.target.support.singer import ANY_OBJECT, TEXT, TIME, Stream

COLUMNS: dict[str, Any] = {
    **dict.fromkeys(("type", "event", "name", "category", "channel", "messageId"), TEXT),
    **dict.fromkeys(("userId", "anonymousId", "previousId", "groupId"), TEXT),
    **dict.fromkeys(("timestamp", "sentAt", "receivedAt"), TIME),
    **dict.fromkeys(("traits", "properties", "context", "integrations"), ANY_OBJECT),
}


def calls(*records: dict[str, Any], **columns: Any) -> Stream:
    """Return nested calls, all at the same time."""
    shared = {"messageId": "m-1", "timestamp": "2026-03-04T12:00:00.000Z"}
    return Stream("segment_calls", {**COLUMNS, **columns}, [shared | record for record in records])


def track(event: str, **properties: Any) -> dict[str, Any]:
    return {"type": "track", "userId": "c-1", "event": event, "properties": properties}
