"""Apply `on_delete` to a user's attributes when the source deletes the record."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from target_braze.mapping.kinds.identities.deletions import Deleter
from target_braze.mapping.values.standard_fields import NEVER_NULL

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from target_braze.braze.changes import Change
    from target_braze.mapping.columns import Columns
    from target_braze.mapping.deletion_guard import DeletionGuard
    from target_braze.records import User


class OnDelete:
    """Applies `on_delete` to a user; `names` are the attributes that the stream sets."""

    def __init__(
        self,
        columns: Columns,
        action: str,
        names: Iterable[str],
        *,
        new_object: Callable[[User], dict[str, Any]],
        as_change: Callable[[User, dict[str, Any]], Change],
        guard: DeletionGuard,
    ) -> None:
        self._action = action
        self._new_object = new_object
        self._as_change = as_change
        self._names = frozenset(names) - NEVER_NULL
        self.flag: str | None = None
        if action == "flag":
            self.flag = columns.entry["on_delete"]["flag"]
            if self.flag in names:
                raise columns.error(f"the column sent as '{self.flag}' cannot be the flag - at {columns.at}.on_delete")
        self._deleter = Deleter(columns, guard) if action == "delete_user" else None

    def changes(self, user: User) -> list[Change]:
        """Return the changes that follow from deleting a record of the user."""
        if self._deleter is not None:
            return [self._deleter.change(user)]
        fields = self._new_object(user)
        # A deletion must not create a profile.
        fields["_update_existing_only"] = True
        if self.flag is not None:
            fields[self.flag] = True
        elif self._action == "unsubscribe":
            fields |= {"email_subscribe": "unsubscribed", "push_subscribe": "unsubscribed"}
        else:
            fields |= dict.fromkeys(self._names - fields.keys())
        return [self._as_change(user, fields)]
