"""Seed data that only administrators see: SDK Authentication keys and dashboard users."""

from __future__ import annotations

from typing import Any

from braze_sandbox.model.ids import key
from braze_sandbox.model.objects import SdkKey


def sdk_key(app: str, number: int) -> SdkKey:
    """Return a key of an app; the first is its primary key."""
    text = "".join(key(f"sdk key/{app}/{number}", at).replace("-", "") for at in range(4))
    return SdkKey(
        id=key(f"sdk key/{app}", number),
        app_id=app,
        rsa_public_key=f"-----BEGIN PUBLIC KEY-----\n{text[:64]}\n{text[64:]}\n-----END PUBLIC KEY-----",
        description=f"Key {number}",
        is_primary=number == 0,
    )


def dashboard_user(number: int) -> dict[str, Any]:
    """Return a colleague's account as SCIM returns it."""
    group = {"appGroupId": key("workspace", 0), "appGroupName": "Shop", "appGroupPermissions": ["basic_access"]}
    return {
        "id": key("dashboard user", number),
        "userName": f"colleague{number}@shop.example",
        "name": {"givenName": "Colleague", "familyName": str(number)},
        "department": ("marketing", "finance")[number % 2],
        "createdAt": f"Thursday, January {number + 1}, 2026 9:15:00 AM",
        "lastSignInAt": f"Monday, June {number + 1}, 2026 9:15:00 AM",
        "permissions": {"companyPermissions": ["manage_company_settings"][number:], "roles": [], "appGroup": [group]},
    }
