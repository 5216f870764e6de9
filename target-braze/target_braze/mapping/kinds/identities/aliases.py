"""Map records to aliases of users, or to new names of aliases."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any, ClassVar, Final

from typing_extensions import override

from target_braze.braze import counts
from target_braze.braze.changes import Change, Endpoint, Semantics, always, free
from target_braze.braze.endpoints import DEPENDENT
from target_braze.mapping.base.actions import Action, columns_of
from target_braze.mapping.base.settings import NAME, described, strict_object
from target_braze.mapping.identifiers import ALIAS_COLUMNS, IdentifierRule, compile_user, identifier
from target_braze.records import RecordError

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from target_braze.mapping.base.stream_mapping import Defaults
    from target_braze.mapping.columns import Columns

# https://www.braze.com/docs/api/endpoints/user_data/post_user_alias/
ENDPOINT: Final = Endpoint(
    "/users/alias/new",
    "users.alias.new",
    "identity",
    ("user_aliases",),
    count_mismatches=counts.alias_mismatches,
    **DEPENDENT,
)
# An alias without a user yet. It depends on no earlier change, and if Braze already has it, nothing changes.
INTRODUCE: Final = replace(ENDPOINT, seconds_after_others=0.0)
# https://www.braze.com/docs/api/endpoints/user_data/post_users_alias_update/ promises no order within a request.
UPDATE: Final = Endpoint(
    "/users/alias/update", "users.alias.update", "identity", ("alias_updates",), one_per_user=True, **DEPENDENT
)
ENDPOINTS: Final = (ENDPOINT, INTRODUCE, UPDATE)
SEMANTICS: Final = Semantics(
    repeatable=always,
    counted=False,
    sends_messages=False,
    sets_attributes=False,
    moves_attributes=False,
    coalesce=None,
    data_points=free,
    consent=None,
)
UPDATE_SEMANTICS: Final = Semantics(
    repeatable=always,
    counted=False,
    sends_messages=False,
    sets_attributes=False,
    moves_attributes=True,
    coalesce=None,
    data_points=free,
    consent=None,
)


class Aliases(Action, to="aliases"):
    """See https://www.braze.com/docs/api/endpoints/user_data/post_user_alias/ and .../post_users_alias_update/."""

    settings: ClassVar[Mapping[str, Any]] = {
        "alias": {
            **strict_object(
                {
                    "name": described(NAME, "Alias name", "Column with the name of the alias. Default: alias_name."),
                    "label": described(NAME, "Alias label", "Label of the alias, the same for all records."),
                    "label_field": described(
                        NAME, "Column of the alias label", "Column with the label of the alias. Default: alias_label."
                    ),
                    "old_name": described(
                        NAME,
                        "Old alias name",
                        "Column with the name that `name` replaces, if the record has one. Default: old_alias_name.",
                    ),
                },
                minProperties=1,
            ),
            "not": {"required": ["label", "label_field"]},
            "title": "Alias",
            "description": "Columns of the alias. Default: alias_name, alias_label and, if present, old_alias_name.",
        },
    }
    unsupported_keys = frozenset({"rename"})
    identifier_types = frozenset({"external_id"})
    semantics = (SEMANTICS, UPDATE_SEMANTICS)
    endpoints = ENDPOINTS
    on_delete_actions = ("nothing",)

    def __init__(self, columns: Columns, defaults: Defaults, notice: Callable[[str], None]) -> None:
        super().__init__(columns, defaults, notice)
        given: Mapping[str, str] = columns.entry.get("alias", {})
        # Use the pair that the stream has, or else require the first one, as in Braze's API.
        name, label_name = next((names for names in ALIAS_COLUMNS if names[0] in columns), ALIAS_COLUMNS[0])
        label = (
            {"label": given["label"]}
            if "label" in given
            else {"label_field": self._column("alias", "label_field", label_name)}
        )
        self._alias = self._compile_alias(self._column("alias", "name", name), label)
        self._old: IdentifierRule | None = None
        if "old_name" in given or "old_alias_name" in columns:
            self._old = self._compile_alias(self._column("alias", "old_name", "old_alias_name"), label)
        old = [self._old] if self._old else []
        self._report_unused(columns_of(self._identifier_rules, [self._alias], old))

    @override
    def _compile_user(self) -> list[IdentifierRule]:
        # An alias without a user creates a profile with only the alias.
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
            raise RecordError(f"it names no alias: one of these columns is blank: {', '.join(self._alias.columns)}")
        _, label, name = alias
        old = None if self._old is None else self._old.user(record)
        if old is not None and old != alias:
            names = {"alias_label": label, "old_alias_name": old[2], "new_alias_name": name}
            return [Change("alias_updates", old, names, UPDATE_SEMANTICS, UPDATE, others=(alias,))]
        user = next((found for rule in self._identifier_rules if (found := rule.user(record))), None)
        fields = {"alias_name": name, "alias_label": label}
        if user is None:
            return [Change("user_aliases", alias, fields, SEMANTICS, ENDPOINT)]
        fields = {**identifier(user), **fields}
        return [Change("user_aliases", user, fields, SEMANTICS, ENDPOINT, others=(alias,))]

    def _compile_alias(self, name: str, label: Mapping[str, str]) -> IdentifierRule:
        columns = self._columns
        entry = [{"user_alias": {"name": name, **label}}]
        found = compile_user(columns.stream, entry, columns.names, self._defaults.placeholder_ids, "alias")
        columns.check_identifiers(found)
        return found[0]
