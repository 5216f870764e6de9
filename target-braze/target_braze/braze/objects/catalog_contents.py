"""Compare selections, fields and catalogs that a run creates or deletes with those in Braze."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any

from target_braze.braze.objects import catalogs
from target_braze.braze.objects.named_objects import Difference, Reader, equal
from target_braze.records import RecordError

if TYPE_CHECKING:
    from collections.abc import Mapping

    from target_braze.braze.changes import Change
    from target_braze.braze.client import Client
    from target_braze.records import User


@dataclass(frozen=True)
class CatalogContents:
    """Catalogs, their fields and their selections, as the list of catalogs shows them."""

    def reader(self, client: Client) -> Reader:
        """Return what compares changes with the catalogs in Braze."""
        return _Reader(client)


class _Reader:
    """The catalogs of the workspace, listed once."""

    def __init__(self, client: Client) -> None:
        self._client = client
        # What Braze will have of these is not known before the end of the run.
        self._changed: set[User] = set()

    @cached_property
    def _catalogs(self) -> Mapping[str, Mapping[str, Any]]:
        return {one["name"]: one for one in catalogs.listed(self._client)}

    def compare(self, change: Change) -> Difference | None:
        """Return what the change creates or deletes, or None if there is nothing to do.

        Its `user` is the type of the object, the catalog, and the name of the field or selection.

        Raises:
            RecordError: The selection exists and is another one, which Braze cannot change.
            BrazeError: The request failed.
        """
        found = self._difference(change)
        if found is not None:
            self._changed.add(change.user)
        return found

    def _difference(self, change: Change) -> Difference | None:
        kind, catalog, *names = change.user
        changed = change.user in self._changed
        there = self._catalogs.get(catalog)
        if there is not None and not names:
            return Difference("catalog", catalog, f"deleted with all its items ({there.get('num_items', 0):,})", {})
        found = None if there is None else _named(there, kind, *names)
        title = f"catalog '{catalog}': {kind.removeprefix('catalog_')}"
        if change.endpoint.method == "DELETE":
            return Difference(title, names[0], "deleted", {}) if found or changed else None
        if found is None or changed:
            return Difference(title, names[0], "created", {key: (None, one) for key, one in change.fields.items()})
        for key, value in change.fields.items():
            if key in found and not equal(found[key], value):
                raise RecordError(
                    f"{title} '{names[0]}' exists with another '{key}', and Braze cannot change selections; delete it "
                    "in Braze first, or give this one another name"
                )
        return None


def _named(catalog: Mapping[str, Any], kind: str, name: str = "") -> Mapping[str, Any] | None:
    rows = catalog.get("fields" if kind == "catalog_field" else "selections") or ()
    return next((one for one in rows if isinstance(one, dict) and one.get("name") == name), None)
