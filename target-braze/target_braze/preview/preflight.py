"""Preflight: compare the attributes that a stream will set with those in Braze, to detect what Braze would drop.

https://www.braze.com/docs/api/endpoints/export/custom_attributes/get_custom_attributes/
"""

from __future__ import annotations

import re
from functools import partial
from typing import TYPE_CHECKING, Final

from target_braze.braze import answers
from target_braze.braze.client import ForbiddenError, RefusedError
from target_braze.braze.cursors import next_cursor

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from target_braze.braze.client import Client

# Of the values of `data_type`, only `Number` is documented. Do not compare types that are not listed here.
TYPES: Final = {
    re.sub(r"\W", "", name).lower(): name
    for name in ("String", "Number", "Boolean", "Time", "Array", "Object", "Object Array")
}
_PATH: Final = "/custom_attributes"

_read: Final = partial(answers.success, f"GET {_PATH}", success_key="attributes")


class Preflight:
    """The attributes of a workspace, requested once, when the first stream is compared with them."""

    def __init__(self, client: Client) -> None:
        self._client = client
        self._known: dict[str, tuple[str | None, str]] | None = None

    def doubts(self, types: Mapping[str, str | None]) -> Iterator[str]:
        """Yield a warning for each attribute that Braze would drop. `types` by name; None if a type is not known."""
        if self._known is None:
            try:
                self._known = self._read()
            except (ForbiddenError, RefusedError) as error:
                self._known = {}
                yield (
                    f"preflight: {error}. Attributes are not compared, because that needs the permission "
                    "custom_attributes.get"
                )
        for name, wanted in types.items():
            kind, status = self._known.get(name, (None, "Active"))
            if status.lower() != "active":
                yield f"attribute '{name}' is {status.lower()} in Braze, which discards its values"
            elif kind and wanted and kind != wanted:
                yield (
                    f"attribute '{name}' would be sent as {wanted}, but its type in Braze is {kind}, and Braze ignores "
                    "values that it cannot convert. Set its type in 'types', or another name in 'rename'"
                )

    def _read(self) -> dict[str, tuple[str | None, str]]:
        found: dict[str, tuple[str | None, str]] = {}
        cursor: str | None = None
        while True:
            params = {"cursor": cursor} if cursor else None
            answer = self._client.request("GET", _PATH, pool="exports by the hour", params=params, check=_read)
            for attribute in _read(answer).get("attributes", []):
                kind = TYPES.get(re.sub(r"[\W_]", "", str(attribute.get("data_type"))).lower())
                found[attribute["name"]] = kind, attribute.get("status") or "Active"
            after = next_cursor(answer)
            if after is None or after == cursor:
                return found
            cursor = after
