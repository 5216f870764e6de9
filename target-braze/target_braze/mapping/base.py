"""What all kinds of mapping have in common: the columns, the user, and what becomes of a record."""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar

from target_braze.identity import Candidate, compile_user, identifier
from target_braze.records import Change, RecordError

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from datetime import tzinfo

    from target_braze.mapping.columns import Columns
    from target_braze.records import User


@dataclass(frozen=True)
class Defaults:
    """Settings of the target that hold for all streams; `zone` is that of times that carry none."""

    app_id: str | None
    unset_nulls: bool
    update_existing_only: bool
    zone: tzinfo


class StreamMapping(ABC):
    """Turns records of one stream into changes; one subclass per kind of Braze object."""

    kind: ClassVar[str]
    keys: ClassVar[frozenset[str]]
    """What its entry in the setting `streams` may have beside that of all."""

    def __init__(self, columns: Columns, defaults: Defaults, notice: Callable[[str], None]) -> None:
        self._columns = columns
        self._defaults = defaults
        self._notice = notice
        self._known = frozenset(columns.names)
        self._candidates = self._compile_user()

    def changes(self, record: Mapping[str, Any]) -> list[Change]:
        """What one record changes, in the order in which it has to happen.

        Raises:
            RecordError: it names no user, or a value is none that Braze takes.
        """
        if not self._known.issuperset(record):
            self._note_unknown(record)
        user = self._user(record)
        fields = self._object(user)
        self._fill(fields, record)
        return [Change(self.kind, user, fields)]

    def _compile_user(self) -> list[Candidate]:
        return compile_user(self._columns.stream, self._columns.entry.get("user"), self._columns.names)

    def _user(self, record: Mapping[str, Any]) -> User:
        user = next((found for candidate in self._candidates if (found := candidate.user(record))), None)
        if user is None:
            tried = ", ".join(column for candidate in self._candidates for column in candidate.columns)
            raise RecordError(f"it names no user: all of these columns are blank: {tried}")
        return user

    def _object(self, user: User) -> dict[str, Any]:
        """An object of /users/track that says nothing yet but whom it is about, and whether it may create the user."""
        fields = identifier(user)
        if self._defaults.update_existing_only:
            fields["_update_existing_only"] = True
        elif user[0] == "user_alias":
            # Without it Braze takes an unknown alias for nothing to do.
            fields["_update_existing_only"] = False
        return fields

    @abstractmethod
    def _fill(self, fields: dict[str, Any], record: Mapping[str, Any]) -> None:
        """Add to the object what beside the user belongs in it."""

    def _note_unknown(self, record: Mapping[str, Any]) -> None:
        for column in record:
            if column not in self._known and not column.startswith("_sdc_"):
                self._notice(f"column '{column}' is not in the stream's SCHEMA and is not sent")

    def _identifier_columns(self, *kinds: str) -> set[str]:
        return {
            column
            for candidate in self._candidates
            if not kinds or candidate.kind in kinds
            for column in candidate.columns
        }
