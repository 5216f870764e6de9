"""Columns that become attributes: Braze's standard fields have their own form, and custom text is watched."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from target_braze.braze import limits
from target_braze.mapping.columns import Columns, Field
from target_braze.mapping.spelling import squashed
from target_braze.mapping.values.standard_fields import (
    STANDARD,
    TEXTS,
    compile_standard_field,
    types_of_standard_field,
)
from target_braze.mapping.values.times import looks_like_time

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping

    from target_braze.mapping.base.stream_mapping import Defaults
    from target_braze.mapping.values.scalars import Convert

# Braze's standard fields by their names without case and underscores, and other names that sources use for them.
_MEANT: Final[Mapping[str, str]] = {
    "birthday": "dob",
    "birthdate": "dob",
    "dateofbirth": "dob",
    "emailaddress": "email",
    "phonenumber": "phone",
    "timezone": "time_zone",
    **{squashed(name): name for name in STANDARD},
}
RESERVED: Final = dict.fromkeys(limits.CONTROL_KEYS, "is a control key of Braze")


def typed_fields(
    fields: Iterable[Field], columns: Columns, defaults: Defaults, notice: Callable[[str], None]
) -> tuple[Field, ...]:
    """Give standard fields their own form, and watch custom attributes for text that Braze would read as a time."""
    return tuple(_typed(field, columns, defaults, notice) for field in fields)


def _typed(field: Field, columns: Columns, defaults: Defaults, notice: Callable[[str], None]) -> Field:
    what = f"column '{field.column}'"
    place = defaults.place(notice, typed_nested_times=True).of(what)
    if standard := compile_standard_field(field.name, columns.schema(field.column), place):
        columns.check_types(field.column, types_of_standard_field(field.name), f"'{field.name}'")
        return Field(field.column, field.name, standard, field.exact_type if field.name in TEXTS else None)
    meant = meant_field(field.name)
    if meant and meant not in columns:
        notice(
            f"column '{field.column}' becomes a custom attribute: Braze's own field is '{meant}'; "
            f"{columns.at}.rename: {{{field.column}: {meant}}} sends it there"
        )
    if columns.is_time(field.column):
        return field
    convert = watched(field.convert, what, notice, reject=defaults.date_like_text == "reject")
    return Field(field.column, field.name, convert, field.exact_type, watched=True)


def meant_field(name: str) -> str | None:
    """Return the standard field that a differently spelled name probably means, or None."""
    meant = _MEANT.get(squashed(name))
    return None if meant == name else meant


def watched(convert: Convert, what: str, notice: Callable[[str], None], *, reject: bool = False) -> Convert:
    """Return the converter with a check that rejects or reports text that Braze would turn into a time."""
    found = f"{what} holds text such as 12/1/2021 or 2021-12-01, which Braze converts to a time"

    def convert_watched(value: object) -> object:
        sent = convert(value)
        if isinstance(sent, str) and looks_like_time(sent):
            if reject:
                raise ValueError(f"expected text that Braze does not convert to a time, got {sent!r}")
            notice(found)
        return sent

    return convert_watched
