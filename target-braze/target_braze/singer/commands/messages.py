"""Settle messages to people: `target-braze ledger doubts` and `resolve`, and `target-braze cancel-scheduled`."""

from __future__ import annotations

import time
from collections import Counter, defaultdict
from pathlib import Path
from typing import IO, TYPE_CHECKING, Final, Literal

import click
import msgspec

from target_braze.braze import limits
from target_braze.braze.client import RefusedError
from target_braze.braze.messages.schedules import cancel
from target_braze.loader.parts import new_client
from target_braze.singer.commands.ledger import CONFIG, PRESENT, ledger, opened, target_of

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping
    from typing import Any

    from target_braze.braze.client import Client
    from target_braze.ledger.messages import Message, Messages
    from target_braze.singer.sdk import ConfigInput

_OUTCOMES: Final[Mapping[str, Literal["sent", "not sent"]]] = {"sent": "sent", "not-sent": "not sent"}
# Braze cancels with best efforts close to the time, and does not say how close that is.
_CLOSE: Final = limits.DEPENDENCY_DELAY


@ledger.command()
@PRESENT
def doubts(file: Path) -> None:
    """Print the messages in FILE that people may or may not have received, one line of JSON for each."""
    with opened(file) as held:
        for message in held.messages.in_doubt():
            click.echo(msgspec.json.encode(message.as_json()))


@ledger.command()
@PRESENT
def scheduled(file: Path) -> None:
    """Print the messages in FILE that are scheduled and still due, one line of JSON for each."""
    with opened(file) as held:
        for message in held.messages.scheduled():
            if (message.due or 0) > time.time():
                click.echo(msgspec.json.encode(message.as_json()))


@ledger.command()
@PRESENT
@click.argument("doubtful", metavar="DOUBTS", type=click.File(encoding="utf-8-sig"))
@click.option(
    "--as",
    "outcome",
    type=click.Choice([*_OUTCOMES]),
    required=True,
    help="sent: never send them again. not-sent: forget them, so a run sends them if their records arrive again.",
)
def resolve(file: Path, doubtful: IO[str], outcome: str) -> None:
    """Settle those messages in FILE that are in doubt and listed in DOUBTS, in the lines of `ledger doubts`."""
    wanted = _ids(doubtful)
    with opened(file) as held:
        found = [one for one in held.messages.in_doubt() if one.id in wanted]
        held.messages.resolve(found, _OUTCOMES[outcome])
    click.echo(f"resolved as {outcome}: {len(found):,} messages")
    if left := len(wanted) - len(found):
        click.echo(f"not in doubt, so left alone: {left:,}")


@click.command("cancel-scheduled")
@CONFIG
@click.option("--run", type=int, help="Number of the run that scheduled the messages. Default: list the runs.")
@click.option("--free", is_flag=True, help="Forget the messages, so a run schedules them again.")
@click.option("--yes", is_flag=True, help="Cancel without asking.")
@click.pass_context
def cancel_scheduled(context: click.Context, config: ConfigInput, *, run: int | None, free: bool, yes: bool) -> None:
    """Cancel the campaigns and Canvases that a run has scheduled and that are still due.

    Exit with 1 if some of them cannot be canceled.
    """
    target = target_of(config)
    if not (path := target.config.get("ledger_path")) or not Path(path).is_file():
        raise click.UsageError("setting 'ledger_path' names no ledger, so the target cannot tell what was scheduled")
    with opened(Path(path), target) as held:
        due = [one for one in held.messages.scheduled() if (one.due or 0) > time.time()]
        chosen = [one for one in due if one.run == run]
        if run is None or not chosen:
            _echo_runs(due)
            return
        if not yes:
            click.confirm(f"Cancel {len(chosen):,} messages of run {run}?", abort=True)
        counts = _cancel_all(new_client(target.config), held.messages, chosen, free=free)
    for what, count in counts.items():
        click.echo(f"{what}: {count:,}")
    if counts.keys() - {_CANCELED}:
        context.exit(1)


_CANCELED: Final = "canceled"
_DOUBTFUL: Final = "canceled within five minutes of their time, so in doubt"
_REFUSED: Final = "not canceled, because Braze does not know their schedule; it may have sent them"
_NAMELESS: Final = "not canceled, because Braze gave their schedule no ID"


def _cancel_all(client: Client, messages: Messages, chosen: Iterable[Message], *, free: bool) -> Counter[str]:
    """Cancel each schedule, record it in the ledger, and count the messages by what happened."""
    counts: Counter[str] = Counter()
    schedules: defaultdict[tuple[str, str], list[Message]] = defaultdict(list)
    for one in chosen:
        schedules[one.message, one.schedule_id or ""].append(one)
    for (message, schedule_id), together in schedules.items():
        if not schedule_id:
            counts[_NAMELESS] += len(together)
            continue
        try:
            cancel(client, message, schedule_id)
        except RefusedError:
            counts[_REFUSED] += len(together)
            continue
        # All messages of a schedule are due at the same time.
        is_close = (together[0].due or 0) - time.time() < _CLOSE
        messages.resolve(together, "in doubt" if is_close else "not sent" if free else "sent")
        counts[_DOUBTFUL if is_close else _CANCELED] += len(together)
    return counts


def _echo_runs(due: Iterable[Message]) -> None:
    runs = Counter(one.run for one in due)
    if not runs:
        click.echo("no message of this ledger is still due")
    for run, count in sorted(runs.items()):
        click.echo(f"run {run}: {count:,} messages are due; cancel them with --run {run}")


def _ids(lines: Iterable[str]) -> set[str]:
    """Return the ids in lines that `doubts` printed."""
    found = set()
    for number, line in enumerate(lines, 1):
        if not line.strip():
            continue
        try:
            document: Any = msgspec.json.decode(line)
            found.add(str(document["id"]))
        except (msgspec.DecodeError, LookupError, TypeError):
            raise click.ClickException(f"line {number} of DOUBTS is not a line from `ledger doubts`") from None
    return found
