"""Start the sync of an integration of Cloud Data Ingestion."""

from __future__ import annotations

import re
from dataclasses import replace
from functools import cache
from typing import TYPE_CHECKING, Any, ClassVar, Final

from typing_extensions import override

from target_braze.braze.changes import Change, Endpoint, Semantics, always, free, latest
from target_braze.braze.endpoints import NoBody
from target_braze.mapping.base.actions import Action
from target_braze.mapping.base.settings import NAME, described, strict_object
from target_braze.mapping.columns import Field
from target_braze.mapping.values.scalars import to_id

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from target_braze.mapping.base.stream_mapping import Defaults
    from target_braze.mapping.columns import Columns
    from target_braze.mapping.identifiers import IdentifierRule

# The documented ids are UUIDs. Anything else in the path could name another endpoint.
_ID: Final = re.compile(r"[A-Za-z0-9-]+\Z", re.ASCII)


# https://www.braze.com/docs/api/endpoints/cdi/post_job_sync/. While a sync runs, Braze answers 429, and the client
# waits as it does for a rate limit: rows that arrived after that sync began need another one.
ENDPOINT: Final = NoBody(
    "/cdi/integrations/{integration_id}/sync",
    "cdi.integration_sync",
    "cdi_sync",
    ("syncs",),
    1,
    at_end_of_input=True,
    refusals=frozenset({400, 404}),
)
# A sync reads the rows that are new, so a second one finds nothing to do.
SEMANTICS: Final = Semantics(
    repeatable=always,
    counted=False,
    sends_messages=False,
    sets_attributes=False,
    moves_attributes=False,
    coalesce=latest,
    data_points=free,
    consent=None,
)


@cache
def _endpoint(integration: str) -> Endpoint:
    return replace(ENDPOINT, path=ENDPOINT.path.format(integration_id=integration))


class CdiSyncs(Action, to="cdi_syncs"):
    """One sync per integration that the records name, at the end of the input."""

    settings: ClassVar[Mapping[str, Any]] = {
        "integration": {
            **strict_object(
                {
                    "id": described(NAME, "Integration ID", "ID of the integration, the same for all records."),
                    "id_field": described(
                        NAME,
                        "Column of the integration ID",
                        "Column with the ID of the integration. Default: integration_id.",
                    ),
                },
                minProperties=1,
                maxProperties=1,
            ),
            "title": "Integration",
            "description": "The integration of Cloud Data Ingestion whose sync to start, fixed or by column. The ID is "
            "in the address of its page in the dashboard.",
        }
    }
    unsupported_keys = frozenset({"user", "rename", "types"})
    identifier_types = frozenset()
    semantics = (SEMANTICS,)
    endpoints = (ENDPOINT,)
    # A sync that ran cannot be undone.
    on_delete_actions = ("nothing",)

    def __init__(self, columns: Columns, defaults: Defaults, notice: Callable[[str], None]) -> None:
        super().__init__(columns, defaults, notice)
        self._fixed: str | None = columns.entry.get("integration", {}).get("id")
        if self._fixed is not None:
            try:
                _integration_id(self._fixed)
            except ValueError as wrong:
                raise columns.error(f"{wrong} - at {columns.at}.integration.id") from None
            return
        column = self._column("integration", "id_field", "integration_id")
        self._id = Field(column, "integration_id", columns.read_id(column, _integration_id))

    @override
    def _compile_user(self) -> list[IdentifierRule]:
        return []

    @property
    @override
    def named_by(self) -> str:
        return f"column '{self._id.column}'" if self._fixed is None else "setting integration.id"

    @override
    def _changes(self, record: Mapping[str, Any]) -> list[Change]:
        integration = self._id.required(record) if self._fixed is None else self._fixed
        user = ("integration_id", integration)
        return [Change("syncs", user, {"integration_id": integration}, SEMANTICS, _endpoint(integration))]


def _integration_id(value: object) -> str:
    text = to_id(value)
    if text and not _ID.match(text):
        raise ValueError("the ID of an integration has only letters, digits and hyphens")
    return text
