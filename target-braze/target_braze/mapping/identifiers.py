"""Find the user of a record by exactly one identifier, the first valid one.

See https://www.braze.com/docs/api/endpoints/user_data/post_user_track/ and, for aliases, .../user_alias_object/.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final

from target_braze.braze import limits
from target_braze.mapping.values import phones
from target_braze.mapping.values.emails import to_email
from target_braze.mapping.values.scalars import to_id, to_numeric_id
from target_braze.records import MappingError, RecordError, User

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping, Sequence

# Identifiers in the order in which they are tried if the mapping sets no order.
DEFAULT: Final = ("external_id", "braze_id", "user_alias", "email", "phone")

# Columns of an alias's name and label: the API's names, and the headers of Braze's CSV imports,
# https://www.braze.com/docs/user_guide/data/unification/user_data/import_methods/csv_import/.
ALIAS_COLUMNS: Final = (("alias_name", "alias_label"), ("user_alias_name", "user_alias_label"))

_BY_NAME: Final[Mapping[str, str]] = {name: name for name in DEFAULT if name != "user_alias"}


# Placeholders that sources write for an unknown user (case-insensitive). All their records would end up in one profile.
PLACEHOLDERS: Final = (
    "0",
    "-",
    "null",
    "nil",
    "none",
    "nan",
    "n/a",
    "undefined",
    "unknown",
    "anonymous",
    "guest",
    "not set",
    "true",
    "false",
    "[object Object]",
    "00000000-0000-0000-0000-000000000000",
)


class IdentifierError(ValueError):
    """A value that identifies nobody in Braze; `rule` names the reason in a word or two."""

    def __init__(self, rule: str, message: str) -> None:
        super().__init__(message)
        self.rule = rule


class _UnusableIdentifierError(RecordError):
    """A record has a value that identifies nobody."""

    def __init__(self, column: str, wrong: IdentifierError) -> None:
        super().__init__(f"column '{column}': {wrong}")
        self.rule = wrong.rule


@dataclass(eq=False)
class IdentifierRule:
    """One way to identify the user: the kind of identifier and the columns that hold it.

    An alias has a column for its name and either a column or a literal for its label. `outcomes` counts the records
    that it identified a user for, the records that left it blank, and the records that each of its checks caught.
    """

    identifier_type: str
    column: str
    label_column: str | None = None
    label: str | None = None
    placeholders: frozenset[str] = frozenset()
    place: str = ""
    numeric_columns: frozenset[str] = frozenset()
    outcomes: Counter[str] = field(default_factory=Counter)

    def __post_init__(self) -> None:
        self._check = _CHECKS[self.identifier_type]

    @property
    def columns(self) -> tuple[str, ...]:
        """Return the columns that the rule reads."""
        return (self.column,) if self.label_column is None else (self.column, self.label_column)

    def user(self, record: Mapping[str, Any]) -> User | None:
        """Return the user and count the outcome, or return None if the record leaves the columns blank.

        Raises:
            RecordError: The identifier has a form that Braze would not accept, or is a placeholder.
        """
        try:
            user = self.find(record)
        except _UnusableIdentifierError as caught:
            self.outcomes[caught.rule] += 1
            raise
        self.outcomes[BLANK if user is None else CHOSEN] += 1
        return user

    def find(self, record: Mapping[str, Any]) -> User | None:
        """Return the user like `user`, but without counting."""
        name = self._text(record, self.column)
        if name is None:
            return None
        if self.identifier_type != "user_alias":
            return (self.identifier_type, name)
        label = self.label if self.label_column is None else self._text(record, self.label_column)
        return None if label is None else ("user_alias", label, name)

    def record(self, user: User) -> dict[str, Any]:
        """Return a record from which the rule reads this user."""
        *label, name = user[1:]
        return {self.column: name} if self.label_column is None else {self.column: name, self.label_column: label[0]}

    def _text(self, record: Mapping[str, Any], column: str) -> str | None:
        value = record.get(column)
        if value is None:
            return None
        try:
            numeric = column in self.numeric_columns
            text = value.strip() if type(value) is str and not numeric else self._id(value, numeric=numeric)
            if not text:
                return None
            if text.casefold() not in self.placeholders:
                return self._check(text)
            wrong = IdentifierError("placeholder", f"{text!r} is a placeholder, not an id")
        except IdentifierError as error:
            wrong = error
        raise _UnusableIdentifierError(column, wrong)

    @staticmethod
    def _id(value: object, *, numeric: bool) -> str:
        try:
            return to_numeric_id(value) if numeric else to_id(value)
        except ValueError as wrong:
            raise IdentifierError("no text", str(wrong)) from None


CHOSEN: Final = "chosen"
BLANK: Final = "blank"


def find_user(rules: Sequence[IdentifierRule], record: Mapping[str, Any]) -> tuple[User, tuple[str, ...]]:
    """Return the user of the first valid rule, and the columns of earlier rules with invalid values.

    Raises:
        RecordError: No rule finds a user. The message gives the reason for each rule.
    """
    wrong: dict[IdentifierRule, str] = {}
    for rule in rules:
        try:
            user = rule.user(record)
        except RecordError as error:
            wrong[rule] = str(error)
            continue
        if user is not None:
            return user, tuple(column for caught in wrong for column in caught.columns) if wrong else ()
    if not wrong:
        tried = ", ".join(column for rule in rules for column in rule.columns)
        raise RecordError(f"it identifies no user: these columns are blank: {tried}")
    reasons = (wrong.get(rule) or f"column '{rule.column}' is blank" for rule in rules)
    raise RecordError(f"it identifies no user: {'; '.join(reasons)}")


def compile_user(
    stream: str,
    entry: Sequence[Mapping[str, Any]] | None,
    columns: Sequence[str],
    placeholders: Iterable[str] = PLACEHOLDERS,
    setting: str = "user",
) -> list[IdentifierRule]:
    """Compile a stream's rules from `user` in its mapping or a similar setting, else from columns with Braze's names.

    Raises:
        MappingError: A column is unknown, or there is no rule.
    """
    if entry is None:
        rules = [IdentifierRule(type_, name) for type_, name in _BY_NAME.items() if name in columns]
        rules += [
            IdentifierRule("user_alias", name, label_column=label)
            for name, label in ALIAS_COLUMNS
            if name in columns and label in columns
        ]
        rules.sort(key=lambda rule: DEFAULT.index(rule.identifier_type))
    else:
        rules = [
            _rule(kind, given, f"{setting}[{number}].{kind}")
            for number, item in enumerate(entry)
            for kind, given in item.items()
        ]
    nobody = frozenset(text.strip().casefold() for text in placeholders)
    for rule in rules:
        if rule.identifier_type not in {"email", "phone"}:  # no placeholder has the form of these two
            rule.placeholders = nobody
        for column in rule.columns:
            if column not in columns:
                raise MappingError(
                    f"stream '{stream}': '{setting}' names the column '{column}', but the stream has only: "
                    f"{', '.join(columns)} - at streams.{stream}.{rule.place}"
                )
    if not rules:
        raise MappingError(
            f"stream '{stream}': no column identifies the user. Name one in the setting "
            f"streams.{stream}.{setting}, for example [{{external_id: {next(iter(columns), 'customer_id')}}}]. "
            f"Columns: {', '.join(columns)}"
        )
    return rules


def identifier(user: User) -> dict[str, Any]:
    """Return the part of a Braze object that identifies the user."""
    if user[0] == "user_alias":
        return {"user_alias": {"alias_label": user[1], "alias_name": user[2]}}
    return {user[0]: user[1]}


def _rule(kind: str, given: str | Mapping[str, str], place: str) -> IdentifierRule:
    if isinstance(given, str):
        return IdentifierRule(kind, given, place=place)
    label_column, label = given.get("label_field"), given.get("label")
    return IdentifierRule(kind, given["name"], label_column=label_column, label=label, place=place)


def _at_most(most: int) -> Callable[[str], str]:
    def check(text: str) -> str:
        if len(text) * 4 > most and (size := len(text.encode())) > most:
            raise IdentifierError("too long", f"{size} bytes long, Braze takes at most {most}")
        return text

    return check


def _email(text: str) -> str:
    try:
        to_email(text)
    except ValueError as wrong:
        raise IdentifierError("not an email address", str(wrong)) from None
    return text


def _phone(text: str) -> str:
    """Return the number in E.164 form; without a country code it is ambiguous."""
    try:
        number = phones.e164(text)
    except ValueError:
        number = None
    if number is None:
        raise IdentifierError("not E.164", f"expected a phone number in the form +12025550123, got {text!r}")
    return number


_CHECKS: Final[Mapping[str, Callable[[str], str]]] = {
    "external_id": _at_most(limits.EXTERNAL_ID_BYTES),
    "braze_id": _at_most(limits.EXTERNAL_ID_BYTES),
    "user_alias": _at_most(limits.ALIAS_BYTES),
    "email": _email,
    "phone": _phone,
}
