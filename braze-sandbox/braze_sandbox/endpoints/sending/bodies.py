"""Checks shared by the sending endpoints: recipients and schedules."""

from __future__ import annotations

from datetime import datetime, timezone
from typing import TYPE_CHECKING, Any

from braze_sandbox.model.clock import parse_iso
from braze_sandbox.request.bodies import MOST, bad, prioritization
from braze_sandbox.rules.audience import AudienceError, UnsupportedError, compile_audience
from braze_sandbox.rules.checks import check_attributes
from braze_sandbox.rules.identity import Rejected, as_text, check_alias, check_email
from braze_sandbox.wire.answer import NotInSandbox

if TYPE_CHECKING:
    from braze_sandbox.request.endpoint import Call
    from braze_sandbox.wire.answer import Json

TOO_MANY = "The max number of external_ids and aliases per request was exceeded"
NO_RECIPIENTS = "No Recipients"


def is_broadcast(call: Call) -> bool:
    """Return whether a request targets a whole audience."""
    given = call.body.get("broadcast", False)
    if not isinstance(given, bool):
        raise bad("'broadcast' must be true or false")
    return given


def pool(call: Call) -> str:
    """Return the rate-limit pool: broadcasts have their own (docs: api_limits)."""
    return "broadcasts" if call.body and call.body.get("broadcast") is True else "a"


def objects(call: Call, *names: str) -> None:
    """Check that the given fields are objects if present."""
    for name in names:
        if not isinstance(call.body.get(name, {}), dict):
            raise bad(f"'{name}' must be an object")


def check_audience(audience: Json) -> None:
    """Refuse an invalid audience; return 501 if the sandbox cannot evaluate it."""
    try:
        compile_audience(audience)
    except UnsupportedError as why:
        raise NotInSandbox(str(why)) from None
    except AudienceError as why:
        raise bad(f"'audience': {why}") from None


def check_users(call: Call, segment: str = "segment_id", audience: str = "audience") -> None:
    """Check `external_user_ids`, `user_aliases`, the segment, and the audience of a message without a trigger."""
    body = call.body
    ids, aliases = body.get("external_user_ids", []), body.get("user_aliases", [])
    if not isinstance(ids, list) or not all(isinstance(as_text(one), str) and as_text(one) for one in ids):
        raise bad("'external_user_ids' must be an array of non-empty strings")
    if not isinstance(aliases, list):
        raise bad("'user_aliases' must be an array of user alias objects")
    try:
        for alias in aliases:
            check_alias(alias)
    except Rejected as why:
        raise bad(f"'user_aliases': {why}") from None
    if len(ids) + len(aliases) > MOST:
        raise bad(TOO_MANY)
    if (given := body.get(segment)) is not None and str(given) not in call.instance.workspace.segments:
        raise bad("Invalid Segment ID")
    if audience in body:
        check_audience(body[audience])
    broadcast = is_broadcast(call)
    if not ids and not aliases and not ((segment in body or audience in body) and broadcast):
        raise bad(NO_RECIPIENTS)
    if broadcast and (ids or aliases):
        raise bad("'broadcast' must be false if recipients are given")


def check_recipients(call: Call, properties: str) -> None:
    """Check `recipients` and the audience of a trigger; `properties` is the field with each recipient's data."""
    body, recipients = call.body, call.body.get("recipients")
    objects(call, properties)
    if "audience" in body:
        check_audience(body["audience"])
    broadcast = is_broadcast(call)
    if recipients is None:
        if not broadcast and "audience" not in body:
            raise bad(NO_RECIPIENTS)
        return
    if not isinstance(recipients, list) or not recipients:
        raise bad(NO_RECIPIENTS)
    if broadcast:
        raise bad("'broadcast' must be false if recipients are given")
    if len(recipients) > MOST:
        raise bad(TOO_MANY)
    for index, one in enumerate(recipients):
        check_recipient(call, one, f"recipients[{index}]", properties)


def check_recipient(call: Call, one: Json, where: str, properties: str) -> None:
    """Check one recipient (docs: recipient_object)."""
    if not isinstance(one, dict):
        raise bad(f"{where} must be an object")
    given = [name for name in ("external_user_id", "user_alias", "braze_id", "email") if one.get(name) is not None]
    if len(given) != 1:
        raise bad(f"{where} must have exactly one of external_user_id, user_alias, braze_id and email")
    for name in ("attributes", properties):
        if not isinstance(one.get(name, {}), dict):
            raise bad(f"{where}: '{name}' must be an object")
    try:
        _check_identifier(given[0], one[given[0]])
        check_attributes(one.get("attributes", {}), call.instance.workspace)
    except Rejected as why:
        raise bad(f"{where}: {why}") from None
    if given == ["email"]:
        prioritization(one, where)
    if one.get("send_to_existing_only", True) is False:
        if given == ["user_alias"]:
            raise bad(f"{where}: 'send_to_existing_only' cannot be false for user aliases")
        if not one.get("attributes"):
            raise bad(f"{where}: 'send_to_existing_only' is false, so 'attributes' is required")


def _check_identifier(name: str, value: Json) -> None:
    if name == "user_alias":
        check_alias(value)
    elif name == "email":
        check_email(value)
    elif not isinstance(as_text(value), str) or not as_text(value):
        raise Rejected(f"'{name}' must be a non-empty string")


def schedule_time(call: Call, given: Json) -> datetime:
    """Return the time of a schedule object in UTC (docs: schedule_object).

    In Braze, local and optimal time differ from user to user; here the company's zone applies to all of them.
    """
    if not isinstance(given, dict):
        raise bad("'schedule' is required and must be an object")
    parsed = parse_iso(given["time"]) if isinstance(given.get("time"), str) else None
    if parsed is None:
        raise bad("'schedule': 'time' is required and must be an ISO 8601 date-time")
    moment: datetime = parsed[0]
    local = given.get("in_local_time", False) is True
    if local:
        moment = moment.replace(tzinfo=call.instance.clock.zone).astimezone(timezone.utc)
        if moment < call.instance.clock.utc_now():
            raise bad("'in_local_time' is true but 'time' has passed in the company's time zone")
    return moment


def known(objects_by_id: dict[str, Any], key: Json, text: str) -> Any:  # noqa: ANN401 - what the mapping holds
    """Return an object by its id; if unknown, refuse the request with a text."""
    found = objects_by_id.get(key) if isinstance(key, str) else None
    if found is None:
        raise bad(text)
    return found
