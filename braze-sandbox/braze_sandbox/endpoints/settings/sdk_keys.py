"""SDK Authentication keys (docs: get_sdk_authentication_keys)."""

from __future__ import annotations

from braze_sandbox.request.endpoint import Call, Endpoint
from braze_sandbox.request.query import lookup, required
from braze_sandbox.wire.answer import Answer, encode


def keys(call: Call) -> Answer:
    """GET /app_group/sdk_authentication/keys; no `message` (sample)."""
    workspace, app = call.instance.workspace, required(call, "app_id")
    lookup(call, "app_id", workspace.apps, "Invalid App ID")
    rows = [
        {
            "id": key.id,
            "rsa_public_key": key.rsa_public_key,
            "description": key.description,
            "is_primary": key.is_primary,
        }
        for key in workspace.sdk_keys
        if key.app_id == app
    ]
    return Answer(encode({"keys": rows}))


ENDPOINTS = [
    Endpoint(
        method="GET",
        path="/app_group/sdk_authentication/keys",
        permission="sdk_authentication.keys",
        pool="a",
        handler=keys,
    ),
]
