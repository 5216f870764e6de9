"""Find the users of calls (known, anonymous or both) and make the changes that Braze needs before a call."""

from __future__ import annotations

from collections import OrderedDict
from typing import TYPE_CHECKING, Any, Final

from target_braze.braze.changes import Change
from target_braze.mapping.identifiers import IdentifierRule, compile_user, identifier
from target_braze.mapping.kinds.identities import aliases, identifications, merges
from target_braze.mapping.property_sources import value_at
from target_braze.mapping.spelling import almost, check_identifiers
from target_braze.records import RecordError

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from target_braze.mapping.base.stream_mapping import Defaults
    from target_braze.mapping.cdp.layouts import Layout
    from target_braze.mapping.columns import Columns
    from target_braze.records import User

# Remembered pairs and aliases, so that each is sent to Braze once per run and later calls need not wait for it.
_REMEMBERED: Final = 100_000


class CallUsers:
    """Finds the users of calls by the mapping, or else by the ids in the platform's layout.

    `rules` identify the user of a call; `anonymous` is the rule for the anonymous ID.

    Raises:
        MappingError: A column is unknown or misspelled, or no column identifies users.
    """

    def __init__(self, columns: Columns, layout: Layout, defaults: Defaults, notice: Callable[[str], None]) -> None:
        self._notice = notice
        self._update_existing_only = defaults.update_existing_only
        self._seen: OrderedDict[tuple[str, ...], None] = OrderedDict()
        given = columns.entry.get("calls", {})
        entry = columns.entry.get("user")
        label = given.get("anonymous_label", layout.anonymous_label)
        if entry is None:
            _check_spelling(columns, layout)
            entry = [{"external_id": layout.user_id}] if layout.user_id else []
            entry += [_alias_of(layout.anonymous_id, label)] if layout.anonymous_id and label else []
        named = [name for one in entry for part in one.values() for name in _names(part)]
        # An identifier may be inside an object: user_properties.crm_id.
        self._paths = [name for name in named if name not in columns and name.partition(".")[0] in columns]
        self.identifier_rules = compile_user(
            columns.stream, entry or None, (*columns.names, *self._paths), defaults.placeholder_ids
        )
        # The user that an alias call merges, known or anonymous.
        self._previous: list[IdentifierRule] = []
        self._previous_is_anonymous = given.get("previous_id") == "user_alias"
        if previous := layout.previous_id:
            either = [{"external_id": previous}, _alias_of(previous, label or layout.anonymous_label)]
            self._previous = compile_user(columns.stream, either, columns.names, defaults.placeholder_ids)
        anonymous = (one for one in self.identifier_rules if one.identifier_type == "user_alias")
        self.anonymous = next((one for one in anonymous if one.column == layout.anonymous_id), None)

    def with_paths(self, record: Mapping[str, Any]) -> Mapping[str, Any]:
        """Return the record with identifiers inside objects added as columns.

        Raises:
            RecordError: The record has another type where an object is expected.
        """
        return {**record, **{path: value_at(record, path) for path in self._paths}} if self._paths else record

    def merge(self, record: Mapping[str, Any], user: User) -> list[Change]:
        """Merge the previous id of an alias call into the user.

        Raises:
            RecordError: The previous id is missing or is the user's own.
        """
        known, unknown = (rule.user(record) for rule in self._previous)
        was_anonymous = self._previous_is_anonymous or unknown == self._anonymous_user(record)
        gone = unknown if was_anonymous else known
        if gone is None or gone == user:
            raise RecordError("an alias call that merges a user into itself")
        fields = {"identifier_to_merge": identifier(gone), "identifier_to_keep": identifier(user)}
        return [Change("merge_updates", user, fields, merges.SEMANTICS, merges.ENDPOINT, others=(gone,))]

    def identification(self, record: Mapping[str, Any], user: User) -> list[Change]:
        """Identify the anonymous user as this user in Braze, once per run."""
        anonymous = self._anonymous_user(record)
        if anonymous is None or anonymous == user:
            return []
        if user[0] != "external_id":
            self._notice(f"an anonymous ID can be merged into a user named by external ID, not by {user[0]}")
            return []
        if not self.is_new(user + anonymous):
            return []
        fields = {**identifier(user), **identifier(anonymous)}
        identify = identifications
        return [Change("aliases_to_identify", user, fields, identify.SEMANTICS, identify.ENDPOINT, others=(anonymous,))]

    def _anonymous_user(self, record: Mapping[str, Any]) -> User | None:
        try:
            # Not counted: this is the record's user only if the rules selected it.
            return self.anonymous.find(record) if self.anonymous else None
        except RecordError as wrong:
            self._notice(f"an anonymous ID is left out: {wrong}")
            return None

    def introduction(self, user: User) -> list[Change]:
        """Create the profile of an anonymous user, because Braze drops events of an unknown alias.

        https://www.braze.com/docs/api/objects_filters/event_object/
        """
        if user[0] != "user_alias" or self._update_existing_only or not self.is_new(user):
            return []
        fields = {"alias_label": user[1], "alias_name": user[2]}
        return [Change("user_aliases", user, fields, aliases.SEMANTICS, aliases.INTRODUCE)]

    def is_new(self, key: tuple[str, ...]) -> bool:
        """Return whether the user, or the pair of users, is new in this run, and remember it."""
        if key in self._seen:
            self._seen.move_to_end(key)
            return False
        self._seen[key] = None
        if len(self._seen) > _REMEMBERED:
            self._seen.popitem(last=False)
        return True


def _check_spelling(columns: Columns, layout: Layout) -> None:
    """Check that the ids are spelled as the platforms spell them, so that no call seems to have none."""
    if not (layout.user_id or layout.anonymous_id):
        check_identifiers(columns)
    elif layout.user_id is None and (spelled := almost(columns, "userId")):
        raise columns.error(
            f"column '{spelled}' differs from 'userId' only in spelling, so it would not identify users. Write "
            f"{columns.at}.user: [{{external_id: {spelled}}}, {{user_alias: {{name: {layout.anonymous_id}, label: "
            f"{layout.anonymous_label}}}}}]"
        )


def _names(part: str | Mapping[str, str]) -> list[str]:
    """Return the columns or paths of one rule."""
    return [part] if isinstance(part, str) else [part[key] for key in ("name", "label_field") if key in part]


def _alias_of(column: str, label: str) -> dict[str, Any]:
    return {"user_alias": {"name": column, "label": label}}
