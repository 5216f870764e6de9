"""The table of Braze's documented endpoints: what reads or writes each, or why none does.

Documented are the endpoints of the sandbox. What covers one comes from the declarations of streams and kinds, so only
the reasons for leaving one out are written here.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final

from braze_sandbox.endpoints.registry import ENDPOINTS
from tap_braze.streams import STREAMS
from target_braze.mapping.kinds import KINDS

from generate.markdown import table

if TYPE_CHECKING:
    from collections.abc import Iterator

# A pattern for `METHOD path`, and why what it matches is left out unless a stream or kind covers it. The first match
# counts.
LEFT_OUT: Final[tuple[tuple[str, str], ...]] = (
    ("GET /catalogs/.+/items/", "`catalog_items` reads all items, with the same fields."),
    ("GET /data_objects/objects/[^/]+/[^/]+$", "`data_objects` reads all objects, with the same fields."),
    ("GET /templates/translations/email", "Another path of `/templates/email/translations`, from another page."),
    ("GET /preference_center/.+/url/", "Creates a link for one user to change subscriptions; it is not data."),
    ("POST /users/track/sync", "A limited beta of `/users/track` for one user per request."),
    ("POST /subscription/status/set", "The first version of `/v2/subscription/status/set`."),
    ("POST /email/blacklist", "The former name of `/email/blocklist`."),
    ("[^G].* /catalogs/.+/items", "The kind `catalog_items` replaces, updates and deletes several items per request."),
    ("POST /export/segment/cancel", "Would also stop the exports of other programs."),
    ("[^G].* /media_library/", "Content, which people write and review."),
    ("POST /(campaigns|canvas)/duplicate", "Copies campaigns and Canvases; it does not move data."),
    (
        "POST /messages/schedule/create",
        "For messages whose content is in the request. Campaigns and Canvases have endpoints of their own.",
    ),
    ("POST .*(/send$|/live_activity/)", "Sends messages to people."),
    ("[^G].* /(app_group/sdk_authentication|apps/push_credential)/", "Changes keys and credentials of apps."),
    ("[^G].* /scim/", "Changes who may sign in to the dashboard."),
    ("[^G].* /data_objects/", "The kinds write many Data Objects or relationships per request."),
)


@dataclass
class Documented:
    """An endpoint and what covers it."""

    endpoint: str
    permission: str
    streams: list[str] = field(default_factory=list)
    kinds: list[str] = field(default_factory=list)

    @property
    def reason(self) -> str:
        """Return why nothing covers it; empty if something does, or if nobody has given a reason."""
        if self.streams or self.kinds:
            return ""
        return next((reason for pattern, reason in LEFT_OUT if re.match(pattern, self.endpoint)), "")


def documented() -> list[Documented]:
    """Return all documented endpoints by path.

    Raises:
        KeyError: A stream or kind uses an endpoint that the sandbox does not have.
    """
    found: dict[str, Documented] = {}
    for endpoint in ENDPOINTS:
        if endpoint.permission is not None:  # otherwise it is the sandbox's own
            one = Documented(f"{endpoint.method} {endpoint.path.rstrip('/')}", endpoint.permission)
            found.setdefault(_key(endpoint.method, endpoint.path), one)
    for stream in STREAMS:
        found[_key(stream.method, stream.path)].streams.append(stream.name)
    for kind, key in _written():
        found[key].kinds.append(kind)
    return sorted(found.values(), key=lambda one: one.endpoint.partition(" ")[::-1])


def endpoints() -> str:
    """Return the table."""
    rows = [
        (
            f"`{one.endpoint}`",
            "a SCIM token" if one.permission == "scim" else f"`{one.permission}`",
            ", ".join(f"`{name}`" for name in one.streams),
            ", ".join(f"`{name}`" for name in one.kinds),
            one.reason,
        )
        for one in documented()
    ]
    return table(("endpoint", "permission", "stream of tap-braze", "kind of target-braze", "left out because"), rows)


def counts() -> str:
    """Return how many endpoints there are, and how many are covered."""
    every = documented()
    read = sum(bool(one.streams) for one in every)
    written = sum(bool(one.kinds) and not one.endpoint.startswith("GET") for one in every)
    left = sum(bool(one.reason) for one in every)
    return f"{len(every)} endpoints: tap-braze reads {read}, target-braze writes {written}, and {left} are left out."


def _written() -> Iterator[tuple[str, str]]:
    for name, kind in KINDS.items():
        yield from ((name, key) for key in dict.fromkeys(_key(one.method, one.path) for one in kind.endpoints))


def _key(method: str, path: str) -> str:
    """Return the endpoint with all placeholders alike, because each package names them differently."""
    return f"{method} {re.sub('{.*?}', '{}', path).rstrip('/')}"
