"""Map cohort members to a boolean attribute, or to an element of an array of text."""

from __future__ import annotations

from contextlib import suppress
from typing import TYPE_CHECKING, Any, ClassVar

from typing_extensions import override

from target_braze.braze import limits
from target_braze.braze.endpoints import TRACKING
from target_braze.mapping.base.settings import NAME, described, strict_object
from target_braze.mapping.base.stream_mapping import Defaults, StreamMapping
from target_braze.mapping.columns import Columns, Field
from target_braze.mapping.identifiers import DEFAULT
from target_braze.mapping.kinds import attributes
from target_braze.mapping.values.names import checked_name
from target_braze.mapping.values.scalars import checked_string, to_boolean, to_id
from target_braze.mapping.values.standard_fields import STANDARD
from target_braze.records import RecordError

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from target_braze.braze.changes import Change
    from target_braze.records import Member


class Cohorts(StreamMapping, to="cohorts"):
    """A record is a member unless its `member_field` is false or the source has deleted it.

    For `add` and `remove`, see https://www.braze.com/docs/api/objects_filters/user_attributes_object/.
    """

    settings: ClassVar[Mapping[str, Any]] = {
        "cohort": {
            **strict_object(
                {
                    "attribute": described(
                        NAME, "Attribute", "Name of the boolean attribute that is true for a member."
                    ),
                    "array": described(
                        NAME, "Array attribute", "Name of the array attribute that lists a user's cohorts."
                    ),
                    "name": described(
                        NAME, "Cohort", "Name of the cohort, an element of `array`, the same for all records."
                    ),
                    "name_field": described(
                        NAME, "Column of the cohort", "Column with the name of the cohort, an element of `array`."
                    ),
                    "member_field": described(
                        NAME,
                        "Column of the membership",
                        "Boolean column; false means that the user is not a member. Default: each record is a member.",
                    ),
                },
                oneOf=[
                    {
                        "required": ["attribute"],
                        "not": {"anyOf": [{"required": ["name"]}, {"required": ["name_field"]}]},
                    },
                    {"required": ["array"], "oneOf": [{"required": ["name"]}, {"required": ["name_field"]}]},
                ],
            ),
            "title": "Cohort",
            "description": "What marks a member: either a boolean `attribute`, or an element of the `array` "
            "attribute, named by `name` or `name_field`. Required.",
        },
    }
    unsupported_keys = frozenset({"rename"})
    identifier_types = frozenset(DEFAULT)
    semantics = (attributes.SEMANTICS,)
    endpoints = TRACKING
    on_delete_actions = ("remove", "nothing")
    payload_key = "attributes"

    def __init__(self, columns: Columns, defaults: Defaults, notice: Callable[[str], None]) -> None:
        super().__init__(columns, defaults, notice)
        given: Mapping[str, str] = columns.entry.get("cohort", {})
        if not given:
            raise columns.error(
                "no attribute is configured for membership: name a boolean attribute, or an array and the cohort - "
                f"at {columns.at}.cohort"
            )
        self._is_array = "array" in given
        self._attribute = self._checked(given["array"] if self._is_array else given["attribute"])
        used = self._identifier_columns()
        self._name: Field | str = given.get("name", "").strip()
        if self._is_array and not self._name:
            column = columns.known(given["name_field"], "cohort.name_field")
            columns.check_types(column, ("string", "integer", "number"), "'cohort.name_field'")
            self._name = Field(column, "name", lambda value: checked_string(to_id(value)))
            used.add(column)
        self._member: Field | None = None
        if "member_field" in given:
            column = columns.known(given["member_field"], "cohort.member_field")
            columns.check_types(column, ("string", "integer", "boolean"), "'cohort.member_field'")
            self._member = Field(column, "member", to_boolean)
            used.add(column)
        if unused := [name for name in columns.names if name not in used]:
            notice(f"columns that cohorts do not use are not sent: {', '.join(unused)}")

    @property
    @override
    def sources(self) -> Mapping[str, tuple[str, ...]]:
        told = (one.column for one in (self._name, self._member) if isinstance(one, Field))
        return {self._attribute: tuple(told)}

    @property
    @override
    def attributes(self) -> Mapping[str, bool]:
        return {self._attribute: False}

    @override
    def _fill(self, fields: dict[str, Any], record: Mapping[str, Any]) -> None:
        self._set(fields, record, member=self._is_member(record))

    @override
    def members(self, record: Mapping[str, Any]) -> list[Member]:
        # A listed user whose `member_field` is neither true nor false has not left.
        with suppress(RecordError):
            if not self._is_member(record):
                return []
        return super().members(record)

    def _is_member(self, record: Mapping[str, Any]) -> bool:
        return self._member is None or bool(self._member.required(record))

    @override
    def _part(self, record: Mapping[str, Any]) -> str:
        if isinstance(self._name, str):
            return self._name
        if not (name := str(self._name.required(record)).strip()):
            raise RecordError("the cohort's name is blank")
        return name

    @override
    def _part_columns(self, part: str) -> dict[str, Any]:
        return {} if isinstance(self._name, str) else {self._name.column: part}

    @override
    def _changes_on_delete(self, record: Mapping[str, Any]) -> list[Change]:
        user = self._user(record)
        fields = self._object(user)
        self._set(fields, record, member=False)
        return [self._as_change(user, fields)]

    def _set(self, fields: dict[str, Any], record: Mapping[str, Any], *, member: bool) -> None:
        if not member:
            # Removing a user from a cohort must not create a profile.
            fields["_update_existing_only"] = True
        fields[self._attribute] = {"add" if member else "remove": [self._part(record)]} if self._is_array else member

    def _checked(self, name: str) -> str:
        try:
            name = checked_name(name)
        except ValueError as wrong:
            raise self._columns.error(f"{wrong} - at {self._columns.at}.cohort") from None
        if name in limits.CONTROL_KEYS or name in STANDARD:
            raise self._columns.error(
                f"'{name}' has another meaning in Braze; rename the cohort's attribute - at {self._columns.at}.cohort"
            )
        return name
