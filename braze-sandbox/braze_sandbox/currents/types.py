"""Avro schemas of the Currents events that the sandbox writes (docs: Currents, version 10)."""

from __future__ import annotations

import re
from functools import cache
from typing import Any

_GROUPS = {
    "BASE": "id user_id external_user_id? time:int app_group_id?",
    "CAMP": "campaign_id? campaign_name? message_variation_id? message_variation_name?",
    "CANV": "canvas_id? canvas_name? canvas_variation_id? canvas_variation_name? canvas_step_id? canvas_step_name?",
    "SEND": "send_id? dispatch_id?",
    "DEV": "device_id? platform? os_version? device_model?",
    "AD": "ad_id? ad_id_type? ad_tracking_enabled:boolean?",
    "PROF": "gender? country? language?",
    "BOT": "is_suspected_bot_click:boolean? suspected_bot_click_reason:strings?",
    "STEP": "canvas_step_message_variation_id?",
    "MAIL": "BASE CAMP CANV SEND timezone? email_address",
    "SENT": "sending_ip? ip_pool? esp? from_domain? send_time:int?+",
    "READER": "is_amp:boolean? device_class? device_os? device_model? browser? mailbox_provider?",
    "PUSH": "BASE CAMP CANV SEND AD app_id timezone?",
    "IN_APP": "BASE CAMP CANV DEV AD app_id timezone? send_id?",
    "CARD": "BASE CAMP CANV DEV AD content_card_id app_id send_id? timezone? is_unique:boolean?+",
    "TEXT": "BASE CAMP CANV SEND timezone? to_phone_number? subscription_group_id?",
    "CHAT": "CAMP SEND id time:long to_phone_number? user_id external_user_id? device_id? timezone? app_group_id?"
    " from_phone_number subscription_group_id? canvas_id? canvas_name? canvas_variation_id? canvas_step_id?"
    " canvas_step_name? STEP flow_id? template_name? message_id? bsuid?",
    "ENROLLED": "BASE app_id? timezone? campaign_id campaign_name? message_variation_id? message_variation_name?"
    " send_id?",
    "BEHAVIOR": "conversion_behavior_index:int? conversion_behavior?",
    "ENTERED": "BASE timezone? canvas_id canvas_name? canvas_variation_id canvas_variation_name? canvas_step_id?"
    " canvas_step_name?",
}
"""Fields shared by many types, as `name:type`. Default type: string; `?` allows null, and `+` marks later additions."""

_TYPES = {
    "agentconsole.AgentExecuted": "CANV id invocation_id request_id duration:int prompt_tokens:int"
    " completion_tokens:int total_tokens:int cache_tokens:int reasoning_tokens:int time:long agent_id agent_name"
    " model_provider model_name provider_request_id? cache_hit:boolean llm_owned_by_customer:boolean is_error:boolean"
    " user_id? external_user_id? input? output? invocation_source? error? thinking_level?+",
    "agentconsole.ToolInvocation": "id tool_call_id duration:int time:long agent_id agent_name is_error:boolean"
    " tool_name tool_arguments invocation_source? request_id?",
    "users.RandomBucketNumberUpdate": "BASE random_bucket_number:int prev_random_bucket_number:int?",
    "users.behaviors.CustomEvent": "BASE DEV AD app_id? timezone? name properties",
    "users.behaviors.Location": "BASE DEV AD app_id latitude:float longitude:float altitude:float? ll_accuracy:float?"
    " alt_accuracy:float?",
    "users.behaviors.Purchase": "BASE DEV AD app_id? product_id price:float currency properties",
    "users.behaviors.app.SessionEnd": "BASE DEV app_id duration:float? session_id",
    "users.behaviors.app.SessionStart": "BASE DEV app_id session_id",
    "users.behaviors.subscription.GlobalStateChange": "BASE CANV email_address? state_change_source?"
    " subscription_status channel? timezone? app_id? campaign_id? campaign_name? message_variation_id?"
    " send_id? channel_identifier?",
    "users.behaviors.subscriptiongroup.StateChange": "BASE CAMP CANV SEND email_address? phone_number? app_id?"
    " subscription_group_id subscription_status channel? timezone? state_change_source? channel_identifier?",
    "users.campaigns.Conversion": "ENROLLED BEHAVIOR",
    "users.campaigns.EnrollInControl": "ENROLLED",
    "users.canvas.Conversion": "ENTERED app_id? BEHAVIOR",
    "users.canvas.Entry": "ENTERED in_control_group:boolean",
    "users.canvasstep.Progression": "BASE CANV device_id? progression_type is_canvas_entry:boolean? exit_reason?"
    " canvas_entry_id next_step_id?",
    "users.messages.contentcard.Click": "CARD",
    "users.messages.contentcard.Dismiss": "CARD",
    "users.messages.contentcard.Impression": "CARD",
    "users.messages.contentcard.Send": "BASE CAMP CANV content_card_id send_id? timezone? device_id? message_extras?",
    "users.messages.email.Bounce": "MAIL SENT bounce_reason? is_drop:boolean?",
    "users.messages.email.Click": "MAIL BOT READER url? user_agent? ip_pool? link_id? link_alias? esp? from_domain?"
    " send_time:int?+ has_url_parameters:boolean?+ link_aliasing_enabled:boolean?+",
    "users.messages.email.Delivery": "MAIL SENT",
    "users.messages.email.MarkAsSpam": "MAIL user_agent? ip_pool? esp? from_domain? send_time:int?+",
    "users.messages.email.Open": "MAIL READER user_agent? ip_pool? machine_open? esp? from_domain? send_time:int?+",
    "users.messages.email.Send": "MAIL ip_pool? message_extras? from_domain?",
    "users.messages.email.SoftBounce": "MAIL SENT bounce_reason?",
    "users.messages.email.Unsubscribe": "MAIL ip_pool?",
    "users.messages.inappmessage.Click": "IN_APP card_id? button_id?",
    "users.messages.inappmessage.Impression": "IN_APP card_id? message_extras? locale_key?",
    "users.messages.pushnotification.Bounce": "PUSH platform? device_id? push_token?",
    "users.messages.pushnotification.Open": "BASE CAMP CANV SEND DEV AD timezone? app_id STEP button_action_type?"
    " button_string?",
    "users.messages.pushnotification.Send": "PUSH platform device_id? message_extras? push_token? locale_key?",
    "users.messages.sms.CarrierSend": "TEXT from_phone_number?",
    "users.messages.sms.Delivery": "TEXT from_phone_number? is_sms_fallback:boolean?",
    "users.messages.sms.InboundReceive": "CAMP CANV id user_id? external_user_id? app_group_id time:int"
    " user_phone_number subscription_group_id? inbound_phone_number action message_body media_urls:nullable_strings?",
    "users.messages.sms.Rejection": "TEXT from_phone_number? error? provider_error_code? is_sms_fallback:boolean?",
    "users.messages.sms.Send": "TEXT category? message_extras?",
    "users.messages.sms.ShortLinkClick": "BASE CAMP CANV BOT timezone? url short_url user_agent? user_phone_number?",
    "users.messages.webhook.Failure": "BASE CAMP CANV SEND http_status_code:int? endpoint_url? STEP content_length:int?"
    " host? raw_response? retry_count:int? url_path? webhook_duration:int? webhook_failure_source?"
    " is_terminal:boolean?",
    "users.messages.webhook.Send": "BASE CAMP CANV SEND timezone? message_extras?",
    "users.messages.whatsapp.Delivery": "CHAT canvas_variation_name?",
    "users.messages.whatsapp.Read": "CHAT canvas_variation_name?",
    "users.messages.whatsapp.Send": "CHAT message_extras?",
}

EVENT_TYPES = tuple(_TYPES)
"""All event types that the sandbox writes."""

_AVRO: dict[str, Any] = {
    "strings": {"type": "array", "items": "string"},
    "nullable_strings": {"type": "array", "items": ["null", "string"]},
}
_FIELD = re.compile(r"([a-z_]+)(?::([a-z_]+))?(\?)?(\+)?")
ADDED = "trace_id"
"""A field missing from Braze's lists, as if it had been added yesterday."""


@cache
def fields(event_type: str, *, changed: bool = False) -> dict[str, tuple[Any, bool]]:
    """Return each field's Avro type and whether it allows null, by field name.

    `changed` selects the schema of a later release, changed the way Braze changes schemas: it adds the fields
    introduced after version 10 and `ADDED`, and makes the type's first required string beyond the common fields
    nullable.
    """
    found: dict[str, tuple[Any, bool]] = {}
    for name, kind, null, later in _FIELD.findall(_expand(_TYPES[event_type])):
        if changed or not later:
            found[name] = (_AVRO.get(kind, kind or "string"), bool(null))
    if changed:
        relaxed = next((name for name, (kind, null) in found.items() if _may_relax(name, kind, null=null)), None)
        if relaxed:
            found[relaxed] = ("string", True)
        found[ADDED] = ("string", True)
    return found


def _may_relax(name: str, kind: object, *, null: bool) -> bool:
    return kind == "string" and not null and name not in ("id", "user_id")


def _expand(text: str) -> str:
    return re.sub(r"\b[A-Z_]{2,}\b", lambda group: _expand(_GROUPS[group[0]]), text)


def schema(event_type: str, *, changed: bool = False) -> dict[str, Any]:
    """Return the file schema of an event type: optional fields are unions with null first, and default to null."""
    return {
        "type": "record",
        "name": f"dataexport.S3.inner.{event_type}",
        "fields": [
            {"name": name, "type": ["null", kind], "default": None} if null else {"name": name, "type": kind}
            for name, (kind, null) in fields(event_type, changed=changed).items()
        ],
    }
