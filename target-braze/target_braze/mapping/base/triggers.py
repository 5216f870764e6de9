"""Base class of the kinds that trigger a campaign or Canvas, at once or at a time."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, ClassVar, Final

from typing_extensions import override

from target_braze.braze.messages.endpoints import trigger
from target_braze.braze.messages.times import Schedule, now
from target_braze.mapping.base.recipients import EXISTING_ONLY, SCHEDULE, SETTINGS, Recipients, target_schema

if TYPE_CHECKING:
    from collections.abc import Mapping

    from target_braze.braze.changes import Endpoint
    from target_braze.braze.messages.endpoints import MessageEndpoint

IDENTIFIER_TYPES: Final = frozenset({"external_id", "braze_id", "user_alias", "email"})


def trigger_settings(target: str, what: str, id_key: str) -> dict[str, Any]:
    """Return the settings of a kind.

    Args:
        target: The setting that names what is sent.
        what: What that is, in words.
        id_key: Braze's key of its ID.
    """
    return {
        **SETTINGS,
        target: target_schema(what, id_key),
        "schedule": SCHEDULE,
        "send_to_existing_only": EXISTING_ONLY,
    }


def trigger_endpoints(path_name: str, id_key: str) -> tuple[Endpoint, Endpoint]:
    """Return the endpoints that send at once and at a time, without the ID of what they send."""
    return trigger(path_name, id_key, ""), trigger(path_name, id_key, "", schedule=Schedule(now()))


class Triggers(Recipients):
    """One recipient per record of a campaign or Canvas that only the API triggers."""

    path_name: ClassVar[str]
    """What Braze calls it in paths and permissions."""

    @classmethod
    @override
    def endpoints_for(cls, entry: Mapping[str, Any]) -> tuple[Endpoint, ...]:
        at_once, at_time = cls.endpoints
        return (at_time if "schedule" in entry else at_once,)

    @override
    def _endpoint(self, key: str, schedule: Schedule | None, send_id: str | None) -> MessageEndpoint:
        return trigger(
            self.path_name,
            self.id_key,
            key,
            schedule=schedule,
            window=self._window,
            constants=self._common_fields | ({} if send_id is None else {"send_id": send_id}),
            holds=self._holds,
        )
