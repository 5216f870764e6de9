"""Consent: the choices of a person that the fields of a change carry, and the fields without some of them.

A choice is known by what it is about: `email_subscribe`, `push_subscribe`, or the ID of a subscription group. Pages:
https://www.braze.com/docs/api/objects_filters/user_attributes_object/, .../endpoints/subscription_groups/ and
.../endpoints/email/post_email_subscription_status/.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass
from typing import Any, Final

EMAIL: Final = "email_subscribe"
PUSH: Final = "push_subscribe"
_GROUPS: Final = "subscription_groups"
_STATES: Final = (EMAIL, PUSH)
CHOICES: Final = frozenset({EMAIL, PUSH, _GROUPS})
"""The attributes that carry choices."""
_ID: Final = "subscription_group_id"
_STATE: Final = "subscription_state"
# Without anything else, an object changes nothing.
_NOT_DATA: Final = frozenset({"_merge_objects", "_update_existing_only", "braze_id", "external_id", "user_alias"})

Fields = Mapping[str, Any]


@dataclass(frozen=True)
class Consent:
    """How a kind's changes carry choices.

    Attributes:
        choices: Returns the choices in fields: by what they are about, whether the person opts in.
        without: Returns the fields without the choices about these, or None if nothing is left to send.
        keys: The JSON keys of such fields. Encoded fields that contain none of them carry no choice.
    """

    choices: Callable[[Fields], dict[str, bool]]
    without: Callable[[Fields, Collection[str]], dict[str, Any] | None]
    keys: tuple[bytes, ...] = ()


def _in_attributes(fields: Fields) -> dict[str, bool]:
    found = {name: fields[name] != "unsubscribed" for name in _STATES if fields.get(name) is not None}
    return found | {group[_ID]: group[_STATE] != "unsubscribed" for group in fields.get(_GROUPS) or ()}


def _attributes_without(fields: Fields, about: Collection[str]) -> dict[str, Any] | None:
    left = {name: value for name, value in fields.items() if name not in about}
    if _GROUPS in left:
        groups = [group for group in left.pop(_GROUPS) or () if group[_ID] not in about]
        left |= {_GROUPS: groups} if groups else {}
    return None if _NOT_DATA.issuperset(left) else left


def _recipient_without(fields: Fields, about: Collection[str]) -> dict[str, Any]:
    if left := _attributes_without(fields.get("attributes") or {}, about):
        return {**fields, "attributes": left}
    # Braze creates a recipient only with attributes.
    return {name: value for name, value in fields.items() if name not in {"attributes", "send_to_existing_only"}}


def _nothing(_fields: Fields, _about: Collection[str]) -> None:
    return None


ATTRIBUTES: Final = Consent(
    _in_attributes, _attributes_without, keys=tuple(b'"%s"' % name.encode() for name in (*_STATES, _GROUPS))
)
# A recipient of a message, whose attributes Braze sets before it sends.
RECIPIENT: Final = Consent(lambda fields: _in_attributes(fields.get("attributes") or {}), _recipient_without)
GROUP: Final = Consent(lambda fields: {fields[_ID]: fields[_STATE] != "unsubscribed"}, _nothing)
EMAIL_IN: Final = Consent(lambda _fields: {EMAIL: True}, _nothing)
EMAIL_OUT: Final = Consent(lambda _fields: {EMAIL: False}, _nothing)
