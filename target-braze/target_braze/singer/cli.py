"""The command `target-braze`, with its subcommands."""

from __future__ import annotations

from typing import Any

import click

from target_braze.singer.sdk import SingerCommand
from target_braze.singer.target import TargetBraze


class _Commands(SingerCommand, click.Group):
    """The command of a Singer target, with subcommands."""


def command() -> click.Command:
    """Return the command, which without a subcommand loads its input."""
    from target_braze.singer.commands.access import AccessTarget  # noqa: PLC0415 - few runs need it
    from target_braze.singer.commands.broker import broker  # noqa: PLC0415 - same
    from target_braze.singer.commands.erase import erase  # noqa: PLC0415 - same
    from target_braze.singer.commands.explain import command as explain  # noqa: PLC0415 - same
    from target_braze.singer.commands.ledger import ledger  # noqa: PLC0415 - same
    from target_braze.singer.commands.messages import cancel_scheduled  # noqa: PLC0415 - same

    singer = TargetBraze.get_singer_command()
    test = click.Option(
        ["--test"],
        is_flag=True,
        help="Check key, host, clock, and the permissions that the mapping needs; send nothing.",
    )

    def invoke(*, test: bool, **options: Any) -> None:  # noqa: ANN401
        if test and (given := click.get_current_context().invoked_subcommand):
            raise click.UsageError(f"--test does not go with the command {given}: run one of them")
        (AccessTarget if test else TargetBraze).invoke(**options)

    return _Commands(
        name=singer.name,
        callback=invoke,
        params=[*singer.params, test],
        help=singer.help,
        logger=TargetBraze.logger,
        invoke_without_command=True,
        commands=[broker, cancel_scheduled, explain(), erase, ledger],
    )


def main() -> None:
    """Run the command line of this process."""
    # Accessing the SDK's own command sets up logging.
    _ = TargetBraze.cli
    command()()
