"""The endpoint that sends one transactional email."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from typing_extensions import override

from target_braze.braze import answers
from target_braze.braze.messages.endpoints import MessageEndpoint
from target_braze.encode import encode

if TYPE_CHECKING:
    from collections.abc import Sequence

    from target_braze.braze.changes import Change
    from target_braze.braze.client import Answer, RefusedError

# https://www.braze.com/docs/api/endpoints/messaging/send_messages/post_send_transactional_message/: for 24 hours, Braze
# refuses another request with the same `external_send_id` with this text.
_REPEATED: Final = "external reference has been queued"


@dataclass(frozen=True, eq=False)
class TransactionalEmail(MessageEndpoint):
    """Sends one email to one user.

    `external_send_id` is the change's fingerprint in the ledger, unless the mapping names a column, so Braze sends an
    email once even if a request is repeated after a lost answer.
    """

    @override
    def body(self, changes: Sequence[Change], encoded: Sequence[bytes]) -> bytes:
        (change,) = changes
        recipient = dict(change.fields)
        fingerprint = None if change.fingerprint is None else change.fingerprint.hex()
        fields: dict[str, Any] = {
            "external_send_id": recipient.pop("external_send_id", fingerprint),
            "trigger_properties": {
                **self.constants.get("trigger_properties", {}),
                **recipient.pop("trigger_properties", {}),
            },
            "recipient": recipient,
        }
        return encode({name: value for name, value in fields.items() if value})

    @override
    def rejected(self, changes: Sequence[Change], answer: Answer) -> list[tuple[Change, str]]:
        document = answers.success(f"{self.method} {self.path}", answer, self.success_key)
        if document.get("status") == "aborted":
            metadata = document.get("metadata")
            reason = metadata.get("reason") if isinstance(metadata, dict) else None
            return [(change, f"aborted: {reason or 'Braze gives no reason'}") for change in changes]
        return super().rejected(changes, answer)

    @override
    def says_repeated(self, error: RefusedError) -> bool:
        return any(_REPEATED in text.casefold() for text in error.errors)


ENDPOINT: Final = TransactionalEmail(
    "/transactional/v1/campaigns/{campaign_id}/send",
    "transactional.send",
    "messages",
    ("recipient",),
    1,
    success_key="dispatch_id",
    repeats_safely=True,
)
