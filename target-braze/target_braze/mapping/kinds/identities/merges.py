"""Map records to merges of one user into another."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, ClassVar, Final

from typing_extensions import override

from target_braze.braze.changes import Change, Endpoint, Semantics, always, free
from target_braze.braze.endpoints import DEPENDENT
from target_braze.mapping.base.actions import Action, columns_by_kind, columns_of, prioritized
from target_braze.mapping.base.settings import IDENTIFIERS, PRIORITIZATION, described
from target_braze.mapping.identifiers import IdentifierRule, find_user
from target_braze.records import RecordError, User

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from target_braze.mapping.base.stream_mapping import Defaults
    from target_braze.mapping.columns import Columns

# https://www.braze.com/docs/api/endpoints/user_data/post_users_merge/ promises no order within a request.
ENDPOINT: Final = Endpoint(
    "/users/merge", "users.merge", "identity", ("merge_updates",), one_per_user=True, **DEPENDENT
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


class Merges(Action, to="merges"):
    """See https://www.braze.com/docs/api/endpoints/user_data/post_users_merge/."""

    settings: ClassVar[Mapping[str, Any]] = {
        "merge": described(
            IDENTIFIERS,
            "User to merge",
            "User to merge into another, who no longer exists afterwards: a list like `user`. Required.",
        ),
        "keep": described(IDENTIFIERS, "User to keep", "User to keep: a list like `user`. Required."),
        "prioritization": PRIORITIZATION,
    }
    unsupported_keys = frozenset({"user", "rename"})
    identifier_types = frozenset({"external_id", "user_alias", "email", "phone"})
    semantics = (SEMANTICS,)
    endpoints = (ENDPOINT,)
    on_delete_actions = ("nothing",)

    def __init__(self, columns: Columns, defaults: Defaults, notice: Callable[[str], None]) -> None:
        super().__init__(columns, defaults, notice)
        self._merge = self._compile_users("merge", self.identifier_types, default=False)
        self._keep = self._compile_users("keep", self.identifier_types, default=False)
        # The merged user is anonymous and the kept one is known; if several match, Braze merges none.
        given = columns.entry.get("prioritization")
        self._prioritization = (given or ["unidentified"], given or ["identified"])
        self._report_unused(columns_of(self._merge, self._keep))

    @override
    def _compile_user(self) -> list[IdentifierRule]:
        return []

    @property
    @override
    def sources(self) -> Mapping[str, tuple[str, ...]]:
        parts = {"identifier_to_merge": self._merge, "identifier_to_keep": self._keep}
        return {
            f"{part}.{kind}": columns
            for part, rules in parts.items()
            for kind, columns in columns_by_kind(rules).items()
        }

    @override
    def _changes(self, record: Mapping[str, Any]) -> list[Change]:
        goes = self._one(self._merge, record, "merge")
        stays = self._one(self._keep, record, "keep")
        fields = {
            "identifier_to_merge": prioritized(goes, self._prioritization[0]),
            "identifier_to_keep": prioritized(stays, self._prioritization[1]),
        }
        if fields["identifier_to_merge"] == fields["identifier_to_keep"]:
            raise RecordError("it would merge a user into itself")
        return [Change("merge_updates", stays, fields, SEMANTICS, ENDPOINT, others=(goes,))]

    @staticmethod
    def _one(rules: list[IdentifierRule], record: Mapping[str, Any], what: str) -> User:
        try:
            return find_user(rules, record)[0]
        except RecordError as error:
            raise RecordError(f"user to {what}: {error}") from None
