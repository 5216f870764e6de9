"""Map records to renames of external IDs or removals of deprecated ones."""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Any, ClassVar, Final

from typing_extensions import override

from target_braze.braze import answers, counts
from target_braze.braze.changes import Change, Endpoint, Semantics, always, free
from target_braze.braze.endpoints import DEPENDENT, Identifiers
from target_braze.braze.error_texts import error_text
from target_braze.mapping.base.actions import Action
from target_braze.mapping.base.settings import NAME, described, strict_object
from target_braze.mapping.identifiers import IdentifierRule, find_user, identifier
from target_braze.records import RecordError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence

    from target_braze.mapping.base.stream_mapping import Defaults
    from target_braze.mapping.columns import Columns


@dataclass(frozen=True, eq=False)
class _Answering(Endpoint):
    """An endpoint that lists refused changes under the key `errors_in`, as arrays of an index and the reason.

    The documentation promises an array of arrays with an index. Objects with an index are also accepted, and an entry
    of any other form applies to all changes.
    """

    errors_in: str = ""

    @override
    def _refusals(self, changes: Sequence[Change], document: object) -> Iterator[tuple[Sequence[Change], str]]:
        yield from super()._refusals(changes, document)
        for error in answers.entries(document, self.errors_in):
            index, *reasons = error if isinstance(error, list) and error else [None, error]
            known = changes[index : index + 1] if type(index) is int and index >= 0 else ()
            reason = ", ".join(map(error_text, reasons))
            yield known or self._named(changes, error), reason or f"it is among '{self.errors_in}'"


@dataclass(frozen=True, eq=False)
class _Removals(_Answering, Identifiers):
    """An endpoint that accepts bare identifiers and lists the refused ones."""


# https://www.braze.com/docs/api/endpoints/external_id_migration/
RENAME: Final = _Answering(
    "/users/external_ids/rename",
    "users.external_ids.rename",
    "external_ids",
    ("external_id_renames",),
    one_per_user=True,
    errors_in="rename_errors",
    count_mismatches=partial(counts.listed_mismatches, "external_ids"),
    **DEPENDENT,
)
REMOVE: Final = _Removals(
    "/users/external_ids/remove",
    "users.external_ids.remove",
    "external_ids",
    ("external_ids",),
    errors_in="removal_errors",
    count_mismatches=partial(counts.listed_mismatches, "removed_ids"),
    **DEPENDENT,
)

SEMANTICS: Final = Semantics(
    repeatable=always,
    counted=False,
    sends_messages=False,
    sets_attributes=False,
    moves_attributes=True,
    coalesce=None,
    data_points=free,
    consent=None,
)


class ExternalIds(Action, to="external_ids"):
    """See https://www.braze.com/docs/api/endpoints/external_id_migration/."""

    settings: ClassVar[Mapping[str, Any]] = {
        "external_ids": {
            **strict_object(
                {
                    "current": described(
                        NAME,
                        "Current external ID",
                        "Column with the external ID that the user has. Default: current_external_id.",
                    ),
                    "new": described(
                        NAME,
                        "New external ID",
                        "Column with the external ID that replaces it. Default: new_external_id.",
                    ),
                    "remove": described(
                        NAME, "External ID to remove", "Column with a deprecated external ID to remove."
                    ),
                },
                minProperties=1,
            ),
            "not": {"anyOf": [{"required": ["remove", "current"]}, {"required": ["remove", "new"]}]},
            "title": "External IDs",
            "description": "Columns of the `current` external ID and the `new` one, or of a deprecated external ID "
            "to `remove`. Default: current_external_id and new_external_id.",
        },
    }
    unsupported_keys = frozenset({"user", "rename"})
    identifier_types = frozenset({"external_id"})
    semantics = (SEMANTICS,)
    endpoints = (RENAME, REMOVE)
    on_delete_actions = ("nothing",)

    @classmethod
    @override
    def endpoints_for(cls, entry: Mapping[str, Any]) -> tuple[Endpoint, ...]:
        return (REMOVE,) if "remove" in entry.get("external_ids", {}) else (RENAME,)

    def __init__(self, columns: Columns, defaults: Defaults, notice: Callable[[str], None]) -> None:
        super().__init__(columns, defaults, notice)
        self._new: IdentifierRule | None = None
        if "remove" in columns.entry.get("external_ids", {}):
            self._current = self._external_id("external_ids", self._column("external_ids", "remove", ""))
            self._report_unused(self._current.columns)
            return
        current = self._column("external_ids", "current", "current_external_id")
        new = self._column("external_ids", "new", "new_external_id")
        self._current, self._new = (self._external_id("external_ids", column) for column in (current, new))
        self._report_unused((current, new))

    @override
    def _compile_user(self) -> list[IdentifierRule]:
        return []

    @property
    @override
    def sources(self) -> Mapping[str, tuple[str, ...]]:
        if self._new is None:
            return {"external_id": (self._current.column,)}
        return {"current_external_id": (self._current.column,), "new_external_id": (self._new.column,)}

    @override
    def _changes(self, record: Mapping[str, Any]) -> list[Change]:
        user, _ = find_user([self._current], record)
        if self._new is None:
            return [Change("external_ids", user, identifier(user), SEMANTICS, REMOVE)]
        new, _ = find_user([self._new], record)
        if new == user:
            raise RecordError(f"column '{self._new.column}': the new external ID is the current one")
        fields = {"current_external_id": user[1], "new_external_id": new[1]}
        return [Change("external_id_renames", user, fields, SEMANTICS, RENAME, others=(new,))]
