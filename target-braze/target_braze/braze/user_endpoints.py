"""Endpoints about who users are and what they may be sent, beside those that the calls of a customer-data platform use.

Where the documentation is silent on how many of one kind share the limit of a request, all in the request do.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Any, Final

from typing_extensions import override

from target_braze.braze import limits
from target_braze.braze.endpoints import DEPENDENT, Endpoint, Request
from target_braze.braze.error_texts import error_text
from target_braze.delivery import outcomes
from target_braze.encode import encode

if TYPE_CHECKING:
    from collections.abc import Hashable, Iterator, Mapping, Sequence

    from target_braze.braze.client import RefusedError
    from target_braze.records import Change


# Recorded of an unknown subscription group: all users of the group share the fate.
_UNKNOWN_GROUP: Final = "invalid subscription group id"


@dataclass(frozen=True)
class Identifiers(Endpoint):
    """Takes an array of bare identifiers where others take objects."""

    @override
    def body(self, changes: Sequence[Change], encoded: Sequence[bytes]) -> bytes:
        return encode({self.arrays[0]: [change.user[1] for change in changes]})


@dataclass(frozen=True)
class _Answering(Endpoint):
    """Says under the key `errors_in` which changes it did not accept: arrays of an index and the reason.

    The documentation promises an array of arrays with an index; an object with an index does as well, and an entry of
    another form speaks for all changes.
    """

    errors_in: str = ""

    @override
    def _refusals(self, changes: Sequence[Change], document: object) -> Iterator[tuple[Sequence[Change], str]]:
        yield from super()._refusals(changes, document)
        for error in outcomes.entries(document, self.errors_in):
            index, *reasons = error if isinstance(error, list) and error else [None, error]
            known = changes[index : index + 1] if type(index) is int and index >= 0 else ()
            reason = ", ".join(map(error_text, reasons))
            yield known or self._named(changes, error), reason or f"it is among '{self.errors_in}'"


@dataclass(frozen=True)
class _Removals(_Answering, Identifiers):
    """Takes bare identifiers and says which it did not accept."""


@dataclass(frozen=True)
class SubscriptionGroups(Endpoint):
    """Takes users by group and state: https://www.braze.com/docs/api/endpoints/subscription_groups/.

    Emails and phone numbers may not be in one request, so each kind of identifier has requests of its own.
    """

    @override
    def body(self, changes: Sequence[Change], encoded: Sequence[bytes]) -> bytes:
        groups: dict[tuple[Any, ...], list[str]] = {}
        for change in changes:
            groups.setdefault(tuple(change.fields.items()), []).append(change.user[1])
        return encode(
            {"subscription_groups": [{**dict(group), self.arrays[0]: users} for group, users in groups.items()]}
        )

    @override
    def divided(self, request: Request, error: RefusedError) -> list[Request]:
        groups = request.divided(_group)
        if len(groups) > 1 or any(_UNKNOWN_GROUP in text.casefold() for text in error.errors):
            return groups
        return super().divided(request, error)

    @override
    def _named(self, changes: Sequence[Change], error: object) -> Sequence[Change]:
        """Return the change that an error is about; one that counts groups means all changes of a group."""
        groups = Request.of(self, changes).divided(_group)
        if isinstance(error, dict) and error.get("input_array") == "subscription_groups":
            index = error.get("index")
            return groups[index].changes if type(index) is int and 0 <= index < len(groups) else ()
        return super()._named(changes, error) if len(groups) == 1 else ()


def _group(change: Change) -> Hashable:
    return tuple(change.fields.items())


@dataclass(frozen=True)
class EmailStatus(Endpoint):
    """Sets one state of many addresses: https://www.braze.com/docs/api/endpoints/email/post_email_subscription_status/."""

    state: str = ""

    @override
    def body(self, changes: Sequence[Change], encoded: Sequence[bytes]) -> bytes:
        return encode({"email": [change.user[1] for change in changes], "subscription_state": self.state})


# https://www.braze.com/docs/api/endpoints/user_data/post_users_alias_update/ promises no order inside of a request.
ALIAS_UPDATE: Final = Endpoint(
    "/users/alias/update", "users.alias.update", "identity", ("alias_updates",), single=True, **DEPENDENT
)
# https://www.braze.com/docs/api/endpoints/external_id_migration/
RENAME: Final = _Answering(
    "/users/external_ids/rename",
    "users.external_ids.rename",
    "external_ids",
    ("external_id_renames",),
    single=True,
    errors_in="rename_errors",
    miscounts=partial(outcomes.listed_miscounts, "external_ids"),
    **DEPENDENT,
)
REMOVE: Final = _Removals(
    "/users/external_ids/remove",
    "users.external_ids.remove",
    "external_ids",
    ("external_ids",),
    errors_in="removal_errors",
    miscounts=partial(outcomes.listed_miscounts, "removed_ids"),
    **DEPENDENT,
)

# https://www.braze.com/docs/api/endpoints/user_data/post_user_delete/ takes one kind of identifier in a request.
_DELETE: Final[Any] = {
    "path": "/users/delete",
    "permission": "users.delete",
    "pool": "identity",
    "last": True,
    # The docs show the count alone; a message beside it has been recorded.
    "miscounts": outcomes.deleted_miscounts,
    "alone": "deleted",
    **DEPENDENT,
}
DELETE: Final[Mapping[str, Endpoint]] = {
    "external_id": Identifiers(arrays=("external_ids",), **_DELETE),
    "braze_id": Identifiers(arrays=("braze_ids",), **_DELETE),
    "user_alias": Endpoint(arrays=("user_aliases",), **_DELETE),
    # The table of the page has strings here, its text requires a prioritization, and its example has objects.
    "email": Endpoint(arrays=("email_addresses",), **_DELETE),
    "phone": Endpoint(arrays=("phone_numbers",), **_DELETE),
}

# What is set of an address that no profile has yet is kept for it; what is set of an unknown external id may be lost.
_SUBSCRIPTIONS: Final[Any] = {
    "path": "/v2/subscription/status/set",
    "permission": "subscription.status.set",
    "pool": "subscriptions",
    "most": limits.ITEMS_PER_REQUEST,
    "rest": limits.SAME_THING_WAIT,
}
SUBSCRIPTIONS: Final[Mapping[str, Endpoint]] = {
    "external_id": SubscriptionGroups(arrays=("external_ids",), after=limits.DEPENDENCY_DELAY, **_SUBSCRIPTIONS),
    "email": SubscriptionGroups(arrays=("emails",), **_SUBSCRIPTIONS),
    "phone": SubscriptionGroups(arrays=("phones",), **_SUBSCRIPTIONS),
}
EMAIL_STATUS: Final[Mapping[str, Endpoint]] = {
    state: EmailStatus(
        "/email/status",
        "email.status",
        "default",
        ("email",),
        limits.ITEMS_PER_REQUEST,
        limits.SAME_THING_WAIT,
        state=state,
    )
    for state in ("subscribed", "unsubscribed", "opted_in")
}
