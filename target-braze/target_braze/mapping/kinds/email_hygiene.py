"""Add email addresses or phone numbers to Braze's lists of unusable ones, or remove them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, ClassVar, Final

from typing_extensions import override

from target_braze.braze import limits
from target_braze.braze.changes import Change, Endpoint, Semantics, always, free, latest
from target_braze.braze.endpoints import Identifiers
from target_braze.mapping.base.actions import Action, columns_of
from target_braze.mapping.base.settings import described
from target_braze.mapping.identifiers import find_user

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from target_braze.mapping.base.stream_mapping import Defaults
    from target_braze.mapping.columns import Columns
    from target_braze.mapping.identifiers import IdentifierRule


def _endpoint(path: str, permission: str, array: str = "email") -> Endpoint:
    return Identifiers(path, permission, "default", (array,), limits.ITEMS_PER_REQUEST, limits.SAME_THING_WAIT)


# By the setting `operation`: https://www.braze.com/docs/api/endpoints/email/ and .../sms/.
ENDPOINTS: Final[Mapping[str, Endpoint]] = {
    # The permission still has the endpoint's old name.
    "blocklist": _endpoint("/email/blocklist", "email.blacklist"),
    "remove_bounces": _endpoint("/email/bounce/remove", "email.bounce.remove"),
    "remove_spam": _endpoint("/email/spam/remove", "email.spam.remove"),
    "remove_invalid_phones": _endpoint(
        "/sms/invalid_phone_numbers/remove", "sms.invalid_phone_numbers.remove", "phone_numbers"
    ),
}
# Repeating a request has no further effect: an address is either on a list or not.
SEMANTICS: Final = Semantics(
    repeatable=always,
    counted=False,
    sends_messages=False,
    sets_attributes=False,
    moves_attributes=False,
    coalesce=latest,
    data_points=free,
    consent=None,
)


class EmailHygiene(Action, to="email_hygiene"):
    """One operation per stream, named in the mapping, because three of the four let people receive messages again."""

    settings: ClassVar[Mapping[str, Any]] = {
        "operation": described(
            {"type": "string", "enum": list(ENDPOINTS)},
            "Operation",
            "What to do with the addresses or numbers. `blocklist` unsubscribes an address and marks it as bounced. "
            "The others let Braze send again: `remove_bounces` and `remove_spam` take an address off the bounce or "
            "spam list, `remove_invalid_phones` a number off the list of invalid ones. Required.",
        )
    }
    unsupported_keys = frozenset({"rename"})
    identifier_types = frozenset({"email", "phone"})
    semantics = (SEMANTICS,)
    endpoints = tuple(ENDPOINTS.values())
    # Undoing a removal would block people because a row is gone; undoing a block would message them again.
    on_delete_actions = ("nothing",)

    @classmethod
    @override
    def endpoints_for(cls, entry: Mapping[str, Any]) -> tuple[Endpoint, ...]:
        return (ENDPOINTS[entry["operation"]],) if "operation" in entry else cls.endpoints

    def __init__(self, columns: Columns, defaults: Defaults, notice: Callable[[str], None]) -> None:
        if "operation" not in columns.entry:
            raise columns.error(
                f"no operation is configured: set operation to {' or '.join(ENDPOINTS)} - at {columns.at}.operation"
            )
        self._operation: str = columns.entry["operation"]
        super().__init__(columns, defaults, notice)
        self._report_unused(columns_of(self._identifier_rules))

    @override
    def _compile_user(self) -> list[IdentifierRule]:
        return self._compile_users("user", {"phone" if self._operation == "remove_invalid_phones" else "email"})

    @override
    def _changes(self, record: Mapping[str, Any]) -> list[Change]:
        user, _ = find_user(self._identifier_rules, record)
        endpoint = ENDPOINTS[self._operation]
        return [Change(endpoint.arrays[0], user, {user[0]: user[1]}, SEMANTICS, endpoint, key=self._operation)]
