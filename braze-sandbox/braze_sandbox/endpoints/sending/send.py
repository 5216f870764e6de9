"""Send immediately: request messages, campaigns, Canvases, transactional email (docs: the send_messages pages)."""

from __future__ import annotations

import re
from datetime import timedelta
from typing import TYPE_CHECKING, Any
from uuid import UUID, uuid4

from braze_sandbox.endpoints.messaging.campaigns import UNKNOWN as UNKNOWN_CAMPAIGN
from braze_sandbox.endpoints.messaging.canvases import UNKNOWN as UNKNOWN_CANVAS
from braze_sandbox.endpoints.sending.bodies import check_recipient, check_recipients, check_users, known, objects, pool
from braze_sandbox.endpoints.sending.delivery import CHANNELS, Delivery, track_send
from braze_sandbox.model.messages import Dispatch
from braze_sandbox.request.bodies import bad, mentioned
from braze_sandbox.request.endpoint import Call, Endpoint
from braze_sandbox.rules.channels import STATES
from braze_sandbox.wire.answer import Answer, Refusal, encode, success

if TYPE_CHECKING:
    from braze_sandbox.model.messages import Source
    from braze_sandbox.model.workspace import Campaign, Canvas
    from braze_sandbox.wire.answer import Json

DEDUPLICATED = timedelta(hours=24)
INVALID_CAMPAIGN = "Invalid Campaign ID"


def messages_of(call: Call, messages: Json) -> None:
    """Check a request's `messages` against the campaign that they count toward."""
    if not isinstance(messages, dict) or not messages:
        raise bad("No message to send")
    for name, content in messages.items():
        if name not in CHANNELS:
            raise bad(f"'messages': {name!r} is not a kind of message")
        if not isinstance(content, dict):
            raise bad(f"'messages': '{name}' must be an object")
        if not isinstance(content.get("extra", {}), dict):
            raise bad("Invalid Extra Push Payload")
        if call.body.get("campaign_id") is None:
            continue
        campaign = call.instance.workspace.campaigns[call.body["campaign_id"]]
        variation = content.get("message_variation_id")
        if variation is None:
            raise bad("Message Variant Unspecified")
        if not isinstance(variation, str) or variation not in campaign.messages:
            raise bad("Invalid Message Variant")
        if campaign.messages[variation]["channel"] != CHANNELS[name]:
            raise bad("Mismatched Message Type")


def check_message(call: Call) -> None:
    """Check a message included in the request."""
    if call.body.get("campaign_id") is not None:
        campaign = known(call.instance.workspace.campaigns, call.body["campaign_id"], INVALID_CAMPAIGN)
        if not campaign.is_api_campaign:
            raise bad(INVALID_CAMPAIGN)
    if call.body.get("recipient_subscription_state", "subscribed") not in STATES:
        raise bad(f"'recipient_subscription_state' must be one of {', '.join(STATES)}")
    check_users(call)
    messages_of(call, call.body.get("messages"))


def check_campaign(call: Call) -> Campaign:
    """Check a campaign trigger and return the campaign."""
    campaign: Campaign = known(call.instance.workspace.campaigns, call.body.get("campaign_id"), UNKNOWN_CAMPAIGN)
    if campaign.schedule_type != "api_triggered":
        raise bad(INVALID_CAMPAIGN)
    check_recipients(call, "trigger_properties")
    return campaign


def check_canvas(call: Call) -> Canvas:
    """Check a Canvas trigger and return the Canvas."""
    canvas: Canvas = known(call.instance.workspace.canvases, call.body.get("canvas_id"), UNKNOWN_CANVAS)
    if canvas.schedule_type != "api_triggered":
        raise bad("Invalid Canvas ID")
    # `context` also works under its older name (docs: context_object).
    objects(call, "canvas_entry_properties")
    check_recipients(call, "context")
    return canvas


def dispatch(call: Call, source: Source, body: dict[str, Any] | None = None) -> Dispatch:
    """Return the request's dispatch, with its own send id if it broadcasts a campaign (docs: errors)."""
    body = _without_refused(call) if body is None else dict(body)
    if body.get("campaign_id") is not None:
        if body.get("broadcast") is True:
            body.setdefault("send_id", uuid4().hex[:24])
        if isinstance(body.get("send_id"), str):
            track_send(call.instance, body["campaign_id"], body["send_id"])
    return Dispatch(id=uuid4().hex, source=source, body=body)


def _without_refused(call: Call) -> dict[str, Any]:
    """Return the body without the recipients that a fault rule refuses."""
    body = dict(call.body)
    if call.rejects and isinstance(body.get("recipients"), list):
        body["recipients"] = [
            one for index, one in enumerate(body["recipients"]) if ("recipients", index) not in call.rejects
        ]
    return body


def errors_of(call: Call) -> dict[str, Any]:
    """Return the `errors` of a response about the recipients that a fault rule refuses."""
    found = [
        {"type": why, "input_array": array, "index": index}
        for (array, index), why in call.rejects.items()
        if array == "recipients"
    ]
    return {"errors": found} if found else {}


def send_now(call: Call, source: Source, notice: str = "") -> Answer:
    """Deliver a validated request now, or after the write lag."""
    made = dispatch(call, source)
    call.apply(Delivery(call.instance, made).run)
    answer: dict[str, Any] = {"dispatch_id": made.id} | ({"notice": notice} if notice else {}) | errors_of(call)
    if call.body.get("broadcast") is True and "send_id" in made.body:
        answer["send_id"] = made.body["send_id"]
    return success(answer, 201)


def notice_of(kind: str, thing: Campaign | Canvas) -> str:
    """Return a notice that something will not be sent; empty if it will."""
    if thing.archived:
        return f"The {kind} is archived. Unarchive the {kind} to ensure trigger requests will take effect."
    return (
        "" if thing.enabled else f"The {kind} is paused. Resume the {kind} to ensure trigger requests will take effect."
    )


def send_message(call: Call) -> Answer:
    """POST /messages/send."""
    check_message(call)
    return send_now(call, "message")


def trigger_campaign(call: Call) -> Answer:
    """POST /campaigns/trigger/send. The notices are those of the Canvas page (docs silent for campaigns)."""
    return send_now(call, "campaign", notice_of("campaign", check_campaign(call)))


def trigger_canvas(call: Call) -> Answer:
    """POST /canvas/trigger/send."""
    return send_now(call, "canvas", notice_of("Canvas", check_canvas(call)))


def _transactional_campaign(call: Call) -> Campaign:
    key = call.params["campaign_id"]
    campaign = call.instance.workspace.campaigns.get(key)
    if campaign is None:
        try:
            UUID(key)
        except ValueError:
            raise bad(UNKNOWN_CAMPAIGN) from None
        raise bad("Campaign does not exist")
    if not campaign.transactional:
        raise bad("The campaign is not a transactional campaign. Only transactional campaigns may use this endpoint")
    if campaign.archived:
        raise bad("The campaign is archived. Unarchive the campaign in order for trigger requests to take effect.")
    if not campaign.enabled:
        raise bad("The campaign is paused. Resume the campaign in order for trigger requests to take effect.")
    return campaign


def send_transactional(call: Call) -> Answer:
    """POST /transactional/v1/campaigns/{campaign_id}/send: to one user, once in 24 hours per `external_send_id`.

    The status of the response is not documented: 201, as for the other sends. Here the outcome is known immediately.
    """
    campaign = _transactional_campaign(call)
    instance, recipient, reference = call.instance, call.body.get("recipient"), call.body.get("external_send_id")
    objects(call, "trigger_properties")
    if isinstance(recipient, dict) and recipient.get("email") is not None:
        raise bad("recipient must have exactly one of external_user_id and user_alias")
    check_recipient(call, recipient, "recipient", "trigger_properties")
    if isinstance(recipient.get("attributes"), dict) and recipient.get("external_user_id") is not None:
        recipient = {**recipient, "send_to_existing_only": False}
    now = instance.clock.utc_now()
    metadata = {"campaign_api_id": campaign.id}
    if reference is not None:
        if not isinstance(reference, str) or not re.fullmatch(r"[a-zA-Z0-9\-_+/=]+", reference):
            raise bad("'external_send_id' must be a Base64 compatible string")
        last = instance.workspace.external_send_ids.get(reference)
        if last and now < last + DEDUPLICATED:
            raise bad("The external reference has been queued. Please retry to obtain send_id.")
        instance.workspace.external_send_ids[reference] = now
        metadata["external_send_id"] = reference
    body = {
        "campaign_id": campaign.id,
        "recipients": [recipient],
        "trigger_properties": call.body.get("trigger_properties", {}),
        "recipient_subscription_state": "all",
    }
    made = dispatch(call, "campaign", body)
    # Names and email are updated synchronously, so no write lag applies.
    Delivery(instance, made).run()
    stamp = now.isoformat(timespec="milliseconds")
    if any(message.dispatch_id == made.id for message in instance.workspace.messages):
        times = dict.fromkeys(("received_at", "enqueued_at", "executed_at", "sent_at"), stamp)
        return Answer(encode({"dispatch_id": made.id, "status": "sent", "metadata": {**times, **metadata}}), 201)
    aborted = {"reason": "User not emailable", "aborted_at": stamp}
    return Answer(encode({"dispatch_id": made.id, "status": "aborted", "metadata": {**aborted, **metadata}}), 201)


def create_send_id(call: Call) -> Answer:
    """POST /sends/id/create. A taken send id: 400; status 201 (docs silent on both)."""
    campaign = known(call.instance.workspace.campaigns, call.body.get("campaign_id"), UNKNOWN_CAMPAIGN)
    if not campaign.is_api_campaign:
        raise bad(INVALID_CAMPAIGN)
    send_id = call.body.get("send_id", uuid4().hex[:24])
    if not isinstance(send_id, str) or not re.fullmatch(r"[\x21-\x7e]{1,64}", send_id):
        raise bad("'send_id' must be an ASCII string of 1 to 64 characters")
    if send_id in call.instance.workspace.sends:
        raise Refusal(400, "'send_id' is taken")
    track_send(call.instance, campaign.id, send_id)
    return success({"send_id": send_id}, 201)


ENDPOINTS = [
    *(
        Endpoint(method="POST", path=path, permission=permission, pool=pool, handler=handler, touches=mentioned)
        for path, permission, handler in (
            ("/messages/send", "messages.send", send_message),
            ("/campaigns/trigger/send", "campaigns.trigger.send", trigger_campaign),
            ("/canvas/trigger/send", "canvas.trigger.send", trigger_canvas),
        )
    ),
    Endpoint(
        method="POST",
        path="/transactional/v1/campaigns/{campaign_id}/send",
        permission="transactional.send",
        # A paid allotment that does not refuse requests beyond it.
        pool="a",
        handler=send_transactional,
        touches=mentioned,
    ),
    Endpoint(
        method="POST",
        path="/sends/id/create",
        permission="sends.id.create",
        pool="send_ids",
        handler=create_send_id,
    ),
]
