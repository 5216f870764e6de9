"""Sends many requests at a time, and yields their answers in the order of the plan."""

from __future__ import annotations

import logging
import time
from contextlib import suppress
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any, Final

from tap_braze.braze.client import BrazeError, RefusedError, StoppedError, UnavailableError
from tap_braze.braze.cursors import next_cursor
from tap_braze.fetching.ordered_pool import in_order
from tap_braze.untrusted import decode_json

if TYPE_CHECKING:
    from collections.abc import Callable, Generator, Iterable, Mapping

    from tap_braze.braze.client import Client
    from tap_braze.fetching.windows import Window

_log = logging.getLogger("tap-braze")

# How often a 2xx answer that does not hold what was asked for is asked for again.
_READINGS: Final = 4
_BAD_REQUEST: Final = 400


@dataclass(frozen=True)
class Request:
    """One request: where, with which parameters, in which rate-limit pool, and the key of its answer with the data.

    `tags` are the fields that its rows get because Braze does not repeat them (the campaign asked for, say), and
    `window` the days that are wanted of it. `otherwise` are other parameters, for the case that Braze answers 400. One
    with a `body` is a POST.
    """

    path: str
    params: Mapping[str, str | list[str]]
    pool: str
    payload: str
    tags: Mapping[str, str] = field(default_factory=dict)
    window: Window | None = None
    otherwise: Mapping[str, str] | None = None
    body: bytes | None = None

    @property
    def method(self) -> str:
        """GET, or POST with a body."""
        return "GET" if self.body is None else "POST"


class Document(dict[str, Any]):
    """A decoded answer; `cursor` is that of the next page, where Braze names one in the Link header."""

    cursor: str | None = None


def get(client: Client, request: Request) -> Document:
    """Send one request and decode its answer; if Braze answers 400, send its other form.

    Raises:
        BrazeError: Braze refused it, or no answer held the data after all retries.
    """
    try:
        return _get(client, request)
    except RefusedError as error:
        if request.otherwise is None or error.status != _BAD_REQUEST:
            raise
        with suppress(RefusedError):
            return _get(client, replace(request, params=request.otherwise))
        raise


def _get(client: Client, request: Request) -> Document:
    for reading in range(_READINGS):
        if reading:
            time.sleep(reading / 2)
        answer = client.request(
            request.method, request.path, params=request.params, pool=request.pool, body=request.body
        )
        try:
            document = decode_json(answer.body)
        except ValueError:
            continue
        # A 2xx without the data is no answer: in times of maintenance Braze has said "queued" so.
        if isinstance(document, dict) and request.payload in document:
            if document.get("errors"):
                words = "; ".join(client.error_texts(answer.body))[:500]
                _log.warning("%s %s: Braze answered, but adds: %s", request.method, request.path, words)
            found = Document(document)
            found.cursor = next_cursor(answer)
            return found
    raise UnavailableError(
        f"{request.method} {request.path}: HTTP {answer.status}, but no '{request.payload}' in the answer, "
        f"{_READINGS} times over",
        status=answer.status,
    )


def fetch_in_order(
    plan: Iterable[Request], client: Client, concurrency: int, tick: Callable[[], None] = lambda: None
) -> Generator[tuple[Request, Document | BrazeError], None, None]:
    """Send the requests of a plan, up to `concurrency` at a time, and yield their answers in the order of the plan.

    Requests are drawn from the plan at most twice `concurrency` ahead of the answer yielded. A request that failed
    yields its error as the answer. `tick` is called about once a second while an answer is awaited.

    Raises:
        StoppedError: The client was stopped.
    """

    def fetched(request: Request) -> Document | BrazeError:
        try:
            return get(client, request)
        except StoppedError:  # raised where the answer would come: it says nothing of the request
            raise
        except BrazeError as error:
            return error

    return in_order(plan, fetched, threads=concurrency, capacity=2 * concurrency, tick=tick)
