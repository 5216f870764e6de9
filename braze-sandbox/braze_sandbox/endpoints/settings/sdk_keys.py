"""SDK Authentication keys: list, create, make primary, and delete (docs: the sdk_authentication pages)."""

from __future__ import annotations

from uuid import uuid4

from braze_sandbox.model.objects import SdkKey
from braze_sandbox.request.endpoint import Call, Endpoint
from braze_sandbox.request.query import lookup, required
from braze_sandbox.wire.answer import Answer, Refusal, encode

KEYS = 3
"""Maximum keys per app."""


def keys(call: Call) -> Answer:
    """GET /app_group/sdk_authentication/keys; no `message` (sample)."""
    app = required(call, "app_id")
    lookup(call, "app_id", call.instance.workspace.apps, "Invalid App ID")
    return _listed(call, app)


def _listed(call: Call, app: str) -> Answer:
    rows = [
        {
            "id": key.id,
            "rsa_public_key": key.rsa_public_key,
            "description": key.description,
            "is_primary": key.is_primary,
        }
        for key in call.instance.workspace.sdk_keys
        if key.app_id == app
    ]
    return Answer(encode({"keys": rows}))


def _app(call: Call) -> str:
    app = call.body.get("app_id")
    if not isinstance(app, str) or app not in call.instance.workspace.apps:
        raise Refusal(400, "Invalid App ID")
    return app


def _named(call: Call, app: str) -> SdkKey:
    for key in call.instance.workspace.sdk_keys:
        if key.app_id == app and key.id == call.body.get("key_id"):
            return key
    raise Refusal(400, "Invalid SDK Authentication key ID")


def _make_primary(call: Call, primary: SdkKey) -> None:
    for key in call.instance.workspace.sdk_keys:
        if key.app_id == primary.app_id:
            key.is_primary = key is primary


def create(call: Call) -> Answer:
    """POST /app_group/sdk_authentication/create. Only the key's framing is checked; the refusal texts are ours."""
    app, body = _app(call), call.body
    text, description = body.get("rsa_public_key_str"), body.get("description")
    if not isinstance(text, str) or not text.strip().startswith("-----BEGIN PUBLIC KEY-----"):
        raise Refusal(400, "'rsa_public_key_str' is not a valid RSA public key")
    if not isinstance(description, str) or not description:
        raise Refusal(400, "'description' cannot be empty")
    if not isinstance(body.get("make_primary", False), bool):
        raise Refusal(400, "'make_primary' must be true or false")
    there = [key for key in call.instance.workspace.sdk_keys if key.app_id == app]
    if len(there) >= KEYS:
        raise Refusal(400, f"An app can have at most {KEYS} SDK Authentication keys")
    key = SdkKey(id=str(uuid4()), app_id=app, rsa_public_key=text, description=description)
    call.instance.workspace.sdk_keys.append(key)
    if body.get("make_primary"):
        _make_primary(call, key)
    return Answer(encode({"id": key.id}), 201)


def primary(call: Call) -> Answer:
    """PUT /app_group/sdk_authentication/primary: returns the app's keys."""
    app = _app(call)
    _make_primary(call, _named(call, app))
    return _listed(call, app)


def delete(call: Call) -> Answer:
    """DELETE /app_group/sdk_authentication/delete: returns the remaining keys. The primary one cannot be deleted."""
    app = _app(call)
    key = _named(call, app)
    if key.is_primary:
        raise Refusal(400, "The primary SDK Authentication key cannot be deleted")
    call.instance.workspace.sdk_keys.remove(key)
    return _listed(call, app)


ENDPOINTS = [
    *(
        Endpoint(
            method=method,
            path=f"/app_group/sdk_authentication/{handler.__name__}",
            permission=f"sdk_authentication.{handler.__name__}",
            pool="a",
            handler=handler,
        )
        for method, handler in (("POST", create), ("PUT", primary), ("DELETE", delete))
    ),
    Endpoint(
        method="GET",
        path="/app_group/sdk_authentication/keys",
        permission="sdk_authentication.keys",
        pool="a",
        handler=keys,
    ),
]
