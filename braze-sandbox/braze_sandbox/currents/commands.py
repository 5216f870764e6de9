"""The `braze-sandbox currents` command."""

from __future__ import annotations

import argparse
import sqlite3
import sys
from datetime import date, datetime, timezone
from pathlib import Path
from typing import TYPE_CHECKING, Any

from braze_sandbox.arguments import json_object, positive
from braze_sandbox.currents.files import BEGINNING, INTEGRATION, Options, write
from braze_sandbox.seeds.workspaces import SEEDS
from braze_sandbox.state.instance import Instance
from braze_sandbox.state.options import Options as SandboxOptions

if TYPE_CHECKING:
    from collections.abc import Callable


def add_to(commands: Any) -> None:  # noqa: ANN401 - the type of argparse has no public name
    """Add the command to a parser."""
    parser = commands.add_parser(
        "currents",
        help="write Currents files of the users' events, then exit",
        formatter_class=argparse.ArgumentDefaultsHelpFormatter,
    )
    parser.set_defaults(run=_run)
    add: Callable[..., Any] = parser.add_argument
    add("--out", required=True, metavar="URL", help="folder, or bucket: s3://bucket/folder")
    add("--storage", type=json_object, default={}, metavar="JSON", help='{"endpoint_url": …, "key": …, "secret": …}')
    add("--seed", choices=list(SEEDS), default="demo", help="demo data whose users and campaigns the events are about")
    add("--users", type=positive, metavar="N", help="number of users, instead of the seed's")
    add("--today", type=date.fromisoformat, metavar="YYYY-MM-DD", help="day up to which the seed's users were active")
    add("--data", type=Path, metavar="DIR", help="directory of users written by `serve --data`")
    add(
        "--as",
        dest="behavior",
        choices=["recorded", "documented"],
        default="recorded",
        help="whether the folders of email events are in lower case, as recorded",
    )
    add("--start", type=_hour, default=BEGINNING, metavar="YYYY-MM-DD[THH]", help="first hour, in UTC")
    add("--hours", type=positive, default=24, help="number of hours")
    add(
        "--event-types",
        nargs="+",
        default=[],
        metavar="GLOB",
        help="event types to write, such as users.messages.*; the default is all",
    )
    add(
        "--no-made-up",
        dest="made_up",
        action="store_false",
        help="write only the custom events and purchases stored in the profiles",
    )
    add("--prefix", default="currents", help="folder path of the connector")
    add("--cluster", default="prod-01", help="Braze cluster in the object keys")
    add(
        "--integrations",
        nargs="+",
        default=[INTEGRATION],
        metavar="ID",
        help="number of connectors; each writes every event",
    )
    add("--layout", choices=["version", "schema-id"], default="version", help="what follows date= in the object keys")
    add("--files-per-hour", type=positive, default=1, help="maximum number of files per event type and hour")
    add("--pad-offsets", action="store_true", help="pad offsets to ten digits, as in older keys")
    _add_troubles(parser.add_argument_group("what can go wrong"))


def _add_troubles(group: argparse._ArgumentGroup) -> None:
    group.add_argument(
        "--late-files",
        choices=["hold", "send"],
        help="`hold` leaves out one event in eight; `send` writes only those, as late files",
    )
    group.add_argument(
        "--duplicates",
        type=_share,
        default=0.0,
        metavar="SHARE",
        help="share of events to repeat in the next hour, from 0 to 1",
    )
    group.add_argument("--schema-change", action="store_true", help="change all schemas halfway through")
    group.add_argument("--truncated", action="store_true", help="truncate the last file")


def _run(given: argparse.Namespace) -> None:
    options = _options(given)
    try:
        of = Instance(
            SandboxOptions(
                seed=given.seed, users=given.users, today=given.today, data=given.data, behavior=given.behavior
            )
        )
    except (OSError, sqlite3.Error) as error:
        sys.exit(f"braze-sandbox: cannot read users from {given.data}: {error}")
    try:
        files = write(given.out, of, options)
    except Exception as error:  # noqa: BLE001 - each kind of bucket has errors of its own
        sys.exit(f"braze-sandbox: cannot write to {given.out}: {error}")
    finally:
        of.profiles.close()
    events = sum(len(file.records) for file in files)
    sys.stdout.write(f"braze-sandbox: {events:,} events in {len(files):,} files, below {given.out}\n")
    if not len(of.profiles):
        sys.stdout.write(f"braze-sandbox: seed '{given.seed}' has no users; give it some with --users\n")


def _options(given: argparse.Namespace) -> Options:
    try:
        return Options(
            start=given.start,
            hours=given.hours,
            event_types=tuple(given.event_types),
            made_up=given.made_up,
            prefix=given.prefix,
            cluster=given.cluster,
            integrations=tuple(given.integrations),
            layout=given.layout,
            files_per_hour=given.files_per_hour,
            padded=given.pad_offsets,
            late_files=given.late_files,
            duplicates=given.duplicates,
            schema_change=given.schema_change,
            truncated=given.truncated,
            storage_options=given.storage,
        )
    except ValueError as error:
        sys.exit(f"braze-sandbox: {error}")


def _hour(text: str) -> datetime:
    try:
        return datetime.strptime(text if "T" in text else f"{text}T00", "%Y-%m-%dT%H").replace(tzinfo=timezone.utc)
    except ValueError:
        raise argparse.ArgumentTypeError(f"{text!r} is not an hour; use 2026-03-01 or 2026-03-01T07") from None


def _share(text: str) -> float:
    try:
        share = float(text)
    except ValueError:
        share = -1
    if not 0 <= share <= 1:
        raise argparse.ArgumentTypeError(f"{text!r} is not a share from 0 to 1")
    return share
