"""The sandbox for tests: a context manager that serves from a thread."""

from __future__ import annotations

import threading
import time
from contextlib import ExitStack
from typing import TYPE_CHECKING, Any

from braze_sandbox.endpoints.sending.delivery import send_due
from braze_sandbox.model.messages import Message
from braze_sandbox.model.profile import Profile
from braze_sandbox.model.workspace import Workspace
from braze_sandbox.server import http as server
from braze_sandbox.server.app import create_server
from braze_sandbox.server.tls import certificate
from braze_sandbox.state.instance import Instance
from braze_sandbox.state.options import Options
from braze_sandbox.state.recorder import Recorded

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable
    from pathlib import Path
    from types import TracebackType

    from typing_extensions import Self

__all__ = ["Message", "Profile", "Recorded", "Sandbox", "Workspace"]


class Sandbox:
    """A Braze workspace on a free port of the loopback interface.

    Takes the fields of `Options` as keyword arguments: `seed`, `users`, `data`, `api_key`, `time_zone`, `today`,
    `latency_ms`, `ending_day_included`, `zero_rows`, `row_order`, `limits`, `track_reset`, `lag_ms`, `shuffle`,
    `track_objects`, `bulk_objects`, `beta_refusal`, `export_seconds`, `export_file_users`,
    `export_url_seconds`, `export_to`, `export_storage`, `tls`. The default seed is `small`.
    """

    url: str
    """Base URL: `http://127.0.0.1:PORT`, or `https://` with `tls`."""
    ca_file: Path | None = None
    """With `tls`: the certificate authority that clients must trust while the sandbox runs."""

    def __init__(self, *, seed: str = "small", **options: Any) -> None:  # noqa: ANN401 - the fields of Options
        self.instance = Instance(Options(seed=seed, **options))
        self.api_key = self.instance.options.api_key

    def __enter__(self) -> Self:
        """Start serving."""
        tls = self.instance.options.tls
        self._stack = ExitStack()
        files = self._stack.enter_context(certificate()) if tls else None
        self.ca_file = files.ca_file if files else None
        sock = self._stack.enter_context(server.bind("127.0.0.1", 0))
        self.url = f"{'https' if tls else 'http'}://127.0.0.1:{sock.getsockname()[1]}"
        self._server = create_server(self.instance, certificate=files.server_file if files else None)
        self._thread = threading.Thread(
            target=self._server.run, kwargs={"sockets": [sock]}, name="braze-sandbox", daemon=True
        )
        self._thread.start()
        while not self._server.started:
            if not self._thread.is_alive():
                raise RuntimeError("the sandbox did not start")
            time.sleep(0.002)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        """Stop serving."""
        self._server.should_exit = True
        self._thread.join(5)
        self._stack.close()

    @property
    def workspace(self) -> Workspace:
        """Campaigns and everything else that endpoints read; change it freely."""
        return self.instance.workspace

    @property
    def requests(self) -> list[Recorded]:
        """The requests so far, in the order in which they finished."""
        return list(self.instance.recorder.requests)

    @property
    def violations(self) -> list[dict[str, Any]]:
        """Data that Braze would have dropped or changed silently: `reason`, `path` and `object` of each."""
        return list(self.instance.recorder.violations)

    @property
    def notes(self) -> list[dict[str, Any]]:
        """Data outside the documentation that Braze was recorded to accept without loss, such as numbers as ids."""
        return list(self.instance.recorder.notes)

    @property
    def messages(self) -> list[Message]:
        """Messages that users would have received through the API, oldest first, including any now due."""
        send_due(self.instance)
        return list(self.workspace.messages)

    @property
    def waiting(self) -> int:
        """Number of delayed writes."""
        return len(self.instance.write_lag)

    def settle(self, seconds: float = 10) -> None:
        """Wait until all delayed writes have taken effect."""
        until = time.monotonic() + seconds
        while self.waiting:
            if time.monotonic() > until:
                raise TimeoutError(f"{self.waiting} writes are still waiting")
            time.sleep(0.002)

    def profile(self, external_id: str) -> Profile | None:
        """Return the user with an external ID."""
        return self.instance.profiles.find("external_id", external_id)

    def profile_by(
        self,
        *,
        alias: tuple[str, str] | None = None,
        email: str | None = None,
        phone: str | None = None,
        braze_id: str | None = None,
    ) -> Profile | None:
        """Return the user with an alias (label, name), an email address, a phone number, or a Braze ID."""
        given = {"alias": alias, "email": email, "phone": phone, "braze_id": braze_id}
        wanted = [(kind, value) for kind, value in given.items() if value is not None]
        if len(wanted) != 1:
            raise TypeError("give one of alias, email, phone and braze_id")
        return self.instance.profiles.find(*wanted[0])

    def profiles(self) -> list[Profile]:
        """Return all users, in order of creation."""
        return list(self.instance.profiles)

    def fault(self, **rule: Any) -> None:  # noqa: ANN401 - the fields of a rule
        """Add a fault rule: see `braze_sandbox.state.faults.Fault` for its fields."""
        self.instance.faults.add(rule)

    def clear_faults(self) -> None:
        """Remove all fault rules."""
        self.instance.faults.clear()

    def after_request(self, path: str, callback: Callable[[Recorded], object], *, times: int | None = None) -> None:
        """Call a function after each request whose path matches a glob, before the response is sent.

        Its workspace changes appear in the next page, not in this one. `times` limits the calls; None: no limit.
        """
        self.instance.hooks.add(path, callback, times)

    def add_key(self, key: str, permissions: Iterable[str]) -> None:
        """Create an API key with only these permissions."""
        self.instance.add_key(key, permissions)

    def reset(self) -> None:
        """Restore the seed; drop records, faults, and keys."""
        self.instance.reset()
