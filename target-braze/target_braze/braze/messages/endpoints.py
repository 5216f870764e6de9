"""Endpoints that send a message to people, at once or at a time."""

from __future__ import annotations

import logging
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final

from typing_extensions import override

from target_braze.braze import answers, limits
from target_braze.braze.changes import Endpoint, Receipt
from target_braze.braze.client import UnclearError
from target_braze.braze.messages.times import Schedule, SendWindow, now
from target_braze.encode import encode

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from target_braze.braze.changes import Change, Request
    from target_braze.braze.client import Answer, RefusedError

_log = logging.getLogger("target-braze")

# https://www.braze.com/docs/api/endpoints/messaging/send_messages/post_send_triggered_canvases/: with such a notice, a
# success means that nothing is sent.
_NO_EFFECT: Final = "take effect"


@dataclass(frozen=True, eq=False)
class MessageEndpoint(Endpoint):
    """Sends a message to each recipient in the request.

    A request whose outcome is unknown is not sent again: everybody in it is in doubt. Of two recipients that are the
    same user, Braze sends to the last only, so a request holds one change per user.

    Attributes:
        constants: Fields of the body besides the recipients.
        window: Hours in which messages may leave.
        schedule: When Braze sends, if not at once.
    """

    constants: Mapping[str, Any] = field(default_factory=dict)
    window: SendWindow | None = None
    schedule: Schedule | None = None

    @property
    def missed(self) -> str:
        """Why the scheduled time does not work any more or is not allowed, or nothing."""
        if self.schedule is None:
            return ""
        if self.window is not None and not self.window.includes(self.schedule.time):
            return f"it is scheduled for {self.schedule.time.isoformat()}, outside its send_window of {self.window}"
        if self.schedule.last <= now():
            # Braze refuses a local time that has passed everywhere. It does not say what it does with other times, and
            # may send at once.
            return f"it is scheduled for {self.schedule.time.isoformat()}, which has passed"
        return ""

    @property
    @override
    def not_now(self) -> str:
        if self.schedule is not None:
            return self.missed
        if self.window is not None and not self.window.includes(now()):
            return f"send_window allows messages only from {self.window}"
        return ""

    @override
    def body(self, changes: Sequence[Change], encoded: Sequence[bytes]) -> bytes:
        schedule = {} if self.schedule is None else {"schedule": self.schedule.as_json()}
        head = encode({**self.constants, **schedule})[:-1]
        return b'%s,"%s":[%s]}' % (head, self.arrays[0].encode(), b",".join(encoded))

    @override
    def rejected(self, changes: Sequence[Change], answer: Answer) -> list[tuple[Change, str]]:
        request = f"{self.method} {self.path}"
        document = answers.success(request, answer, self.success_key)
        if isinstance(notice := document.get("notice"), str) and notice:
            if _NO_EFFECT in notice.casefold():
                return [(change, notice) for change in changes]
            _log.warning("%s: Braze says: %s", request, notice)
        if any(not named for named, _ in self._refusals(changes, document)):
            # It may mean any of them, and the others have received the message.
            raise UnclearError(
                f"{request}: HTTP {answer.status}, but with an error that names no recipient. Braze may have sent the "
                "message to any of them",
                status=answer.status,
            )
        return super().rejected(changes, answer)

    @override
    def divided(self, request: Request, error: RefusedError) -> list[Request]:
        said = " ".join(error.errors).casefold()
        if "campaign" in said or "canvas" in said:
            return [request]  # no recipient is to blame
        return super().divided(request, error)

    @override
    def receipt(self, answer: Answer) -> Receipt | None:
        if self.schedule is None:
            return None
        found = answer.json().get("schedule_id")
        return Receipt(str(found or ""), int(self.schedule.first.timestamp()))


def trigger(what: str, id_key: str, key: str, **more: Any) -> MessageEndpoint:  # noqa: ANN401
    """Return the endpoint that sends one campaign or Canvas, or schedules it.

    Args:
        what: `campaigns` or `canvas`, in paths and permissions.
        id_key: Key of its id in the body.
        key: Its id.
        more: Other attributes of the endpoint.
    """
    action = "schedule/create" if more.get("schedule") is not None else "send"
    # Without `recipients`, Braze would send to everybody that the campaign targets, unless this is false.
    constants = {id_key: key, "broadcast": False, **more.pop("constants", {})}
    return MessageEndpoint(
        f"/{what}/trigger/{action}",
        f"{what}.trigger.{action.replace('/', '.')}",
        "messages",
        ("recipients",),
        limits.ITEMS_PER_REQUEST,
        one_per_user=True,
        constants=constants,
        **more,
    )
