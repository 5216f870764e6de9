"""Records that become attributes of users."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from typing_extensions import override

from target_braze import limits
from target_braze.mapping.base import Defaults, StreamMapping
from target_braze.mapping.columns import Columns, Field
from target_braze.standard_fields import compile_standard_field
from target_braze.times import looks_like_time
from target_braze.values import Place

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from target_braze.values import Convert

# Braze has no "none" for these: with a null it would reject the whole object.
_NEVER_NULL: Final = frozenset({"email_subscribe", "push_subscribe"})


class Attributes(StreamMapping):
    """https://www.braze.com/docs/api/objects_filters/user_attributes_object/."""

    kind = "attributes"
    keys = frozenset({"fields"})

    def __init__(self, columns: Columns, defaults: Defaults, notice: Callable[[str], None]) -> None:
        super().__init__(columns, defaults, notice)
        # An address that does not identify the user is still the user's address.
        addresses = {c.column: c.kind for c in self._candidates if c.kind in {"email", "phone"}}
        hidden = self._identifier_columns("external_id", "braze_id", "user_alias")
        chosen = columns.select("fields", (name for name in columns.names if name not in hidden), notice)
        fields = columns.fields(
            chosen,
            Place(defaults.zone, typed_nested_times=True),
            addresses,
            dict.fromkeys(limits.CONTROL_KEYS, "is a key that commands Braze"),
        )
        self._fields = tuple(self._typed(field) for field in fields)
        self._check_precedence()

    def _check_precedence(self) -> None:
        """An object without a primary identifier is about whom its email names, also where the mapping says phone."""
        email = next((field.column for field in self._fields if field.name == "email"), None)
        for candidate in self._candidates if email else ():
            if (candidate.kind, candidate.column) == ("email", email):
                return
            if candidate.kind == "phone":
                raise self._columns.error(
                    f"'user' tries '{candidate.column}' (phone) before '{email}' (email), but of an object that has "
                    f"both Braze goes by the address; put email before phone, or leave '{email}' out of 'fields'"
                )

    def _typed(self, field: Field) -> Field:
        """Give a standard field its own form, and watch a custom attribute for text that Braze would make a time."""
        if standard := compile_standard_field(field.name, self._defaults.zone):
            return Field(field.column, field.name, standard)
        if field.name.lower() != field.name and compile_standard_field(field.name.lower(), self._defaults.zone):
            self._notice(
                f"column '{field.column}' becomes a custom attribute, for Braze's own field is '{field.name.lower()}', "
                "in lower case; 'rename' can say so"
            )
        if self._columns.is_time(field.column):
            return field
        return Field(field.column, field.name, watched(field.convert, f"column '{field.column}'", self._notice))

    @override
    def _fill(self, fields: dict[str, Any], record: Mapping[str, Any]) -> None:
        unset = self._defaults.unset_nulls
        for field in self._fields:
            value = field.value(record)
            if value is not None:
                fields[field.name] = value
            elif unset and field.column in record and field.name not in _NEVER_NULL:
                fields[field.name] = None


def watched(convert: Convert, what: str, notice: Callable[[str], None]) -> Convert:
    """The same converter, but it gives notice of text that Braze would make a time."""

    def convert_watched(value: object) -> object:
        sent = convert(value)
        if isinstance(sent, str) and sent[:1].isdigit() and looks_like_time(sent):
            notice(f"{what} holds text such as 12/1/2021 or 2021-12-01, which Braze makes a time")
        return sent

    return convert_watched
