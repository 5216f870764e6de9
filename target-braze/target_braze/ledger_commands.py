"""`target-braze ledger`: look into the file of setting `ledger_path`, and make it smaller."""

from __future__ import annotations

from pathlib import Path
from typing import Final

import click

from target_braze.ledger import Ledger, LedgerError

_FILE: Final = click.argument("file", type=click.Path(exists=True, dir_okay=False, path_type=Path))


@click.group()
def ledger() -> None:
    """Look into the file of setting ledger_path, or make it smaller."""


@ledger.command()
@_FILE
def inspect(file: Path) -> None:
    """Print of which workspace FILE is and how much it holds."""
    held = _open(file)
    click.echo(f"workspace: {held.workspace}")
    for what, count in held.counts().items():
        click.echo(f"{what}: {count:,}")
    held.close()


@ledger.command()
@_FILE
@click.option("--days", type=click.IntRange(min=1), required=True, help="Forget what was last accepted before so many.")
def prune(file: Path, days: int) -> None:
    """Forget what Braze accepted long ago; it is sent again if it comes again."""
    held = _open(file)
    gone = held.prune(days)
    held.close()
    click.echo(f"forgotten: {gone['users']:,} users, {gone['sent']:,} events and purchases")


def _open(file: Path) -> Ledger:
    try:
        return Ledger(file)
    except LedgerError as error:
        raise click.ClickException(str(error)) from None
