"""POST /email/status, /email/blocklist, /email/bounce/remove, /email/spam/remove, /sms/invalid_phone_numbers/remove.

Docs: post_email_subscription_status, post_blocklist, post_remove_hard_bounces, post_remove_spam,
post_remove_invalid_numbers.

Not documented: the responses (here 201 and the message), the effect of one bad address (here it rejects the whole
request), and whether they are asynchronous (here the two that change users are).
"""

from __future__ import annotations

from functools import partial

from braze_sandbox.model.objects import Suppressed
from braze_sandbox.request.bodies import bad, emails, mentioned, only, phones, strings
from braze_sandbox.request.endpoint import Call, Endpoint
from braze_sandbox.rules.attributes import set_state
from braze_sandbox.wire.answer import Answer, success

STATES = ("subscribed", "unsubscribed", "opted_in")


def _addresses(call: Call, *others: str) -> list[str]:
    only(call, {"email", *others})
    return emails(strings(call.body.get("email"), "email", single=True), "email")


def status(call: Call) -> Answer:
    """Set the global state of email addresses; states of addresses without a user are remembered."""
    addresses = _addresses(call, "subscription_state")
    state = call.body.get("subscription_state")
    if state not in STATES:
        raise bad(f"'subscription_state' is required and must be one of {', '.join(STATES)}")
    call.apply(lambda: _set(call, addresses, state))
    return success({}, 201)


def _set(call: Call, addresses: list[str], state: str) -> None:
    profiles, gone = call.instance.profiles, call.instance.workspace.unsubscribes
    for address in addresses:
        users = profiles.sharing("email", address)
        for user in users:
            set_state(profiles, user, "email_subscribe", state)
            profiles.touch(user)
        if not users:
            profiles.pending_subscriptions.email(address, state)
        _drop(gone, address)
        if state == "unsubscribed":
            gone.append(Suppressed(address=address, at=call.instance.clock.utc_now()))


def blocklist(call: Call) -> Answer:
    """Unsubscribe addresses and mark them as bounced."""
    addresses = _addresses(call)
    call.apply(lambda: _block(call, addresses))
    return success({}, 201)


def _block(call: Call, addresses: list[str]) -> None:
    _set(call, addresses, "unsubscribed")
    bounced = call.instance.workspace.hard_bounces
    for address in addresses:
        _drop(bounced, address)
        bounced.append(Suppressed(address=address, at=call.instance.clock.utc_now()))


def _drop(entries: list[Suppressed], address: str) -> None:
    entries[:] = [entry for entry in entries if entry.address.lower() != address.lower()]


def remove(call: Call, entries: str) -> Answer:
    """Remove addresses from a list; ignore those not on it (docs silent)."""
    for address in _addresses(call):
        _drop(getattr(call.instance.workspace, entries), address)
    return success({}, 201)


def remove_numbers(call: Call) -> Answer:
    """Remove numbers from the list of invalid ones. The page's example omits the plus sign."""
    only(call, {"phone_numbers"})
    for number in phones(strings(call.body.get("phone_numbers"), "phone_numbers"), "phone_numbers", plus=False):
        _drop(call.instance.workspace.invalid_phone_numbers, number)
    return success({}, 201)


ENDPOINTS = [
    Endpoint(
        method="POST", path="/email/status", permission="email.status", pool="a", handler=status, touches=mentioned
    ),
    # The second is the older name, which the permission kept.
    *(
        Endpoint(method="POST", path=path, permission="email.blacklist", pool="a", handler=blocklist, touches=mentioned)
        for path in ("/email/blocklist", "/email/blacklist")
    ),
    Endpoint(
        method="POST",
        path="/email/bounce/remove",
        permission="email.bounce.remove",
        pool="a",
        handler=partial(remove, entries="hard_bounces"),
    ),
    Endpoint(
        method="POST",
        path="/email/spam/remove",
        permission="email.spam.remove",
        pool="a",
        handler=partial(remove, entries="spam_reports"),
    ),
    Endpoint(
        method="POST",
        path="/sms/invalid_phone_numbers/remove",
        permission="sms.invalid_phone_numbers.remove",
        pool="a",
        handler=remove_numbers,
    ),
]
