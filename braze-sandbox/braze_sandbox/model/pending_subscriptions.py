"""Subscription states of addresses that no user has yet (docs: post_update_user_subscription_group_status_v2)."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from braze_sandbox.model.profile import Profile

KEPT_SECONDS = 30 * 86_400.0


class PendingSubscriptions:
    """By kind of address and address. The global state of an email address is kept for good, those of groups 30 days.

    Whoever comes to have the address inherits them: documented for new profiles, and the same here for old ones.
    """

    def __init__(self) -> None:
        self._groups: dict[tuple[str, str], dict[str, tuple[str, float]]] = {}
        self._global: dict[str, str] = {}

    def group(self, kind: str, address: str, group: str, state: str) -> None:
        """Remember the state of an address in a group."""
        self._groups.setdefault((kind, address.lower()), {})[group] = state, time.time() + KEPT_SECONDS

    def email(self, address: str, state: str) -> None:
        """Remember the global state of an email address."""
        self._global[address.lower()] = state

    def adopt(self, profile: Profile, kind: str, address: str) -> None:
        """Move the remembered states to a profile that now has the address."""
        now = time.time()
        for group, (state, until) in self._groups.pop((kind, address.lower()), {}).items():
            if now < until:
                profile.attributes.setdefault("subscription_groups", {})[group] = state
        if kind == "email" and address.lower() in self._global:
            profile.attributes["email_subscribe"] = self._global.pop(address.lower())
