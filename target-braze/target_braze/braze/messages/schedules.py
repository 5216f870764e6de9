"""Cancel scheduled campaigns and Canvases."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Final

from target_braze.braze import answers
from target_braze.braze.client import BrazeError, ForbiddenError
from target_braze.encode import encode

if TYPE_CHECKING:
    from collections.abc import Mapping

    from target_braze.braze.client import Client

# https://www.braze.com/docs/api/endpoints/messaging/schedule_messages/post_delete_scheduled_triggered_messages/ and
# .../post_delete_scheduled_triggered_canvases/, by the key of what is sent.
_WHAT: Final[Mapping[str, str]] = {"campaign_id": "campaigns", "canvas_id": "canvas"}


def cancel(client: Client, message: str, schedule_id: str) -> None:
    """Delete a schedule, so that Braze does not send its messages.

    Args:
        client: API client.
        message: What is sent, such as `campaign_id:7c9...`.
        schedule_id: Braze's ID of the schedule.

    Raises:
        RefusedError: Braze does not know the schedule, which may be because it has sent the messages.
        BrazeError: The request failed.
    """
    id_key, _, key = message.partition(":")
    what = _WHAT[id_key]
    path = f"/{what}/trigger/schedule/delete"
    try:
        client.request(
            "POST",
            path,
            pool="messages",
            body=encode({id_key: key, "schedule_id": schedule_id}),
            check=partial(answers.success, f"POST {path}"),
        )
    except ForbiddenError as error:
        raise BrazeError(f"{error}. The API key needs the permission '{what}.trigger.schedule.delete'") from None
