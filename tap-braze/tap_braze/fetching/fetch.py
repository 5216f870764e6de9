"""Send many requests concurrently, and yield their responses in the order of the plan."""

from __future__ import annotations

import logging
import time
from contextlib import suppress
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any, Final, TypeAlias

from tap_braze.braze.client import BrazeError, RefusedError, StoppedError, UnavailableError
from tap_braze.braze.cursors import next_cursor
from tap_braze.fetching.ordered_pool import in_order
from tap_braze.untrusted import decode_json

if TYPE_CHECKING:
    from collections.abc import Callable, Generator, Iterable, Mapping

    from tap_braze.braze.client import Answer, Client
    from tap_braze.fetching.windows import Window

RowReader: TypeAlias = "Callable[[bytes, Mapping[str, str]], Mapping[str, bytes] | None]"

_log = logging.getLogger("tap-braze")

# How often to repeat a request whose 2xx response lacks the requested data.
_READINGS: Final = 4
_BAD_REQUEST: Final = 400


@dataclass(frozen=True)
class Request:
    """One request: its path, parameters, rate-limit pool, and the response key that holds the data.

    `tags` are fields to add to its rows because Braze does not repeat them (such as the campaign requested), and
    `window` is the range of days wanted. `otherwise` holds other parameters to try if Braze returns 400. A request with
    a `body` is a POST. `headers` replace those of the client.
    """

    path: str
    params: Mapping[str, str | list[str]]
    pool: str
    payload: str
    tags: Mapping[str, str] = field(default_factory=dict)
    window: Window | None = None
    otherwise: Mapping[str, str] | None = None
    body: bytes | None = None
    headers: Mapping[str, str] = field(default_factory=dict, repr=False)

    @property
    def method(self) -> str:
        """Return GET, or POST if there is a body."""
        return "GET" if self.body is None else "POST"


class Document(dict[str, Any]):
    """A decoded response; `cursor` points to the next page, if Braze names one in the Link header.

    If its rows stayed encoded, `encoded` holds them by their time, and nothing else is in it.
    """

    cursor: str | None = None
    encoded: Mapping[str, bytes] | None = None


def get(client: Client, request: Request, read: RowReader | None = None) -> Document:
    """Send one request and decode its response; if Braze returns 400, send its other form.

    Args:
        client: The client.
        request: The request.
        read: Returns the encoded rows of a body with the request's tags; None if the response has to be decoded.

    Raises:
        BrazeError: Braze refused it, or no response held the data after all retries.
    """
    try:
        return _get(client, request, read)
    except RefusedError as error:
        if request.otherwise is None or error.status != _BAD_REQUEST:
            raise
        with suppress(RefusedError):
            return _get(client, replace(request, params=request.otherwise), read)
        raise


def send(client: Client, request: Request) -> Answer:
    """Send one request and return its answer.

    Raises:
        BrazeError: Braze refused it, or did not answer.
    """
    return client.request(
        request.method,
        request.path,
        params=request.params,
        pool=request.pool,
        body=request.body,
        headers=request.headers,
    )


def _get(client: Client, request: Request, read: RowReader | None) -> Document:
    for reading in range(_READINGS):
        if reading:
            time.sleep(reading / 2)
        answer = send(client, request)
        if read is not None and (rows := read(answer.body, request.tags)) is not None:
            found = Document()
            found.encoded = rows
            return found
        try:
            document = decode_json(answer.body)
        except ValueError:
            continue
        # A 2xx without the data is not a valid response: during maintenance, Braze has returned "queued" this way.
        if isinstance(document, dict) and request.payload in document:
            if document.get("errors"):
                words = "; ".join(client.error_texts(answer.body))[:500]
                _log.warning("%s %s: Braze answered, with these errors: %s", request.method, request.path, words)
            found = Document(document)
            found.cursor = next_cursor(answer)
            return found
    raise UnavailableError(
        f"{request.method} {request.path}: HTTP {answer.status}, but no '{request.payload}' in the answer, "
        f"{_READINGS} times over",
        status=answer.status,
    )


def fetch_in_order(
    plan: Iterable[Request],
    client: Client,
    concurrency: int,
    tick: Callable[[], None] = lambda: None,
    read: RowReader | None = None,
) -> Generator[tuple[Request, Document | BrazeError], None, None]:
    """Send the requests of a plan, up to `concurrency` at a time, and yield their responses in the order of the plan.

    Requests are drawn from the plan at most twice `concurrency` ahead of the response yielded. A request that failed
    yields its error as the response. `tick` is called about once a second while waiting for a response. `read` is that
    of `get`.

    Raises:
        StoppedError: The client was stopped.
    """

    def fetched(request: Request) -> Document | BrazeError:
        try:
            return get(client, request, read)
        except StoppedError:  # raised in place of the response: unrelated to the request
            raise
        except BrazeError as error:
            return error

    return in_order(plan, fetched, threads=concurrency, capacity=2 * concurrency, tick=tick)
