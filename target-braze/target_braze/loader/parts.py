"""Parts of a run made from complete settings; commands without a `Loader` use them too."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any
from zoneinfo import ZoneInfo

from target_braze.braze.client import BrazeError, Client
from target_braze.braze.hosts import base_url
from target_braze.braze.windows.broker import windows_of
from target_braze.guards.canary import Canary, Limits
from target_braze.guards.consent import ConsentGuard
from target_braze.guards.live_messages import LiveMessages
from target_braze.guards.opt_outs import OptOuts
from target_braze.ledger import verify
from target_braze.ledger.file import LedgerError
from target_braze.ledger.store import Ledger
from target_braze.mapping.base.stream_mapping import Defaults
from target_braze.mapping.deletion_guard import DeletionGuard
from target_braze.reporting.dead_letters import DeadLetters

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

    from target_braze.braze.changes import Change, Request
    from target_braze.braze.client import Answer
    from target_braze.braze.windows.window import Window
    from target_braze.delivery.sender import Check
    from target_braze.records import Rejection
    from target_braze.reporting.dead_letters import Letters


def new_client(settings: Mapping[str, Any], windows: Callable[[str], Window] | None = None) -> Client:
    """Return a client for the workspace in complete settings, with the rate-limit windows that they name by default.

    Raises:
        BrazeError: The API key is not valid, or the proxy set in the environment is unusable.
    """
    return Client(
        settings["endpoint"],
        settings["api_key"],
        connections=settings["concurrency"],
        reserve=settings["rate_limit_reserve"],
        timeout=settings["request_timeout"],
        windows=windows or windows_of(settings),
    )


def mapping_defaults(settings: Mapping[str, Any]) -> Defaults:
    """Return the defaults for all streams' mappings from complete settings, with the deletion guard of one run."""
    return Defaults(
        app_id=settings.get("app_id"),
        unset_nulls=settings["nulls"] == "unset",
        update_existing_only=settings["update_existing_only"],
        zone=ZoneInfo(settings["time_zone"]),
        long_strings=settings["long_strings"],
        large_quantities=settings["large_quantities"],
        date_like_text=settings["date_like_text"],
        on_bad_value=settings["on_bad_value"],
        placeholder_ids=tuple(settings["placeholder_ids"]),
        guard=DeletionGuard(counts_users=any("max_deleted_share" in entry for entry in settings["streams"].values())),
    )


def new_dead_letters(settings: Mapping[str, Any]) -> DeadLetters:
    """Return the file of dead letters in complete settings."""
    path = Path(settings["dead_letter_path"])
    return DeadLetters(path, settings.get("max_dead_letters"), dry_run=settings["dry_run"])


def request_check(
    settings: Mapping[str, Any], client: Client, notice: Callable[[str], None], canary: Canary | None
) -> Check | None:
    """Return what looks at a request before it is sent; None if complete settings leave that out."""
    # A dry run without preflight makes no requests.
    unchecked = settings["consent"] == "send" or (settings["dry_run"] and not settings["preflight"])
    consent = None if unchecked else ConsentGuard(OptOuts(client, notice)).check
    if canary is None:
        return consent

    def check(request: Request) -> tuple[Request, list[tuple[Change, Rejection]]]:
        left, withheld = (request, []) if consent is None else consent(request)
        canary.see(left)
        return left, withheld

    return check


def canary(settings: Mapping[str, Any], client: Client, input_size: Callable[[], int | None]) -> Canary | None:
    """Return what watches the first records of each stream; None if complete settings leave it out."""
    if not settings.get("canary") or settings["dry_run"]:
        return None
    names = ("canary_max_new_profiles", "canary_max_drift", "canary_max_rejected")
    return Canary(
        settings["canary"],
        Limits(*(float(settings[name]) for name in names)),
        client=client,
        delay=float(settings["dependency_delay"]),
        input_size=input_size,
        operated=verify.operated(settings["streams"]),
    )


def live_messages(
    settings: Mapping[str, Any], client: Client, notice: Callable[[str], None], ledger: Ledger | None
) -> LiveMessages | None:
    """Return what names the live messages that a first load may start; None if complete settings leave it out."""
    if settings["dry_run"]:
        # A dry run without preflight makes no requests.
        return LiveMessages(client, notice, ledger, stops=False) if settings["preflight"] else None
    return None if settings["acknowledge_live_campaigns"] else LiveMessages(client, notice, ledger, stops=True)


def open_ledger(settings: Mapping[str, Any], client: Client) -> Ledger | None:
    """Return the ledger in complete settings, with a new run begun, and compared with Braze if they say so.

    A dry run has none.

    Raises:
        LedgerError: The ledger belongs to another workspace, is in use, or lags behind Braze.
        BrazeError: The comparison gets no answer from Braze.
    """
    if not settings.get("ledger_path") or settings["dry_run"]:
        return None
    path = Path(settings["ledger_path"])
    ledger = Ledger(path, base_url(settings["endpoint"]), synchronous=settings["ledger_synchronous"])
    try:
        ledger.begin()
        if count := settings["ledger_verify"]:
            operated = verify.operated(settings["streams"])
            verify.check(client, ledger, count, operated, settings["dependency_delay"])
    except (BrazeError, LedgerError):
        ledger.close()
        raise
    return ledger


def report_notes(settings: Mapping[str, Any], letters: Letters | None) -> Iterator[str]:
    """Yield what the reader of a run's report needs to know."""
    if settings["dry_run"]:
        yield "Dry run: nothing was sent. Data points are the most that a run can spend."
    elif letters is not None and letters.count:
        yield f"All rejected records, each with its reason: {letters.place}"
    if settings["report_values"]:
        yield "This page may contain personal data: setting 'report_values' is true."


def send(client: Client, request: Request, *, resend: bool) -> Answer:
    """Send a request and return Braze's answer, without the API key.

    Args:
        client: API client.
        request: See above.
        resend: Whether to retry when the outcome is unknown.

    Raises:
        BrazeError: The request failed.
    """
    endpoint = request.endpoint
    answer = client.request(
        endpoint.method,
        endpoint.path,
        pool=endpoint.pool,
        body=request.body(),
        resend=resend,
        check=lambda answer: endpoint.rejected(request.changes, answer),
        not_now=lambda: endpoint.not_now,
    )
    return client.redacted(answer)  # its `errors` become the reasons of rejections
