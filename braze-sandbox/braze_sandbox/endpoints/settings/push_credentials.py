"""Push credentials of an app (docs: post_update_push_credential)."""

from __future__ import annotations

import base64
import binascii

from braze_sandbox.request.bodies import bad, texts
from braze_sandbox.request.endpoint import Call, Endpoint
from braze_sandbox.wire.answer import Answer, success

_PLATFORMS = {
    "apple": ("certificate", "jwt_key_id", "jwt_team_id", "jwt_bundle_id", "apns_gateway"),
    "firebase": ("credential",),
    "huawei": ("app_id", "app_secret"),
    "kindle": ("client_id", "client_secret"),
}


def update(call: Call) -> Answer:
    """POST /apps/push_credential/update: one app and one platform. The refusal texts are ours (docs silent)."""
    (app,) = texts(call.body, "the body", "app_id")
    if app not in call.instance.workspace.apps:
        raise bad("Invalid App ID")
    given = [platform for platform in _PLATFORMS if platform in call.body]
    if len(given) != 1:
        raise bad(f"exactly one of {', '.join(_PLATFORMS)} is required")
    names = _PLATFORMS[given[0]]
    credentials = dict(zip(names, texts(call.body[given[0]], given[0], *names), strict=True))
    try:
        base64.b64decode(credentials.get("certificate", credentials.get("credential", "")), validate=True)
    except (binascii.Error, ValueError):
        raise bad(f"{given[0]}: the credential must be Base64") from None
    if credentials.get("apns_gateway", "prod") not in ("prod", "dev"):
        raise bad("apple: 'apns_gateway' must be prod or dev")
    call.instance.workspace.push_credentials[app, given[0]] = credentials
    return success({}, 201)


ENDPOINTS = [
    Endpoint(
        method="POST",
        path="/apps/push_credential/update",
        permission="apps.push_credential",
        pool="a",
        handler=update,
    ),
]
