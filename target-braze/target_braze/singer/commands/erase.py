"""`target-braze erase`: erase one person from Braze and the target's files, and write a certificate."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click
import msgspec

from target_braze import erasure
from target_braze.braze.client import BrazeError
from target_braze.braze.hosts import base_url
from target_braze.erasure import ErasureError
from target_braze.ledger.file import LedgerError
from target_braze.ledger.store import Ledger
from target_braze.loader.parts import new_client
from target_braze.process.ticker import heartbeat
from target_braze.singer.commands.ledger import CONFIG, target_of
from target_braze.singer.target import TargetBraze

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping
    from typing import Any

    from target_braze.records import User
    from target_braze.singer.sdk import ConfigInput


@click.command()
@CONFIG
@click.option("--id", "external_id", help="External ID of the person.")
@click.option("--braze-id", help="Braze ID of a person without an external ID.")
@click.option(
    "--certificate",
    type=click.Path(dir_okay=False, writable=True, path_type=Path),
    default=Path("erasure.json"),
    show_default=True,
    help="File for the certificate; it must not exist.",
)
@click.option("--yes", is_flag=True, help="Erase without asking. It cannot be undone.")
@click.option(
    "--wait",
    type=click.IntRange(0),
    default=300,
    show_default=True,
    help="Maximum seconds until Braze must no longer show the person.",
)
@click.pass_context
def erase(
    context: click.Context,
    *,
    config: ConfigInput,
    external_id: str | None,
    braze_id: str | None,
    certificate: Path,
    wait: int,
    yes: bool,
) -> None:
    """Erase one person from Braze, the ledger, the dead letters and the delivery log, for good.

    Exit with 1 if Braze still shows the person or if other dead letters mention the person.
    """
    if (external_id is None) == (braze_id is None):
        raise click.UsageError("give one of --id and --braze-id")
    if certificate.exists():
        raise click.UsageError(f"{certificate} exists; name another file with --certificate")
    user = ("external_id", external_id) if external_id is not None else ("braze_id", braze_id or "")
    settings = target_of(config).config
    if not yes:
        click.confirm(f"Erase this person from {base_url(settings['endpoint'])} for good?", abort=True)
    try:
        with heartbeat(TargetBraze.logger, "erasing the person"):
            found = _erase(settings, user, wait)
        certificate.touch(mode=0o600)
        certificate.write_bytes(msgspec.json.format(msgspec.json.encode(found), indent=2) + b"\n")
    except (BrazeError, ErasureError, LedgerError, OSError) as error:
        raise click.ClickException(str(error)) from None
    for line in _lines(found):
        click.echo(line)
    click.echo(f"certificate: {certificate}")
    if not found["complete"]:
        context.exit(1)


def _erase(settings: Mapping[str, Any], user: User, wait: float) -> dict[str, Any]:
    """Erase the person and return the certificate."""
    client = new_client(settings)
    workspace = base_url(settings["endpoint"])
    person = erasure.find(client, user)
    # Braze comes last: once it has forgotten the person, nobody can tell the other identifiers in our files.
    rows = None
    if (path := settings.get("ledger_path")) and Path(path).is_file():
        held = Ledger(Path(path), workspace)
        try:
            rows = held.erase(person.users)
        finally:
            held.close()
    letters, mentions = erasure.erase_letters(settings, person)
    log = erasure.erase_log(settings, person)
    if person.is_found:
        erasure.delete(client, user)
    is_gone = erasure.wait_until_gone(client, user, wait)
    return erasure.certificate(
        person, workspace, rows=rows, letters=letters, log=log, mentions=mentions, is_gone=is_gone
    )


def _lines(found: Mapping[str, Any]) -> Iterable[str]:
    braze = found["braze"]
    if not braze["had_profile"]:
        yield "Braze: has no profile with this identifier"
    elif braze["has_profile"]:
        yield "Braze: accepted the deletion but still shows the profile; run the command again later"
    else:
        yield "Braze: profile deleted, and no longer shown"
    if found["ledger"]:
        yield f"ledger: {found['ledger']['rows_erased']:,} rows erased"
    yield f"dead letters: {found['dead_letters']['records_erased']:,} records erased"
    yield f"delivery log: {found['delivery_log']['rows_erased']:,} rows erased"
    if mentions := found["other_letters_with_mention"]:
        yield f"dead letters of others, or of streams without a mapping, mention the person: {', '.join(mentions)}"
