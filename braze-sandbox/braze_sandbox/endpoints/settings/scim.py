"""Dashboard users through SCIM (docs: the scim pages).

Braze has separate tokens for SCIM; here they are API keys with the permission `scim`. User permissions are stored and
returned as sent, without the ids that Braze adds to roles, workspaces, and teams.
"""

from __future__ import annotations

import re
from typing import Any
from uuid import uuid4

from braze_sandbox.request.endpoint import Call, Endpoint
from braze_sandbox.wire.answer import Answer, Refusal, encode

USER = "urn:ietf:params:scim:schemas:core:2.0:User"
LIST = "urn:ietf:params:scim:api:messages:2.0:ListResponse"
ERROR = "urn:ietf:params:scim:api:messages:2.0:Error"
NEVER = "Thursday, January 1, 1970 12:00:00 AM"


class ScimRefusal(Refusal):
    """A refusal in SCIM's format."""

    def answer(self) -> Answer:  # type: ignore[explicit-override] # typing has no override on 3.10
        """Return the response for the refusal."""
        return Answer(encode({"schemas": [ERROR], "detail": self.message, "status": self.status}), self.status)


def _require_origin(call: Call) -> None:
    if not call.header(b"x-request-origin"):
        raise ScimRefusal(400, "the header X-Request-Origin is required")


def _user(call: Call) -> dict[str, Any]:
    found = call.instance.workspace.dashboard_users.get(call.params["id"])
    if found is None:
        raise ScimRefusal(404, "User not found")
    return found


def _checked(call: Call, *required: str) -> dict[str, Any]:
    """Return a body's user fields. The refusal texts are ours (docs silent)."""
    body = call.body
    if body.get("schemas") != [USER]:
        raise ScimRefusal(400, f"'schemas' must be {USER}")
    name = body.get("name")
    parts = [name.get(part) for part in ("givenName", "familyName")] if isinstance(name, dict) else [None]
    if not all(isinstance(part, str) and part for part in parts):
        raise ScimRefusal(400, "'name' must have givenName and familyName")
    if not isinstance(body.get("department"), str):
        raise ScimRefusal(400, "'department' is required and must be a string")
    if not isinstance(body.get("permissions", {}), dict) or ("permissions" in required and "permissions" not in body):
        raise ScimRefusal(400, "'permissions' must be an object")
    known = {"name": name, "department": body["department"]}
    return known | ({"permissions": body["permissions"]} if "permissions" in body else {})


def create(call: Call) -> Answer:
    """POST /scim/v2/Users. Status 201, as in SCIM itself."""
    _require_origin(call)
    users, email = call.instance.workspace.dashboard_users, call.body.get("userName")
    if not isinstance(email, str) or "@" not in email:
        raise ScimRefusal(400, "'userName' must be an email address")
    if any(user["userName"].lower() == email.lower() for user in users.values()):
        raise ScimRefusal(409, "User already exists in the database.")
    key = str(uuid4())
    now = call.instance.clock.utc_now()
    written = f"{now:%A, %B} {now.day}, {now:%Y %I:%M:%S %p}"
    known = {"id": key, "userName": email, "lastSignInAt": NEVER, "createdAt": written, "permissions": {}}
    users[key] = known | _checked(call)
    return Answer(encode({"schemas": [USER], **users[key]}), 201)


def get(call: Call) -> Answer:
    """GET /scim/v2/Users/{id}."""
    _require_origin(call)
    return Answer(encode({"schemas": [USER], **_user(call)}))


def search(call: Call) -> Answer:
    """GET /scim/v2/Users?filter=userName eq "user@example.com"."""
    _require_origin(call)
    match = re.fullmatch(r'userName eq ["\u201c](.+)["\u201d]', call.query.get("filter", ""))
    if not match:
        raise ScimRefusal(400, "'filter' must be: userName eq \"user@example.com\"")
    email = match[1].lower()
    found = [user for user in call.instance.workspace.dashboard_users.values() if user["userName"].lower() == email]
    return Answer(encode({"schemas": [LIST], "totalResults": len(found), "Resources": found}))


def update(call: Call) -> Answer:
    """PUT /scim/v2/Users/{id}: everything except `userName`."""
    _require_origin(call)
    user = _user(call)
    user.update(_checked(call, "permissions"))
    return Answer(encode({"schemas": [USER], **user}))


def delete(call: Call) -> Answer:
    """DELETE /scim/v2/Users/{id}: 204 without a body."""
    _require_origin(call)
    del call.instance.workspace.dashboard_users[_user(call)["id"]]
    return Answer(b"", 204)


ENDPOINTS = [
    *(
        Endpoint(method=method, path=f"/scim/v2/Users{end}", permission="scim", pool="scim", handler=handler)
        for method, handler in (("POST", create), ("GET", search))
        for end in ("", "/")
    ),
    *(
        Endpoint(
            method=method,
            path="/scim/v2/Users/{id}",
            permission="scim",
            pool="scim",
            handler=handler,
            has_body=method == "PUT",
        )
        for method, handler in (("GET", get), ("PUT", update), ("DELETE", delete))
    ),
]
