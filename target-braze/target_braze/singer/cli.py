"""The command `target-braze`, with its subcommands."""

from __future__ import annotations

import click

from target_braze.singer.sdk import SingerCommand
from target_braze.singer.target import TargetBraze


class _Commands(SingerCommand, click.Group):
    """The command of a Singer target, with subcommands."""


def command() -> click.Command:
    """Return the command, which without a subcommand loads its input."""
    from target_braze.singer.explain_command import command as explain  # noqa: PLC0415 - few runs need it
    from target_braze.singer.ledger_commands import ledger  # noqa: PLC0415 - same

    singer = TargetBraze.get_singer_command()
    return _Commands(
        name=singer.name,
        callback=singer.callback,
        params=singer.params,
        help=singer.help,
        logger=TargetBraze.logger,
        invoke_without_command=True,
        commands=[explain(), ledger],
    )


def main() -> None:
    """Run the command line of this process."""
    # Accessing the SDK's own command sets up logging.
    _ = TargetBraze.cli
    command()()
