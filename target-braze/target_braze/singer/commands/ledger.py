"""`target-braze ledger`: inspect the file of `ledger_path`, prune it, compare it with Braze, or rebuild it."""

from __future__ import annotations

from collections import Counter, defaultdict
from contextlib import contextmanager
from itertools import islice
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any, Final

import click
import msgspec
from singer_sdk.exceptions import ConfigValidationError

from target_braze.braze.changes import Change
from target_braze.braze.client import BrazeError
from target_braze.braze.endpoints import TRACK
from target_braze.braze.hosts import base_url
from target_braze.ledger import verify
from target_braze.ledger.file import LedgerError
from target_braze.ledger.store import Ledger
from target_braze.loader.parts import new_client
from target_braze.mapping.kinds import attributes
from target_braze.process.ticker import heartbeat
from target_braze.singer.target import TargetBraze

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from target_braze.ledger.verify import Verdict
    from target_braze.singer.sdk import ConfigInput

_FILE: Final = click.argument("file", type=click.Path(dir_okay=False, path_type=Path))
PRESENT: Final = click.argument("file", type=click.Path(exists=True, dir_okay=False, path_type=Path))


def _config(ctx: click.Context, param: click.Option, value: tuple[str, ...]) -> ConfigInput:
    """Read the files of `--config`, which Meltano puts before the subcommand."""
    if value:
        return TargetBraze.cb_config(ctx, param, value)
    before: ConfigInput | None = ctx.find_root().params.get("config")
    if before is None or not (before.config or before.parse_env):
        raise click.MissingParameter(ctx=ctx, param=param)
    return before


CONFIG: Final = click.option(
    "--config", multiple=True, callback=_config, help="The target's configuration file, or ENV."
)
_TEXT: Final = click.File(encoding="utf-8-sig")
_VERDICTS: Final[tuple[Verdict, ...]] = ("equal", "different", "missing", "cannot compare")
# Number of users whose attributes are written together.
_TOGETHER: Final = 1_000


@click.group()
def ledger() -> None:
    """Inspect the file of setting ledger_path, prune it, compare it with Braze, or rebuild it from Braze."""


@ledger.command()
@PRESENT
def inspect(file: Path) -> None:
    """Print the workspace of FILE and how much it holds."""
    with opened(file) as held:
        click.echo(f"workspace: {held.workspace}")
        for what, count in held.counts().items():
            click.echo(f"{what}: {count:,}")


@ledger.command()
@PRESENT
@click.option(
    "--days",
    type=click.IntRange(min=1),
    required=True,
    help="Forget what Braze last accepted more than this many days ago.",
)
def prune(file: Path, days: int) -> None:
    """Forget what Braze accepted long ago. It is sent again if the source sends it again."""
    with opened(file) as held:
        gone = held.prune(days)
    counts = (
        f"{gone['users']:,} users",
        f"{gone['sent']:,} events and purchases",
        f"{gone['members']:,} members of streams",
    )
    click.echo(f"forgotten: {', '.join(counts)}")


@ledger.command("verify")
@PRESENT
@CONFIG
@click.option("--sample", type=click.IntRange(1), default=1_000, help="Number of users to compare. Default: 1,000.")
@click.option("--forget-different", is_flag=True, help="Forget what differs, so that the next run sends it again.")
@click.pass_context
def compare(context: click.Context, file: Path, config: ConfigInput, sample: int, *, forget_different: bool) -> None:
    """Compare some of the users in FILE with Braze. Exit with 1 if attributes differ or are missing in Braze."""
    target = target_of(config)
    operated = verify.operated(target.config["streams"])
    found: defaultdict[str, Counter[Verdict]] = defaultdict(Counter)
    users: Counter[bool] = Counter()
    with opened(file, target) as held:
        for external_id, present, verdicts in verify.verify(
            new_client(target.config), held, held.sample(sample), operated
        ):
            users[present] += 1
            for name, verdict in verdicts.items():
                found[name][verdict] += 1
            if forget_different:
                wrong = [name for name, verdict in verdicts.items() if verdict in {"different", "missing"}]
                held.forget(("external_id", external_id), wrong)
    click.echo(f"users: {users.total():,} compared, {users[False]:,} not in Braze")
    _echo_table(found)
    counts = sum(found.values(), Counter[Any]())
    if counts["different"] or counts["missing"]:
        if forget_different:
            click.echo("forgotten: what differs or is missing for these users; the next run sends it again")
        context.exit(1)


@ledger.command()
@_FILE
@CONFIG
@click.option(
    "--ids", type=_TEXT, help="File with one external ID per line, to look up in Braze; - for standard input."
)
@click.option(
    "--profiles",
    type=_TEXT,
    help="File of Singer messages, such as those of tap-braze's stream users; - for standard input.",
)
def rebuild(file: Path, config: ConfigInput, ids: IO[str] | None, profiles: IO[str] | None) -> None:
    """Fill FILE with the users' attributes in Braze, except values that Braze may show in another form than sent."""
    target = target_of(config)
    users: Counter[bool] = Counter()
    entered = 0
    with opened(file, target) as held:
        if ids is not None and profiles is None:
            found = verify.read(new_client(target.config), filter(None, map(str.strip, ids)))
        elif profiles is not None and ids is None:
            found = verify.of_messages(profiles)
        else:
            raise click.UsageError("give either --ids or --profiles")
        while some := list(islice(found, _TOGETHER)):
            changes = []
            for external_id, values in some:
                users[values is not None] += 1
                fields = {name: value for name, value in (values or {}).items() if verify.is_certain(value)}
                if fields:
                    changes.append(
                        Change("attributes", ("external_id", external_id), fields, attributes.SEMANTICS, TRACK)
                    )
                entered += len(fields)
            held.learn(changes)
    click.echo(f"added: {entered:,} attributes of {users[True]:,} users; {users[False]:,} are not in Braze")


@ledger.command()
@PRESENT
@click.option(
    "--allow-messages",
    is_flag=True,
    help="Let runs send messages, although people may receive messages again that were sent after this copy was made.",
)
def recover(file: Path, *, allow_messages: bool) -> None:
    """Make an older copy of the ledger usable by forgetting all attributes, which are then sent once more."""
    with opened(file) as held:
        held.recover()
        if allow_messages:
            held.messages.allow()
    click.echo("forgotten: all attributes; events, purchases and members of streams remain as in this copy")


def target_of(config: ConfigInput) -> TargetBraze:
    """Return the target with this configuration, or end the command with the mistakes in it."""
    try:
        return TargetBraze(config=config.config, parse_env_config=config.parse_env)
    except ConfigValidationError as error:
        raise click.ClickException("; ".join(error.errors)) from None
    except BrazeError as error:
        raise click.ClickException(str(error)) from None


@contextmanager
def opened(file: Path, target: TargetBraze | None = None) -> Iterator[Ledger]:
    """Open the ledger in a file. If a target is given, the ledger must belong to its workspace."""
    try:
        held = Ledger(file, None if target is None else base_url(target.config["endpoint"]))
        try:
            with heartbeat(TargetBraze.logger, f"working on {file}"):
                yield held
        finally:
            held.close()
    except (BrazeError, LedgerError, msgspec.DecodeError) as error:
        raise click.ClickException(str(error)) from None


def _echo_table(found: Mapping[str, Counter[Verdict]]) -> None:
    width = max(map(len, [*found, "attribute"]))
    click.echo("  ".join(["attribute".ljust(width), *_VERDICTS]))
    for name in sorted(found):
        cells = (f"{found[name][verdict]:,}".rjust(len(verdict)) for verdict in _VERDICTS)
        click.echo("  ".join([name.ljust(width), *cells]))
