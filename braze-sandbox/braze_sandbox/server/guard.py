"""Keep websites out of /sandbox/*, which needs no key.

Any website can make a local browser send requests. The browser names the site in `Origin` or, after DNS rebinding, in
`Host`.
"""

from __future__ import annotations

from ipaddress import ip_address
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from braze_sandbox.wire.answer import Refusal, send_answer

if TYPE_CHECKING:
    from starlette.types import ASGIApp, Receive, Scope, Send

_OWN_DOMAINS = (".localhost", ".internal", ".test")
"""Top-level domains that no website can have (RFC 6761, RFC 2606, and the private-use one from ICANN in 2024)."""


class Guard:
    """An application reachable from this machine and from programs elsewhere, but not from websites."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Respond with 403 to requests that a website may have sent."""
        if scope["type"] == "http" and (why := _foreign(scope)):
            await send_answer(send, Refusal(403, "Forbidden", [why]).answer())
        else:
            await self._app(scope, receive, send)


def _foreign(scope: Scope) -> str:
    """Return why a request looks foreign; empty if it does not."""
    headers = {name: value.decode("latin-1") for name, value in scope["headers"]}
    # HTTP/1.0 does not require a Host; a browser always sends one.
    host, origin = headers.get(b"host", ""), headers.get(b"origin")
    if host and not _is_own(host):
        return "the Host header names another host; use localhost, an IP address or a name without dots"
    if origin is not None and origin not in (f"http://{host}", f"https://{host}"):
        return "the Origin header names another site"
    return ""


def _is_own(host: str) -> bool:
    """Return whether a host cannot be a website: an address, or a name outside the public DNS."""
    try:
        name = (urlsplit(f"//{host}").hostname or "").rstrip(".")
    except ValueError:
        return False
    if name and "." not in name and ":" not in name:
        # A machine, a container, or a docker-compose service.
        return True
    if name.endswith(_OWN_DOMAINS):
        return True
    try:
        ip_address(name)
    except ValueError:
        return False
    return True
