"""Base class of kinds whose changes go to a dedicated endpoint instead of /users/track."""

from __future__ import annotations

from abc import abstractmethod
from typing import TYPE_CHECKING, Any, Final

from typing_extensions import override

from target_braze.mapping.base.stream_mapping import StreamMapping
from target_braze.mapping.identifiers import ALIAS_COLUMNS, IdentifierRule, compile_user, identifier
from target_braze.mapping.spelling import check_identifiers

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from target_braze.braze.changes import Change
    from target_braze.records import User

# JSON types of columns with names and ids.
_TEXTS: Final = ("string", "integer", "number")
# Default columns of identifiers whose columns are not named like their type.
_COLUMNS: Final = {"user_alias": tuple(name for names in ALIAS_COLUMNS for name in names)}


class Action(StreamMapping):
    """Turns a record into changes for an endpoint other than /users/track."""

    @override
    def changes(self, record: Mapping[str, Any]) -> list[Change]:
        if not self._known.issuperset(record):
            self._report_unknown(record)
        return self._changes(record)

    @abstractmethod
    def _changes(self, record: Mapping[str, Any]) -> list[Change]:
        """Return the changes of one record."""

    @override
    def _fill(self, fields: dict[str, Any], record: Mapping[str, Any]) -> None:
        """Do nothing, because there is no object of /users/track."""

    @override
    def _compile_user(self) -> list[IdentifierRule]:
        return self._compile_users("user", self.identifier_types)

    def _compile_users(self, setting: str, kinds: Iterable[str], *, default: bool = True) -> list[IdentifierRule]:
        """Return the rules of a list such as `user`, limited to the kinds of identifiers that its endpoint takes.

        Raises:
            MappingError: The list has another kind of identifier or none, or names a column that the stream lacks.
        """
        columns, entry = self._columns, self._columns.entry.get(setting)
        for number, kind in enumerate(kind for item in entry or () for kind in item):
            if kind not in kinds:
                raise columns.error(
                    f"'{setting}' has {kind}, but for {self.to} Braze takes only {' or '.join(sorted(kinds))} - at "
                    f"{columns.at}.{setting}[{number}]"
                )
        if entry is None and not default:
            raise columns.error(f"no user to {setting} is configured; name the column - at {columns.at}.{setting}")
        if entry is None:
            check_identifiers(columns, [*kinds], always=False)
        found = {column for kind in kinds for column in _COLUMNS.get(kind, (kind,))}
        if entry is None and not found & {*columns.names}:
            raise columns.error(
                f"no column identifies the user: the stream has none of the columns {', '.join(sorted(found))}; name "
                f"another - at {columns.at}.{setting}. Columns: {', '.join(columns.names)}"
            )
        names = columns.names if entry is not None else [name for name in columns.names if name in found]
        rules = compile_user(columns.stream, entry, names, self._defaults.placeholder_ids, setting)
        columns.check_identifiers(rules)
        return rules

    def _column(self, setting: str, key: str, default: str, kinds: Iterable[str] = _TEXTS) -> str:
        """Return the column that a key of the mapping names, or else the one with Braze's name.

        Raises:
            MappingError: The stream lacks the column, or the column can hold none of these types.
        """
        columns = self._columns
        given = columns.entry.get(setting, {}).get(key)
        if given is None and default not in columns:
            raise columns.error(
                f"no column for '{default}', which Braze requires: name it - at {columns.at}.{setting}.{key}"
            )
        column = columns.known(given or default, f"{setting}.{key}")
        columns.check_types(column, kinds, f"'{setting}.{key}'")
        return column

    def _external_id(self, setting: str, column: str) -> IdentifierRule:
        columns = self._columns
        found = compile_user(
            columns.stream, [{"external_id": column}], columns.names, self._defaults.placeholder_ids, setting
        )
        columns.check_identifiers(found)
        return found[0]

    def _report_unused(self, used: Iterable[str]) -> None:
        columns = {*used}
        unused = [name for name in self._columns.names if name not in columns]
        if unused:
            self._notice(f"columns that {self.to} do not use are not sent: {', '.join(unused)}")


def columns_of(*rules: Sequence[IdentifierRule]) -> set[str]:
    """Return the columns that the rules read."""
    return {column for several in rules for rule in several for column in rule.columns}


def columns_by_kind(rules: Sequence[IdentifierRule]) -> dict[str, tuple[str, ...]]:
    """Return the columns of each kind of identifier in the order in which they are tried."""
    kinds = {rule.identifier_type for rule in rules}
    return {kind: tuple(name for one in rules if one.identifier_type == kind for name in one.columns) for kind in kinds}


def prioritized(user: User, prioritization: Sequence[str]) -> dict[str, Any]:
    """Return the part of an object that identifies a user, with a prioritization in case several users share it.

    https://www.braze.com/docs/api/endpoints/user_data/post_users_merge/
    """
    if user[0] in {"email", "phone"}:
        return {**identifier(user), "prioritization": [*prioritization]}
    return identifier(user)
