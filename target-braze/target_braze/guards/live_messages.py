"""Live messages: campaigns and Canvases that the first load of a stream may start, until somebody acknowledges them.

Their details say that they start when somebody does or becomes something, but not what:
https://www.braze.com/docs/api/endpoints/export/campaigns/get_campaign_details/ and
https://www.braze.com/docs/api/endpoints/export/canvas/get_canvas_details/. So each of them may start.
"""

from __future__ import annotations

import logging
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from typing import TYPE_CHECKING, Any, Final, NamedTuple

from target_braze.braze import answers
from target_braze.braze.client import ForbiddenError, RefusedError, UnauthorizedError
from target_braze.records import GuardError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from target_braze.braze.client import Client
    from target_braze.ledger.store import Ledger
    from target_braze.mapping.base.stream_mapping import StreamMapping

_log = logging.getLogger("target-braze")

# What starts without anybody doing something. The values are not documented, so any other may start.
_STARTS_OTHERWISE: Final = frozenset({"time_based", "api_triggered"})
_PER_PAGE: Final = 100
# Details to request of each kind, those edited last first; the others may start as well.
_DETAILS: Final = 500
_AT_ONCE: Final = 8
# Names in an error; the log has all.
_NAMED: Final = 5


class _Kind(NamedTuple):
    title: str
    path: str
    list_path: str
    key: str
    id_key: str


_KINDS: Final = (
    _Kind("campaign", "/campaigns/details", "/campaigns/list", "campaigns", "campaign_id"),
    _Kind("Canvas", "/canvas/details", "/canvas/list", "canvases", "canvas_id"),
)
_PERMISSIONS: Final = "campaigns.list, campaigns.details, canvas.list and canvas.details"


class LiveMessages:
    """Checks streams before their first record. The workspace is read once, when the first stream needs it.

    Args:
        client: API client.
        notice: Called with a warning if the API key may not read campaigns or Canvases.
        ledger: Knows the streams that earlier runs have loaded. Without a ledger, each run is a first load.
        stops: Raise an error instead of only naming the messages.
    """

    def __init__(self, client: Client, notice: Callable[[str], None], ledger: Ledger | None, *, stops: bool) -> None:
        self._client = client
        self._notice = notice
        self._ledger = ledger
        self._stops = stops
        self._found: list[str] | None = None

    def check(self, stream: str, mapping: StreamMapping) -> None:
        """Name the live messages that the first load of a stream may start.

        Raises:
            GuardError: There are some.
            BrazeError: A request failed.
        """
        if not mapping.may_start_messages or (self._ledger is not None and self._ledger.has_loaded(stream)):
            return
        if self._found is None:
            self._found = self._read()
            if self._found:
                names = ", ".join(self._found)
                _log.warning("live messages that may start when users change or do something: %s", names)
        if not self._found:
            return
        some = ", ".join(self._found[:_NAMED]) + (", ..." if len(self._found) > _NAMED else "")
        text = (
            f"stream '{stream}': {len(self._found):,} live campaigns and Canvases may start with this first load: "
            f"{some}. Braze does not show what starts them. Pause those that must not send, then set "
            "'acknowledge_live_campaigns' to true"
        )
        if self._stops:
            raise GuardError(f"{text}. Nothing of this stream was sent")
        self._notice(text)

    def _read(self) -> list[str]:
        try:
            with ThreadPoolExecutor(_AT_ONCE, thread_name_prefix="live-messages") as threads:
                return [name for kind in _KINDS for name in self._live(kind, threads)]
        except (ForbiddenError, UnauthorizedError) as error:
            self._notice(
                f"the live campaigns and Canvases that this load may start are not known: {error}. Use a key with the "
                f"permissions {_PERMISSIONS}, or set 'acknowledge_live_campaigns' to true if you know them"
            )
            return []

    def _live(self, kind: _Kind, threads: ThreadPoolExecutor) -> Iterator[str]:
        listed = sorted(self._list(kind), key=lambda one: str(one.get("last_edited") or ""), reverse=True)
        # API campaigns only send when a request says so.
        candidates = [one for one in listed if one.get("is_api_campaign") is not True]
        details = threads.map(partial(self._is_live, kind), candidates[:_DETAILS])
        for one, is_live in zip(candidates[:_DETAILS], details, strict=True):
            if is_live:
                yield f"{kind.title} '{one.get('name')}'"
        if left := len(candidates) - _DETAILS:
            yield from [f"{left:,} more, whose details were not read ({kind.title})"] if left > 0 else []

    def _list(self, kind: _Kind) -> Iterator[dict[str, Any]]:
        listed = partial(answers.listed, f"GET {kind.list_path}", kind.key)
        page = 0
        while True:
            answer = self._client.request("GET", kind.list_path, params={"page": str(page)}, check=listed)
            rows = listed(answer)
            yield from rows
            # Pages shift if a message is archived meanwhile; one that was just edited is on a later page.
            if len(rows) < _PER_PAGE:
                return
            page += 1

    def _is_live(self, kind: _Kind, listed: dict[str, Any]) -> bool:
        read = partial(answers.success, f"GET {kind.path}", success_key="name")
        try:
            details = read(self._client.request("GET", kind.path, params={kind.id_key: str(listed["id"])}, check=read))
        except RefusedError:
            return True  # nobody knows
        is_off = details.get("draft") is True or details.get("archived") is True or details.get("enabled") is False
        return not is_off and details.get("schedule_type") not in _STARTS_OTHERWISE
