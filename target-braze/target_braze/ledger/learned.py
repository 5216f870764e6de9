"""Learned attributes: hashes of what Braze has accepted that the file does not have yet, to be written in groups.

A page of the file holds several users, so a large group writes each page less often. Until then, users keep their
marks: after a crash, the next run sends more values that Braze has, never fewer.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from target_braze.ledger.unsettled import row_number

if TYPE_CHECKING:
    from collections.abc import Iterable

    from target_braze.braze.changes import Change
    from target_braze.ledger.attributes import Attributes
    from target_braze.ledger.sample import Sample
    from target_braze.ledger.unsettled import UnsettledUsers
    from target_braze.records import User

# Number of users to write together.
_TOGETHER: Final = 1_000


class Learned:
    """Keeps the rows of users up to date, in the ledger's transactions and under its lock."""

    def __init__(self, attributes: Attributes, sample: Sample, unsettled: UnsettledUsers) -> None:
        self._attributes = attributes
        self._sample = sample
        self._unsettled = unsettled
        self._users: dict[int, User] = {}

    def add(self, changes: Iterable[Change], day: int) -> None:
        """Add changes that Braze has accepted, and write them if there are enough."""
        unwritten = self._attributes.unwritten
        for change in changes:
            unsettled = self._unsettled.get(change.user)
            number = row_number(change.user) if unsettled is None else unsettled.number
            hashes = unwritten.get(number)
            if hashes is None and not (unsettled and unsettled.is_new):
                hashes = self._attributes.hashes(number)
            unwritten[number] = self._attributes.learn(change, hashes)
            self._users[number] = change.user
        if len(unwritten) >= _TOGETHER:
            self.write(day)

    def write(self, day: int) -> None:
        """Write everything to the file."""
        if self._users:
            self._attributes.write(day)
            for number, user in self._users.items():
                self._sample.add(number, user)
            self._users.clear()
            self._unsettled.unmark_written()

    def forget(self, user: User) -> None:
        """Forget the attributes of a user."""
        number = self._unsettled.number(user)
        self._users.pop(number, None)
        self._attributes.delete(number)
        self._sample.forget(number)
