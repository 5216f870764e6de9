"""Calls real clients against the sandbox: `python -m tests.sandbox.clients` writes docs/sandbox-clients.md.

uv installs each client of PyPI in an environment of its own, because three of them share the module `braze`. Nothing
of a client is kept in the repository.
"""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
import tempfile
from datetime import datetime, timezone
from pathlib import Path
from typing import TYPE_CHECKING, Any

from braze_sandbox.testing import Sandbox

if TYPE_CHECKING:
    from collections.abc import Iterator

HERE = Path(__file__).parent
PAGE = HERE.parent.parent.parent / "docs" / "sandbox-clients.md"
CLIENTS: dict[str, list[str]] = {
    "braze-client==2.3.3": [],
    "edx-braze-client==1.1.4": [],
    # It declares neither of the two.
    "braze-sdk==1.0.1": ["requests", "numpy"],
    "braze-client-sdk==1.0.0": [],
    "braze-api-client==0.1.1": ["requests"],
    "airflow-provider-braze==1.0.4": [],
    # Its code is from before version 2 of mcp, which it does not exclude.
    "braze-mcp-server==1.2.0": ["mcp<2"],
    "npm:braze-api==2.13.4": [],
    "gem:braze_ruby==0.11.0": [],
}
"""Requirements to what else the client needs."""

HEAD = """# Clients that work with the sandbox

Real clients, called method by method as their documentation shows, each in its own environment.
`python -m tests.sandbox.clients` runs them again and writes this page; no client's code is in the repository. It needs
`uv` with Python 3.12 for `braze-mcp-server`, `npm` for `braze-api`, and Ruby for `braze_ruby` (the gem, or a
checkout with Faraday in `RUBYLIB`). To run only some clients, name them as arguments: `npm:braze-api==2.13.4`.

Airflow's hook requires HTTPS, so it runs against `--tls`. The sandbox refuses these calls:

- Exports without `fields_to_export`, which Braze refuses for customers since August 2024. With
  `--fields-to-export optional` they work.
- braze-api declares the recipient of a transactional message as an array. Braze documents one object, which works.
- braze_ruby's README sends an event with Ruby's own `Time`, which is not ISO 8601 outside Rails, and a number as a
  campaign ID. The gem posts to `/messages/scheduled_broadcasts`, which is a GET.
- braze_ruby's README sends `external_id` to the second version of subscriptions, where Braze documents `external_ids`,
  and an array of addresses to `/email/unsubscribes` and `/email/hard_bounces`, where Braze documents a string. No
  recording shows what Braze does with either.

| client | method | requests and their statuses | the client |
|---|---|---|---|
"""


def _ids(sandbox: Sandbox) -> dict[str, str]:
    workspace = sandbox.workspace
    person = next(one for one in sandbox.profiles() if one.external_id and one.email)
    triggered = [
        next(
            key
            for key, one in objects.items()
            if one.schedule_type == "api_triggered" and one.enabled and not (one.archived or one.draft)
        )
        for objects in (workspace.campaigns, workspace.canvases)
    ]
    send = next(iter(workspace.sends.values()))
    catalog = next(one for one in workspace.catalogs.values() if one.items)
    return {
        "now": datetime.now(timezone.utc).isoformat(timespec="seconds"),
        "app": next(iter(workspace.apps)),
        "user": str(person.external_id),
        "email": str(person.email),
        "campaign": triggered[0],
        "canvas": triggered[1],
        "transactional": next(key for key, one in workspace.campaigns.items() if one.transactional),
        "segment": next(iter(workspace.segments)),
        "content_block": next(iter(workspace.content_blocks)),
        "email_template": next(iter(workspace.templates)),
        "preference_center": next(iter(workspace.preference_centers)),
        "subscription_group": next(iter(workspace.subscription_groups)),
        "event": min(workspace.events),
        "product": min(workspace.products),
        "catalog": catalog.name,
        "item": next(iter(catalog.items)),
        "send": send.id,
        "send_campaign": send.campaign_id,
        # One that does not run already.
        "integration": next(
            key for key, one in workspace.integrations.items() if not one.runs or one.runs[-1].finished_at
        ),
    }


def _command(requirement: str, others: list[str], folder: str) -> list[str]:
    """Return the command that calls the methods of a client, without its arguments; npm installs into the folder."""
    kind, _, package = requirement.rpartition(":")
    name, _, version = package.partition("==")
    if kind == "npm":
        subprocess.run(["npm", "install", "--silent", f"{name}@{version}"], cwd=folder, check=True)
        return ["node", str(HERE / "calls.mjs")]
    if kind == "gem":
        return ["ruby", str(HERE / "calls.rb")]
    uv = [str(Path(sys.executable).parent / "uv"), "run", "--quiet", "--isolated", "--no-project"]
    if name == "braze-mcp-server":
        uv += ["--python", ">=3.12"]
    for one in (package, *others):
        uv += ["--with", one]
    return [*uv, "python", str(HERE / "calls.py"), name.replace("-", "_")]


def _results(requirement: str, others: list[str]) -> Iterator[dict[str, Any]]:
    """Call the methods of one client against a fresh sandbox."""
    # Of the Airflow client alone: it takes no other scheme than https.
    tls = requirement.startswith("airflow")
    with Sandbox(seed="demo", tls=tls) as sandbox, tempfile.TemporaryDirectory() as folder:
        environment = {**os.environ, "AIRFLOW_HOME": folder}
        environment.pop("VIRTUAL_ENV", None)
        command = _command(requirement, others, folder)
        if sandbox.ca_file:
            # Not for uv, which must reach PyPI.
            trusted = str(sandbox.ca_file)
            at = command.index("python")
            command[at:at] = ["env", f"REQUESTS_CA_BUNDLE={trusted}", f"SSL_CERT_FILE={trusted}"]
        command += [sandbox.url, sandbox.api_key, json.dumps(_ids(sandbox)), requirement.partition("==")[2]]
        run = subprocess.run(
            command, cwd=folder, env=environment, capture_output=True, text=True, timeout=900, check=False
        )
    found = re.findall(r"^RESULT (.+)$", run.stdout, re.MULTILINE)
    if run.returncode != 0 or not found:
        raise RuntimeError(f"{requirement} did not run: {run.stderr[-2000:]}")
    yield from map(json.loads, found)


def _row(requirement: str, result: dict[str, Any]) -> str:
    """Return a row of the table; ids of the seed and signed paths say nothing to a reader."""
    ids = r"[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}"
    requests = ", ".join(f"`{re.sub(ids, '…', one)}`" for one in result["requests"]) or "none"
    refused = any(one.rpartition(" ")[2] >= "400" for one in result["requests"])
    outcome = ", ".join(["refused"] * refused + [f"raises `{result['error']}`"] * bool(result["error"])) or "works"
    return f"| {requirement.rpartition(':')[2].replace('==', ' ')} | `{result['method']}` | {requests} | {outcome} |\n"


def main() -> None:
    """Run all clients, or those whose names are given, and write the page if it was all."""
    chosen = sys.argv[1:] or list(CLIENTS)
    rows = [_row(one, result) for one in chosen for result in _results(one, CLIENTS[one])]
    sys.stdout.writelines(rows)
    if chosen == list(CLIENTS):
        PAGE.write_text(HEAD + "".join(rows), encoding="utf-8")


if __name__ == "__main__":
    main()
