"""Who a record is about: the first identifier that it can fill, and exactly one.

https://www.braze.com/docs/api/endpoints/user_data/post_user_track/ and .../user_alias_object/ for the alias.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from target_braze import limits, standard_fields
from target_braze.records import MappingError, RecordError, User
from target_braze.values import to_string

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

# The identifiers in the order in which they are tried where the mapping does not say.
DEFAULT: Final = ("external_id", "braze_id", "user_alias", "email", "phone")

_BY_NAME: Final[Mapping[str, str]] = {name: name for name in DEFAULT if name != "user_alias"}


@dataclass(frozen=True)
class Candidate:
    """One way to name the user: the kind of identifier and the columns that hold it.

    An alias has a column for its name and either a column or a literal for its label.
    """

    kind: str
    column: str
    label_column: str | None = None
    label: str | None = None

    @property
    def columns(self) -> tuple[str, ...]:
        """The columns it reads."""
        return (self.column,) if self.label_column is None else (self.column, self.label_column)

    def user(self, record: Mapping[str, Any]) -> User | None:
        """The user, or None where the record leaves the columns blank.

        Raises:
            RecordError: the identifier has a form that Braze would not accept.
        """
        value = self._text(record, self.column)
        if value is None:
            return None
        if self.kind != "user_alias":
            return (self.kind, value)
        label = self.label if self.label_column is None else self._text(record, self.label_column)
        return None if label is None else ("user_alias", label, value)

    def _text(self, record: Mapping[str, Any], column: str) -> str | None:
        value = record.get(column)
        if value is None:
            return None
        try:
            return _CHECKS[self.kind](_plain(value))
        except ValueError as wrong:
            raise RecordError(f"column '{column}' ({self.kind}): {wrong}") from None


def compile_user(stream: str, entry: Sequence[Mapping[str, Any]] | None, columns: Sequence[str]) -> list[Candidate]:
    """The candidates of a stream from `user` of its mapping, else from the columns that bear Braze's names.

    Raises:
        MappingError: a column is unknown, or there is no candidate.
    """
    if entry is None:
        candidates = [Candidate(kind, name) for kind, name in _BY_NAME.items() if name in columns]
        if {"alias_name", "alias_label"} <= set(columns):
            candidates.append(Candidate("user_alias", "alias_name", label_column="alias_label"))
        candidates.sort(key=lambda candidate: DEFAULT.index(candidate.kind))
    else:
        candidates = [_candidate(kind, given) for item in entry for kind, given in item.items()]
    for candidate in candidates:
        for column in candidate.columns:
            if column not in columns:
                raise MappingError(
                    f"stream '{stream}': 'user' names the column '{column}', but the stream has only: "
                    f"{', '.join(columns)}"
                )
    if not candidates:
        raise MappingError(
            f"stream '{stream}': nothing says whom a record is about. Name a column in the setting "
            f"streams.{stream}.user, for example [{{external_id: {next(iter(columns), 'customer_id')}}}]. "
            f"Columns: {', '.join(columns)}"
        )
    return candidates


def identifier(user: User) -> dict[str, Any]:
    """The part of a Braze object that names the user."""
    if user[0] == "user_alias":
        return {"user_alias": {"alias_label": user[1], "alias_name": user[2]}}
    return {user[0]: user[1]}


def _candidate(kind: str, given: str | Mapping[str, str]) -> Candidate:
    if isinstance(given, str):
        return Candidate(kind, given)
    return Candidate(kind, given["name"], label_column=given.get("label_field"), label=given.get("label"))


def _plain(value: object) -> str:
    # A number column that some tool has made floating: 17.0 is the user 17.
    if isinstance(value, float) and value.is_integer():
        value = int(value)
    if isinstance(value, bool | float):
        raise ValueError(f"expected text or a whole number, got {value!r}")
    return to_string(value).strip()


def _at_most(most: int) -> Callable[[str], str | None]:
    def check(text: str) -> str | None:
        size = len(text.encode())
        if size > most:
            raise ValueError(f"{size} bytes long, Braze takes at most {most}")
        return text or None

    return check


_CHECKS: Final[Mapping[str, Callable[[str], str | None]]] = {
    "external_id": _at_most(limits.EXTERNAL_ID_BYTES),
    "braze_id": _at_most(limits.EXTERNAL_ID_BYTES),
    "user_alias": _at_most(limits.ALIAS_BYTES),
    "email": standard_fields.email,
    "phone": standard_fields.phone,
}
