"""Subscription states of addresses without a user (docs: post_update_user_subscription_group_status_v2)."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from braze_sandbox.model.profile import Profile

KEPT_SECONDS = 30 * 86_400.0


class PendingSubscriptions:
    """States by kind of address and address. Global email states are kept forever, group states for 30 days.

    The next user to get the address inherits them. This is documented for new profiles; the sandbox does the same for
    existing ones.
    """

    def __init__(self) -> None:
        self._groups: dict[tuple[str, str], dict[str, tuple[str, float]]] = {}
        self._global: dict[str, str] = {}

    def group(self, kind: str, address: str, group: str, state: str) -> None:
        """Remember an address's state in a group."""
        self._groups.setdefault((kind, address.lower()), {})[group] = state, time.time() + KEPT_SECONDS

    def email(self, address: str, state: str) -> None:
        """Remember an email address's global state."""
        self._global[address.lower()] = state

    def adopt(self, profile: Profile, kind: str, address: str) -> None:
        """Move the remembered states to a profile that just got the address."""
        now = time.time()
        for group, (state, until) in self._groups.pop((kind, address.lower()), {}).items():
            if now < until:
                profile.attributes.setdefault("subscription_groups", {})[group] = state
        if kind == "email" and address.lower() in self._global:
            profile.attributes["email_subscribe"] = self._global.pop(address.lower())
