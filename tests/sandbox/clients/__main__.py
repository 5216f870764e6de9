"""Calls real clients from PyPI against the sandbox: `python -m tests.sandbox.clients` writes docs/sandbox-clients.md.

uv installs each client in an environment of its own, because three of them share the module `braze`. Nothing of a
client is kept in the repository.
"""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
import tempfile
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
}
"""Requirements to what else the client needs."""

HEAD = """# Clients that work with the sandbox

Real clients from PyPI, called method by method as their documentation shows, each in an environment of its own.
`python -m tests.sandbox.clients` runs them again with `uv` and writes this page; no client's code is in the repository.

Braze refuses exports without `fields_to_export` to customers since August 2024; with `--fields-to-export optional` the
refused calls work. Airflow's hook insists on https and is served with `--tls`. Not in the list: Braze's own
`braze-mcp-server`, which needs Python 3.12.

| client | method | requests and their statuses | the client |
|---|---|---|---|
"""


def _ids(sandbox: Sandbox) -> dict[str, str]:
    workspace = sandbox.workspace
    person = next(one for one in sandbox.profiles() if one.external_id and one.email)
    return {
        "app": next(iter(workspace.apps)),
        "user": str(person.external_id),
        "email": str(person.email),
        "campaign": next(
            key
            for key, one in workspace.campaigns.items()
            if one.schedule_type == "api_triggered" and one.enabled and not (one.archived or one.draft)
        ),
        "canvas": next(
            key
            for key, one in workspace.canvases.items()
            if one.schedule_type == "api_triggered" and one.enabled and not (one.archived or one.draft)
        ),
        "segment": next(iter(workspace.segments)),
        "content_block": next(iter(workspace.content_blocks)),
        # One that does not run already.
        "integration": next(
            key for key, one in workspace.integrations.items() if not one.runs or one.runs[-1].finished_at
        ),
    }


def _results(requirement: str, others: list[str]) -> Iterator[dict[str, Any]]:
    """Call the methods of one client against a fresh sandbox."""
    name = requirement.partition("==")[0].replace("-", "_")
    command = [str(Path(sys.executable).parent / "uv"), "run", "--quiet", "--isolated", "--no-project"]
    for one in (requirement, *others):
        command += ["--with", one]
    # Of the Airflow client alone: it takes no other scheme than https.
    tls = requirement.startswith("airflow")
    with Sandbox(seed="demo", tls=tls) as sandbox, tempfile.TemporaryDirectory() as home:
        environment = {**os.environ, "AIRFLOW_HOME": home}
        environment.pop("VIRTUAL_ENV", None)
        inner = ["python", str(HERE / "calls.py"), name, sandbox.url, sandbox.api_key, json.dumps(_ids(sandbox))]
        if sandbox.ca_file:
            # Not for uv, which has to reach PyPI.
            trusted = str(sandbox.ca_file)
            inner = ["env", f"REQUESTS_CA_BUNDLE={trusted}", f"SSL_CERT_FILE={trusted}", *inner]
        run = subprocess.run(
            [*command, *inner],
            env=environment,
            capture_output=True,
            text=True,
            timeout=900,
            check=False,
        )
    found = re.findall(r"^RESULT (.+)$", run.stdout, re.MULTILINE)
    if not found:
        raise RuntimeError(f"{requirement} did not run: {run.stderr[-2000:]}")
    yield from map(json.loads, found)


def _row(requirement: str, result: dict[str, Any]) -> str:
    """Return a row of the table; ids of the seed and signed paths say nothing to a reader."""
    ids = r"[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}"
    requests = ", ".join(f"`{re.sub(ids, '…', one)}`" for one in result["requests"]) or "none"
    refused = any(one.rpartition(" ")[2] >= "400" for one in result["requests"])
    outcome = ", ".join(["refused"] * refused + [f"raises `{result['error']}`"] * bool(result["error"])) or "works"
    return f"| {requirement.replace('==', ' ')} | `{result['method']}` | {requests} | {outcome} |\n"


def main() -> None:
    """Run all clients, or those whose names are given, and write the page if it was all."""
    chosen = sys.argv[1:] or list(CLIENTS)
    rows = [_row(one, result) for one in chosen for result in _results(one, CLIENTS[one])]
    sys.stdout.writelines(rows)
    if chosen == list(CLIENTS):
        PAGE.write_text(HEAD + "".join(rows), encoding="utf-8")


if __name__ == "__main__":
    main()
