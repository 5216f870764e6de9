"""Access: check key, host, clock and the permissions that the mapping needs, without sending anything.

Braze checks a key's permission before it looks at a request's body (https://www.braze.com/docs/api/basics/#rest-api-key).
A write without a body names no user, address or item, so it changes nothing, whether Braze refuses it or not. Requests
about a catalog or an integration name one that does not exist.
"""

from __future__ import annotations

import re
import secrets
from typing import TYPE_CHECKING, Any, Final, NamedTuple

from target_braze.braze import limits
from target_braze.braze.client import BrazeError, ForbiddenError, RefusedError, UnauthorizedError
from target_braze.braze.endpoints import TRACK, TRACK_BULK
from target_braze.braze.hosts import base_url
from target_braze.damaged_json import UNDECODABLE
from target_braze.encode import decode
from target_braze.mapping.kinds import KINDS
from target_braze.mapping.stream_kinds import kind_of

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from target_braze.braze.client import Client

# Seconds by which clocks may differ: Braze replaces the time of an event that lies in the future.
_CLOCK_SKEW: Final = 60.0
_PLACEHOLDER: Final = re.compile(r"\{\w+\}")


class _Probe(NamedTuple):
    permission: str
    method: str
    path: str
    pool: str


# Requests that only read.
_ATTRIBUTES: Final = _Probe("custom_attributes.get", "GET", "/custom_attributes", "exports by the hour")
_PROFILES: Final = _Probe("users.export.ids", "POST", "/users/export/ids", limits.EXPORT_IDS_POOL)


def report(client: Client, settings: Mapping[str, Any]) -> Iterator[str]:
    """Yield a line about the host, the clock, and each permission, as soon as the result is known.

    Args:
        client: API client.
        settings: Complete settings.

    Raises:
        UnauthorizedError: Braze does not accept the key for anything.
        ForbiddenError: The key lacks a permission. The message names all that are missing.
        BrazeError: There is no answer, or it is not Braze's.
    """
    probes = _needed(settings)
    width = max(map(len, probes))
    lacking: dict[str, BrazeError] = {}
    for number, (permission, probe) in enumerate(probes.items()):
        try:
            _send(client, probe)
        except (ForbiddenError, UnauthorizedError) as error:
            lacking[permission] = error
        if number == 0:
            yield f"{'host':{width}}  {base_url(settings['endpoint'])} answers"
            yield f"{'clock':{width}}  {_clock(client.clock_offset)}"
        if permission in lacking:
            said = "; ".join(lacking[permission].errors)[:200]
            yield f"{permission:{width}}  lacking (HTTP {lacking[permission].status}: {said})"
        else:
            yield f"{permission:{width}}  permitted"
    if lacking:
        errors = [*lacking.values()]
        if len(lacking) == len(probes) and all(isinstance(error, UnauthorizedError) for error in errors):
            raise errors[0]
        raise ForbiddenError(
            f"the API key lacks {len(lacking)} of the {len(probes)} permissions that the settings need: "
            f"{', '.join(lacking)}. A key cannot gain permissions, so create another. If an IP allowlist protects "
            "this key, it must name this machine"
        )
    yield f"the API key has all {len(probes)} permissions that the settings need"


def _needed(settings: Mapping[str, Any]) -> dict[str, _Probe]:
    """Return a request for each permission. Streams without an entry become attributes, events or purchases."""
    unused = TRACK if settings["track_endpoint"] == "bulk" else TRACK_BULK
    found = []
    for name, entry in (settings["streams"] or {"attributes": {}}).items():
        kind = KINDS[kind_of(name, entry)]
        endpoints = [one for one in kind.endpoints_for(entry) if one is not unused]
        found += [_Probe(one.permission, one.method, one.path, one.pool) for one in endpoints]
    if settings["preflight"]:
        found.append(_ATTRIBUTES)
    if (settings.get("ledger_path") and settings["ledger_verify"]) or settings.get("canary"):
        found.append(_PROFILES)
    return {probe.permission: probe for probe in found}


def _send(client: Client, probe: _Probe) -> None:
    """Send a request that changes nothing.

    Raises:
        ForbiddenError: The key lacks the permission.
        UnauthorizedError: The key is wrong or, according to some of Braze's pages, lacks the permission.
        BrazeError: There is no answer, or it is not Braze's.
    """
    path = _PLACEHOLDER.sub(f"target-braze-test-{secrets.token_hex(8)}", probe.path)
    try:
        body = client.request(probe.method, path, pool=probe.pool, body=None if probe.method == "GET" else b"{}").body
    except RefusedError as error:
        body = error.body
    if not _is_object(body):
        raise BrazeError(
            f"{probe.method} {probe.path}: the answer is not JSON as Braze sends it. Check that setting 'endpoint' is "
            "a host of Braze's REST API, and that no proxy answers in its place"
        )


def _is_object(body: bytes) -> bool:
    try:
        return isinstance(decode(body), dict)
    except UNDECODABLE:
        return False


def _clock(offset: float | None) -> str:
    if offset is None:
        return "not compared: the answer has no Date"
    if abs(offset) <= _CLOCK_SKEW:
        return "agrees with Braze's"
    side = "behind" if offset > 0 else "ahead of"
    return f"{abs(offset):,.0f} s {side} Braze's: set it, because Braze replaces times of events in the future"
