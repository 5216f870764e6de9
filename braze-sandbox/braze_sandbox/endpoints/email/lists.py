"""Read lists of suppressed addresses and numbers.

Docs: get_list_hard_bounces, get_query_unsubscribed_email_addresses, get_query_invalid_numbers.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from braze_sandbox.model.clock import iso, parse_iso
from braze_sandbox.model.objects import Suppressed
from braze_sandbox.request.endpoint import Call, Endpoint
from braze_sandbox.request.paging import by_offset
from braze_sandbox.request.query import calendar_day, choice, several
from braze_sandbox.wire.answer import Answer, Refusal, success

if TYPE_CHECKING:
    from collections.abc import Sequence
    from datetime import datetime


LIMIT = 500
NUMBERS = 500
"""Maximum `phone_numbers` per request: docs silent."""


def _spaced(when: datetime) -> str:
    """Format a moment as in the samples; newer revisions of the pages only mention ISO 8601."""
    return when.strftime("%Y-%m-%d %H:%M:%S +0000")


def _between(entries: Sequence[Suppressed], start: datetime, end: datetime) -> list[Suppressed]:
    """Return the entries of whole UTC days: `start` is inclusive, `end` is exclusive (docs silent)."""
    if start >= end:
        raise Refusal(400, "'start_date' must be earlier than 'end_date'")
    return [entry for entry in entries if start <= entry.at < end]


def _sorted(entries: list[Suppressed], *, newest_first: bool = True) -> list[Suppressed]:
    return sorted(entries, key=lambda entry: (entry.at, entry.address), reverse=newest_first)


def _emails(call: Call, entries: Sequence[Suppressed]) -> list[Suppressed]:
    """Return entries matching `email` or else the dates. Either requires `end_date`, per the notes on the pages."""
    start, end = calendar_day(call, "start_date"), calendar_day(call, "end_date")
    email = call.query.get("email")
    if end is None:
        raise Refusal(400, "'end_date' is required")
    if email:
        return [entry for entry in entries if entry.address.lower() == email.lower()]
    if start is None:
        raise Refusal(400, "one of 'start_date' and 'email' is required")
    return _between(entries, start, end)


def hard_bounces(call: Call) -> Answer:
    """GET /email/hard_bounces, newest first."""
    found = _sorted(_emails(call, call.instance.workspace.hard_bounces))
    rows = [{"email": entry.address, "hard_bounced_at": _spaced(entry.at)} for entry in by_offset(call, found, LIMIT)]
    return success({"emails": rows})


def _unsubscribed(call: Call) -> list[Suppressed]:
    """Return the workspace's list, and the users who were unsubscribed as attributes (docs silent on these)."""
    listed = {entry.address.lower(): entry for entry in call.instance.workspace.unsubscribes}
    for profile in call.instance.profiles:
        since = profile.observed.get("email_unsubscribed_at")
        if profile.email and since and profile.attributes.get("email_subscribe") == "unsubscribed":
            moment = parse_iso(since)
            if moment:
                listed[profile.email.lower()] = Suppressed(address=profile.email, at=moment[0])
    return list(listed.values())


def unsubscribes(call: Call) -> Answer:
    """GET /email/unsubscribes, newest first unless requested otherwise."""
    newest_first = choice(call, "sort_direction", ("desc", "asc")) == "desc"
    found = _sorted(_emails(call, _unsubscribed(call)), newest_first=newest_first)
    rows = [{"email": entry.address, "unsubscribed_at": _spaced(entry.at)} for entry in by_offset(call, found, LIMIT)]
    return success({"emails": rows})


def invalid_phone_numbers(call: Call) -> Answer:
    """GET /sms/invalid_phone_numbers, newest first; `phone_numbers` override dates."""
    entries = call.instance.workspace.invalid_phone_numbers
    start, end = calendar_day(call, "start_date"), calendar_day(call, "end_date")
    numbers = several(call, "phone_numbers", NUMBERS)
    if numbers:
        # The sample request omits the plus sign.
        wanted = {number.strip().lstrip("+") for number in numbers}
        found = [entry for entry in entries if entry.address.lstrip("+") in wanted]
    elif start is None or end is None:
        raise Refusal(400, "'start_date' and 'end_date', or 'phone_numbers', are required")
    else:
        found = _between(entries, start, end)
    if "reason" in call.query:
        reason = choice(call, "reason", ("provider_error", "deactivated"))
        found = [entry for entry in found if entry.reason == reason]
    rows = [
        {"phone": entry.address, "invalid_detected_at": iso(entry.at), "reason": entry.reason}
        for entry in by_offset(call, _sorted(found), LIMIT)
    ]
    return success({"sms": rows})


ENDPOINTS = [
    Endpoint(method="GET", path="/email/hard_bounces", permission="email.hard_bounces", pool="a", handler=hard_bounces),
    Endpoint(method="GET", path="/email/unsubscribes", permission="email.unsubscribe", pool="a", handler=unsubscribes),
    Endpoint(
        method="GET",
        path="/sms/invalid_phone_numbers",
        permission="sms.invalid_phone_numbers",
        pool="a",
        handler=invalid_phone_numbers,
    ),
]
