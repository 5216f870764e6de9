"""Hosts of Braze's REST API, and setting `endpoint`, which names one."""

from __future__ import annotations

import ipaddress
from typing import Final
from urllib.parse import urlsplit

# https://www.braze.com/docs/api/basics/#endpoints. The host names follow no rule, so each one is listed. For an
# instance that is missing here, users set the host.
INSTANCES: Final = {
    "US-01": "rest.iad-01.braze.com",
    "US-02": "rest.iad-02.braze.com",
    "US-03": "rest.iad-03.braze.com",
    "US-04": "rest.iad-04.braze.com",
    "US-05": "rest.iad-05.braze.com",
    "US-06": "rest.iad-06.braze.com",
    "US-07": "rest.iad-07.braze.com",
    "US-08": "rest.iad-08.braze.com",
    "US-10": "rest.us-10.braze.com",
    "EU-01": "rest.fra-01.braze.eu",
    "EU-02": "rest.fra-02.braze.eu",
    "AU-01": "rest.au-01.braze.com",
    "ID-01": "rest.id-01.braze.com",
    "JP-01": "rest.jp-01.braze.com",
    "KR-01": "rest.kr-01.braze.com",
}


class EndpointError(ValueError):
    """The `endpoint` setting is not a Braze REST host."""


def base_url(endpoint: str) -> str:
    """Return the base URL for the `endpoint` setting (instance name, host, or URL), without a trailing slash.

    Raises:
        EndpointError: The setting is none of these, or it is plain HTTP to another machine.
    """
    text = endpoint.strip().rstrip("/")
    shown = text.rpartition("@")[2].partition("?")[0]  # drops a password or token
    if host := INSTANCES.get(text.upper()):
        return f"https://{host}"
    try:
        parts = urlsplit(text if "://" in text else f"https://{text}")
    except ValueError:
        parts = urlsplit("")
    if (
        parts.scheme not in {"http", "https"}
        or not parts.hostname
        or parts.username is not None
        or parts.path
        or parts.query
        or ("." not in parts.hostname and ":" not in parts.hostname and parts.hostname != "localhost")
    ):
        raise EndpointError(
            f"setting 'endpoint': {shown!r} is not a Braze instance ({', '.join(INSTANCES)}) or the host or URL of "
            "one, such as rest.iad-01.braze.com. Find yours in the dashboard under Settings > APIs and Identifiers."
        )
    if parts.scheme == "http" and not is_loopback(parts.hostname):
        raise EndpointError(
            f"setting 'endpoint': {shown!r} would send the API key unencrypted. Use https:// (http:// works for "
            "localhost only)."
        )
    return f"{parts.scheme}://{parts.netloc}"


def is_loopback(host: str) -> bool:
    """Return whether a host is this machine."""
    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False
