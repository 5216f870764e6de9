"""The `braze-sandbox` command and its `serve` subcommand."""

from __future__ import annotations

import argparse
import sqlite3
import sys
from contextlib import ExitStack, suppress
from datetime import date
from importlib.metadata import version
from ipaddress import ip_address
from pathlib import Path
from typing import TYPE_CHECKING, Any

from braze_sandbox.arguments import json_object, positive, zone
from braze_sandbox.currents import commands as currents_cli
from braze_sandbox.seeds.workspaces import SEEDS
from braze_sandbox.server import http as server
from braze_sandbox.server.app import create_server
from braze_sandbox.server.tls import certificate
from braze_sandbox.state.instance import Instance
from braze_sandbox.state.options import Options

if TYPE_CHECKING:
    import socket
    from collections.abc import Sequence

    from braze_sandbox.server.tls import Certificate


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="braze-sandbox", description="A strict Braze workspace on localhost.")
    parser.add_argument("--version", action="version", version=f"braze-sandbox {version('braze-sandbox')}")
    commands = parser.add_subparsers(dest="command", required=True)
    _add_serve(commands)
    currents_cli.add_to(commands)
    return parser


def _add_serve(commands: Any) -> None:  # noqa: ANN401 - the type of argparse has no public name
    serve = commands.add_parser(
        "serve", help="serve the API until stopped", formatter_class=argparse.ArgumentDefaultsHelpFormatter
    )
    serve.set_defaults(run=_serve)
    serve.add_argument("--host", default="127.0.0.1", help="address to listen on")
    serve.add_argument("--port", type=int, default=8027, help="port to listen on; 0 picks a free one")
    serve.add_argument(
        "--tls",
        action="store_true",
        help="serve https with a certificate made at start; needs the extra tls. Clients must trust ca.pem, which is "
        "in the directory of --data, or else in a temporary one that the output names",
    )
    serve.add_argument("--seed", choices=list(SEEDS), default="demo", help="demo data to start with")
    serve.add_argument(
        "--as",
        dest="behavior",
        choices=["recorded", "documented"],
        default="recorded",
        help="which answers to give where recordings of Braze differ from its documentation",
    )
    serve.add_argument(
        "--unknown-groups",
        choices=["refused", "kept"],
        default="refused",
        help="whether to refuse or keep states of subscription groups that the workspace does not have",
    )
    serve.add_argument(
        "--fields-to-export",
        choices=["required", "optional"],
        default="required",
        help="whether exports need fields_to_export; customers from before August 2024 do without",
    )
    serve.add_argument(
        "--users", type=positive, metavar="N", help="number of users to start with, instead of the seed's"
    )
    serve.add_argument("--data", type=Path, metavar="DIR", help="directory that keeps users across restarts")
    serve.add_argument("--api-key", default="sandbox-key", help="REST API key with all permissions")
    serve.add_argument("--time-zone", type=zone, default="UTC", metavar="IANA", help="time zone of the company")
    serve.add_argument("--today", type=date.fromisoformat, metavar="YYYY-MM-DD", help="freeze the calendar at this day")
    serve.add_argument("--latency-ms", type=float, default=0, help="minimum time per response, in milliseconds")
    serve.add_argument(
        "--ending-day",
        choices=["included", "excluded"],
        default="included",
        help="whether a series includes the day of its ending_at",
    )
    serve.add_argument(
        "--lag-ms",
        type=float,
        default=0,
        help="delay before a write of an asynchronous endpoint takes effect, in milliseconds",
    )
    serve.add_argument(
        "--shuffle", type=int, metavar="SEED", help="apply delayed writes in a random order with this seed"
    )
    serve.add_argument(
        "--track-objects",
        type=positive,
        default=75,
        metavar="N",
        help="maximum number of objects in a request to /users/track",
    )
    _add_exports(serve.add_argument_group("exports of segments"))


def _add_exports(group: argparse._ArgumentGroup) -> None:
    group.add_argument(
        "--export-to",
        metavar="URL",
        help="folder or bucket (s3://bucket/prefix) to export to; the default is a download",
    )
    group.add_argument(
        "--export-storage",
        type=json_object,
        default={},
        metavar="JSON",
        help='fsspec options of that storage: {"endpoint_url": …, "key": …, "secret": …}',
    )
    group.add_argument("--export-seconds", type=float, default=0.2, help="duration of an export")
    group.add_argument("--export-file-users", type=positive, default=5000, help="maximum number of users per file")
    group.add_argument("--export-url-seconds", type=float, default=4 * 3600, help="lifetime of a download URL")


def main(arguments: Sequence[str] | None = None) -> None:
    """Run the command line; on an error, print one line and exit 1."""
    given = _parser().parse_args(arguments)
    given.run(given)


def _is_loopback(address: str) -> bool:
    return ip_address(address.partition("%")[0]).is_loopback


def _serve(given: argparse.Namespace) -> None:
    try:
        sock = server.bind(given.host, given.port)
    except (OSError, OverflowError) as error:
        sys.exit(f"braze-sandbox: cannot listen on {given.host}:{given.port}: {getattr(error, 'strerror', error)}")
    options = Options(
        seed=given.seed,
        behavior=given.behavior,
        unknown_groups=given.unknown_groups,
        fields_required=given.fields_to_export == "required",
        users=given.users,
        data=given.data,
        tls=given.tls,
        api_key=given.api_key,
        time_zone=given.time_zone,
        today=given.today,
        latency_ms=given.latency_ms,
        lag_ms=given.lag_ms,
        shuffle=given.shuffle,
        track_objects=given.track_objects,
        ending_day_included=given.ending_day == "included",
        export_to=given.export_to,
        export_storage=given.export_storage,
        export_seconds=given.export_seconds,
        export_file_users=given.export_file_users,
        export_url_seconds=given.export_url_seconds,
    )
    try:
        instance = Instance(options)
    except (OSError, sqlite3.Error) as error:
        sys.exit(f"braze-sandbox: cannot keep users in {given.data}: {error}")
    except ValueError as error:
        sys.exit(f"braze-sandbox: {error}")
    with ExitStack() as stack:
        stack.enter_context(sock)
        try:
            files = stack.enter_context(certificate(given.host, given.data)) if given.tls else None
        except (ModuleNotFoundError, OSError) as error:
            sys.exit(f"braze-sandbox: {error}")
        _greet(given, sock, files)
        # uvicorn stops cleanly on a signal, then raises it again.
        with suppress(KeyboardInterrupt):
            create_server(instance, certificate=files.server_file if files else None).run(sockets=[sock])


def _greet(given: argparse.Namespace, sock: socket.socket, files: Certificate | None) -> None:
    """Print where the sandbox listens and what its user needs to know."""
    address, port = sock.getsockname()[:2]
    url = f"{'https' if files else 'http'}://{f'[{given.host}]' if ':' in given.host else given.host}:{port}"
    sys.stdout.write(f"braze-sandbox: serving seed '{given.seed}' on {url} (API key: {given.api_key})\n")
    if files:
        sys.stdout.write(f"braze-sandbox: clients must trust the certificate authority in {files.ca_file}\n")
    sys.stdout.flush()
    if not _is_loopback(address):
        sys.stderr.write(
            f"braze-sandbox: warning: {given.host} is reachable from other machines, and /sandbox/* needs no key: "
            "anybody who reaches it can read users and set faults. Use --host 127.0.0.1 unless you mean that.\n"
        )
