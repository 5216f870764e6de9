"""Map records to identifications: the user that an alias, email address or phone number belongs to."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, ClassVar, Final

from typing_extensions import override

from target_braze.braze import counts
from target_braze.braze.changes import Change, Endpoint, Semantics, always, free
from target_braze.braze.endpoints import DEPENDENT
from target_braze.mapping.base.actions import Action, columns_by_kind, columns_of, prioritized
from target_braze.mapping.base.settings import IDENTIFIERS, PRIORITIZATION, described
from target_braze.mapping.identifiers import find_user, identifier

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from target_braze.mapping.base.stream_mapping import Defaults
    from target_braze.mapping.columns import Columns

_ARRAYS: Final = {
    "user_alias": "aliases_to_identify",
    "email": "emails_to_identify",
    "phone": "phone_numbers_to_identify",
}


# https://www.braze.com/docs/api/endpoints/user_data/post_user_identify/
ENDPOINT: Final = Endpoint(
    "/users/identify",
    "users.identify",
    "identity",
    ("aliases_to_identify", "emails_to_identify", "phone_numbers_to_identify"),
    one_array_per_request=True,
    count_mismatches=counts.alias_mismatches,
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


class Identifications(Action, to="identifications"):
    """See https://www.braze.com/docs/api/endpoints/user_data/post_user_identify/."""

    settings: ClassVar[Mapping[str, Any]] = {
        "identify": described(
            IDENTIFIERS,
            "Identifiers to connect",
            "Alias, email or phone that belongs to the user: a list like `user`. Default: the columns alias_name with "
            "alias_label, email, phone.",
        ),
        "prioritization": PRIORITIZATION,
    }
    unsupported_keys = frozenset({"rename"})
    identifier_types = frozenset({"external_id"})
    semantics = (SEMANTICS,)
    endpoints = (ENDPOINT,)
    on_delete_actions = ("nothing",)

    def __init__(self, columns: Columns, defaults: Defaults, notice: Callable[[str], None]) -> None:
        super().__init__(columns, defaults, notice)
        self._profiles = self._compile_users("identify", _ARRAYS)
        # If there are several anonymous profiles, take none rather than an arbitrary one.
        self._prioritization = columns.entry.get("prioritization", ["unidentified"])
        self._report_unused(columns_of(self._identifier_rules, self._profiles))

    @property
    @override
    def sources(self) -> Mapping[str, tuple[str, ...]]:
        return columns_by_kind(self._profiles)

    @override
    def _changes(self, record: Mapping[str, Any]) -> list[Change]:
        user = self._user(record)
        profile, _ = find_user(self._profiles, record)
        fields = {**identifier(user), **prioritized(profile, self._prioritization)}
        return [Change(_ARRAYS[profile[0]], user, fields, SEMANTICS, ENDPOINT, others=(profile,))]
