"""A certificate for https, issued at each start by a single-use certificate authority."""

from __future__ import annotations

import tempfile
from contextlib import contextmanager
from dataclasses import dataclass
from ipaddress import ip_address
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator

_NAMES = ("localhost", "127.0.0.1", "::1")


@dataclass(frozen=True, slots=True)
class Certificate:
    """PEM files."""

    server_file: Path
    """The server's private key and certificate."""
    ca_file: Path
    """The certificate that clients must trust. Its key is never stored."""


@contextmanager
def certificate(host: str = "127.0.0.1", folder: Path | None = None) -> Iterator[Certificate]:
    """Create a certificate for `localhost`, the loopback addresses, and `host`; its key file lasts for the context.

    Args:
        host: Another name or address that clients use; wildcard addresses add nothing.
        folder: Where to write `ca.pem`; None: a temporary folder that lasts for the context.

    Raises:
        ModuleNotFoundError: The extra `tls` is not installed.
        OSError: `ca.pem` cannot be written.
    """
    try:
        import trustme  # noqa: PLC0415 - an extra
    except ModuleNotFoundError:
        raise ModuleNotFoundError("--tls needs trustme: pip install 'braze-sandbox[tls]'") from None
    names = [*_NAMES, *([] if host in _NAMES or _is_wildcard(host) else [host])]
    authority = trustme.CA()
    # Private to this user: `mkdtemp` creates it that way.
    with tempfile.TemporaryDirectory(prefix="braze-sandbox-") as private:
        made = Certificate(Path(private, "server.pem"), (folder or Path(private)) / "ca.pem")
        made.ca_file.parent.mkdir(parents=True, exist_ok=True)
        authority.cert_pem.write_to_path(made.ca_file)
        authority.issue_cert(*names).private_key_and_cert_chain_pem.write_to_path(made.server_file)
        yield made


def _is_wildcard(host: str) -> bool:
    try:
        return ip_address(host).is_unspecified
    except ValueError:
        return not host
