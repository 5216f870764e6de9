"""Records that say who users are: their aliases, whom an alias or address belongs to, who is the same, external ids."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from typing_extensions import override

from target_braze.braze.endpoints import ALIAS_NEW, IDENTIFY, MERGE
from target_braze.braze.user_endpoints import ALIAS_UPDATE, REMOVE, RENAME
from target_braze.mapping.identifiers import ALIAS_COLUMNS, Candidate, compile_user, find_user, identifier
from target_braze.mapping.kinds.actions import Step, columns_by_kind, columns_of, prioritized
from target_braze.records import Change, RecordError

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from target_braze.mapping.columns import Columns
    from target_braze.mapping.kinds.base import Defaults
    from target_braze.records import User

_ARRAYS: Final = {
    "user_alias": "aliases_to_identify",
    "email": "emails_to_identify",
    "phone": "phone_numbers_to_identify",
}


class Aliases(Step):
    """https://www.braze.com/docs/api/endpoints/user_data/post_user_alias/ and .../post_users_alias_update/."""

    to = "aliases"
    kind = "user_aliases"
    keys = frozenset({"alias"})
    lacks = frozenset({"rename"})
    users = frozenset({"external_id"})

    def __init__(self, columns: Columns, defaults: Defaults, notice: Callable[[str], None]) -> None:
        super().__init__(columns, defaults, notice)
        given: Mapping[str, str] = columns.entry.get("alias", {})
        # Both are there, or the first in Braze's API is asked for.
        name, label_name = next((names for names in ALIAS_COLUMNS if names[0] in columns), ALIAS_COLUMNS[0])
        label = (
            {"label": given["label"]}
            if "label" in given
            else {"label_field": self._column("alias", "label_field", label_name)}
        )
        self._alias = self._compile_alias(self._column("alias", "name", name), label)
        self._old: Candidate | None = None
        if "old_name" in given or "old_alias_name" in columns:
            self._old = self._compile_alias(self._column("alias", "old_name", "old_alias_name"), label)
        old = [self._old] if self._old else []
        self._note_unused(columns_of(self._candidates, [self._alias], old))

    @override
    def _compile_user(self) -> list[Candidate]:
        # An alias of nobody makes a profile that has nothing but the alias.
        nobody = "user" not in self._columns.entry and "external_id" not in self._columns
        return [] if nobody else super()._compile_user()

    @property
    @override
    def sources(self) -> Mapping[str, tuple[str, ...]]:
        name, label = (self._alias.column,), self._alias.label_column
        found = {"alias_name": name, "new_alias_name": name} | ({"alias_label": (label,)} if label else {})
        return found | ({"old_alias_name": (self._old.column,)} if self._old else {})

    @override
    def _changes(self, record: Mapping[str, Any]) -> list[Change]:
        alias = self._alias.user(record)
        if alias is None:
            raise RecordError(f"it names no alias: blank is one of these columns: {', '.join(self._alias.columns)}")
        _, label, name = alias
        old = None if self._old is None else self._old.user(record)
        if old is not None and old != alias:
            names = {"alias_label": label, "old_alias_name": old[2], "new_alias_name": name}
            return [Change("alias_updates", old, names, endpoint=ALIAS_UPDATE, others=(alias,))]
        user = next((found for candidate in self._candidates if (found := candidate.user(record))), None)
        fields = {"alias_name": name, "alias_label": label}
        if user is None:
            return [Change(self.kind, alias, fields, endpoint=ALIAS_NEW)]
        return [Change(self.kind, user, {**identifier(user), **fields}, endpoint=ALIAS_NEW, others=(alias,))]

    def _compile_alias(self, name: str, label: Mapping[str, str]) -> Candidate:
        columns = self._columns
        entry = [{"user_alias": {"name": name, **label}}]
        found = compile_user(columns.stream, entry, columns.names, self._defaults.placeholder_ids, "alias")
        columns.check_identifiers(found)
        return found[0]


class Identifications(Step):
    """https://www.braze.com/docs/api/endpoints/user_data/post_user_identify/."""

    to = "identifications"
    kind = "aliases_to_identify"
    keys = frozenset({"identify", "prioritization"})
    lacks = frozenset({"rename"})
    users = frozenset({"external_id"})

    def __init__(self, columns: Columns, defaults: Defaults, notice: Callable[[str], None]) -> None:
        super().__init__(columns, defaults, notice)
        self._whom = self._compile_users("identify", _ARRAYS)
        # Of several anonymous profiles none is taken, rather than one by chance.
        self._prioritization = columns.entry.get("prioritization", ["unidentified"])
        self._note_unused(columns_of(self._candidates, self._whom))

    @property
    @override
    def sources(self) -> Mapping[str, tuple[str, ...]]:
        return columns_by_kind(self._whom)

    @override
    def _changes(self, record: Mapping[str, Any]) -> list[Change]:
        user = self._user(record)
        whom, _ = find_user(self._whom, record)
        fields = {**identifier(user), **prioritized(whom, self._prioritization)}
        return [Change(_ARRAYS[whom[0]], user, fields, endpoint=IDENTIFY, others=(whom,))]


class Merges(Step):
    """https://www.braze.com/docs/api/endpoints/user_data/post_users_merge/."""

    to = "merges"
    kind = "merge_updates"
    keys = frozenset({"merge", "keep", "prioritization"})
    lacks = frozenset({"user", "rename"})
    users = frozenset({"external_id", "user_alias", "email", "phone"})

    def __init__(self, columns: Columns, defaults: Defaults, notice: Callable[[str], None]) -> None:
        super().__init__(columns, defaults, notice)
        self._merge = self._compile_users("merge", self.users, default=False)
        self._keep = self._compile_users("keep", self.users, default=False)
        # Who goes is anonymous and who stays is known; where that leaves several, Braze merges none.
        given = columns.entry.get("prioritization")
        self._prioritization = (given or ["unidentified"], given or ["identified"])
        self._note_unused(columns_of(self._merge, self._keep))

    @override
    def _compile_user(self) -> list[Candidate]:
        return []

    @property
    @override
    def sources(self) -> Mapping[str, tuple[str, ...]]:
        parts = {"identifier_to_merge": self._merge, "identifier_to_keep": self._keep}
        return {
            f"{part}.{kind}": columns
            for part, candidates in parts.items()
            for kind, columns in columns_by_kind(candidates).items()
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
            raise RecordError("it would merge a user with itself")
        return [Change(self.kind, stays, fields, endpoint=MERGE, others=(goes,))]

    @staticmethod
    def _one(candidates: list[Candidate], record: Mapping[str, Any], what: str) -> User:
        try:
            return find_user(candidates, record)[0]
        except RecordError as error:
            raise RecordError(f"whom to {what}: {error}") from None


class ExternalIds(Step):
    """https://www.braze.com/docs/api/endpoints/external_id_migration/."""

    to = "external_ids"
    kind = "external_id_renames"
    keys = frozenset({"external_ids"})
    lacks = frozenset({"user", "rename"})
    users = frozenset({"external_id"})

    def __init__(self, columns: Columns, defaults: Defaults, notice: Callable[[str], None]) -> None:
        super().__init__(columns, defaults, notice)
        self._new: Candidate | None = None
        if "remove" in columns.entry.get("external_ids", {}):
            self._current = self._external_id("external_ids", self._column("external_ids", "remove", ""))
            self._note_unused(self._current.columns)
            return
        current = self._column("external_ids", "current", "current_external_id")
        new = self._column("external_ids", "new", "new_external_id")
        self._current, self._new = (self._external_id("external_ids", column) for column in (current, new))
        self._note_unused((current, new))

    @override
    def _compile_user(self) -> list[Candidate]:
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
            return [Change("external_ids", user, identifier(user), endpoint=REMOVE)]
        new, _ = find_user([self._new], record)
        if new == user:
            raise RecordError(f"column '{self._new.column}': the new external id is the current one")
        fields = {"current_external_id": user[1], "new_external_id": new[1]}
        return [Change(self.kind, user, fields, endpoint=RENAME, others=(new,))]
