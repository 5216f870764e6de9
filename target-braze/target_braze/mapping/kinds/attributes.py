"""Map records to attributes of users."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, ClassVar, Final

from typing_extensions import override

from target_braze.braze import consent
from target_braze.braze.changes import Change, Endpoint, Semantics
from target_braze.braze.data_points import FREE, attribute_points
from target_braze.braze.endpoints import TRACK, TRACKING
from target_braze.encode import encode
from target_braze.mapping.base.attribute_fields import RESERVED, typed_fields, watched
from target_braze.mapping.base.settings import CONSENTED_AT, DELETION, FIELDS, FLATTEN, NAME, described, strict_object
from target_braze.mapping.base.stream_mapping import Defaults, StreamMapping
from target_braze.mapping.coalescing import accumulates, coalesced
from target_braze.mapping.columns import Columns, Fields
from target_braze.mapping.flatten import FlattenedColumns
from target_braze.mapping.identifiers import DEFAULT
from target_braze.mapping.kinds.identities import deletions
from target_braze.mapping.on_delete import OnDelete
from target_braze.mapping.operators import BRAZE_TYPES, compile_operators
from target_braze.mapping.values.standard_fields import (
    NEVER_NULL,
    STANDARD,
)

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping

    from target_braze.mapping.values.scalars import Convert
    from target_braze.records import User


def _is_repeatable(fields: Mapping[str, Any]) -> bool:
    return not any(accumulates(value) for value in fields.values() if isinstance(value, dict))


SEMANTICS: Final = Semantics(
    repeatable=_is_repeatable,
    counted=False,
    sends_messages=False,
    sets_attributes=True,
    moves_attributes=False,
    coalesce=coalesced,
    data_points=attribute_points,
    consent=consent.ATTRIBUTES,
)


class Attributes(StreamMapping, to="attributes"):
    """See https://www.braze.com/docs/api/objects_filters/user_attributes_object/."""

    settings: ClassVar[Mapping[str, Any]] = {
        "fields": FIELDS,
        "operators": {
            "type": "object",
            "additionalProperties": {
                "oneOf": [
                    {"enum": ["inc", "add", "remove", "$add"]},
                    strict_object(
                        {
                            "$update": described(NAME, "Key to update by", "Key of the objects to update."),
                            "$remove": described(NAME, "Key to remove by", "Key of the objects to remove."),
                        },
                        minProperties=1,
                        maxProperties=1,
                    ),
                ]
            },
            "title": "Operators",
            "description": "Maps a column to an operator that changes the stored value instead of replacing it. `inc` "
            "adds a whole number; `add` and `remove` add or remove elements of an array; `$add` appends objects to an "
            "array of objects; `{$update: key}` and `{$remove: key}` update or remove the objects with the same value "
            "of `key`.",
        },
        "merge_objects": described(
            {"type": "boolean"},
            "Merge objects",
            "Whether to merge objects, and objects given to `$update`, into the stored ones key by key. Default: "
            "false, they replace the stored ones.",
        ),
        "flatten": FLATTEN,
        "consented_at": CONSENTED_AT,
        "missing_columns": described(
            {"type": "string", "enum": ["keep", "unset"]},
            "Missing columns",
            "What to do with an attribute that an earlier run has set if the user's record no longer has its column: "
            "`keep` it or `unset` it. `unset` needs `ledger_path`, and records that are whole rows. Default: keep.",
        ),
        **DELETION,
    }
    unsupported_keys = frozenset()
    identifier_types = frozenset(DEFAULT)
    semantics = (SEMANTICS,)
    endpoints = (*TRACKING, *deletions.ENDPOINTS.values())
    on_delete_actions = ("nothing", "unset", "flag", "unsubscribe", "delete_user")
    dealing = "by user"
    payload_key = "attributes"

    @classmethod
    @override
    def endpoints_for(cls, entry: Mapping[str, Any]) -> tuple[Endpoint, ...]:
        return cls.endpoints if entry.get("on_delete") == "delete_user" else TRACKING

    def __init__(self, columns: Columns, defaults: Defaults, notice: Callable[[str], None]) -> None:
        super().__init__(columns, defaults, notice)
        # An address that does not identify the user still belongs to the user.
        addresses = {
            c.column: c.identifier_type for c in self._identifier_rules if c.identifier_type in {"email", "phone"}
        }
        place = defaults.place(self._notice, typed_nested_times=True)
        self._operators = compile_operators(columns, place, RESERVED)
        operands = {operator.field.column for operator in self._operators}
        taken = {operator.field.name for operator in self._operators}
        taken |= {columns.entry["on_delete"]["flag"]} if self._on_delete == "flag" else set()
        self._flattened = FlattenedColumns(columns, defaults, self._watched, self._notice, taken)
        hidden = (
            self._identifier_columns("external_id", "braze_id", "user_alias")
            | operands
            | {*self._flattened.columns}
            | {columns.entry.get("consented_at", "")}
        )
        chosen = columns.select("fields", (name for name in columns.names if name not in hidden), notice)
        chosen = [column for column in chosen if column not in operands]
        fields = typed_fields(columns.fields(chosen, place, addresses, RESERVED), columns, defaults, self._notice)
        nullable = {field.name for field in fields} - NEVER_NULL if defaults.unset_nulls else ()
        self._fields = Fields(fields, nullable, defaults.dropped(self._notice))
        self._columns_by_name = {field.name: field.column for field in fields}
        self._merge = columns.entry.get("merge_objects", False)
        self._check_operators()
        self._check_precedence()
        names = [*(field.name for field in self._fields.all), *(operator.field.name for operator in self._operators)]
        if self._on_delete == "unset" and self._flattened.columns:
            # The keys are known only from the record, and a deleted record may have only its primary key.
            members = "', '".join(self._flattened.columns)
            notice(f"'on_delete' does not unset keys of '{members}'; they stay in Braze")
        self._deletion = OnDelete(
            columns, self._on_delete, names, new_object=self._object, as_change=self._as_change, guard=defaults.guard
        )
        # An email address that identifies the user is in the object already.
        first = self._identifier_rules[0]
        named = (first.column, "email") if first.identifier_type == "email" else None
        self._open_fast_path(
            Fields((one for one in fields if (one.column, one.name) != named), nullable),
            operands | {*self._flattened.columns},
        )
        # Whether data points and repeatability depend on the values that the fast path does not send as they are.
        self._own_varies = bool(self._operators or self._flattened.columns)
        # Whether each field costs exactly one data point.
        self._flat = all(
            (field.exact_type is not None or columns.is_time(field.column)) and field.name not in FREE
            for field in fields
        )

    def _check_operators(self) -> None:
        names = {field.name: field.column for field in self._fields.all}
        for operator in self._operators:
            name, column = operator.field.name, operator.field.column
            if name in names:
                raise self._columns.error(f"columns '{names[name]}' and '{column}' would both be sent as '{name}'")
            if name in STANDARD:
                raise self._columns.error(
                    f"'operators.{column}': '{name}' is Braze's own field, and operators are for custom attributes"
                )

    def _check_precedence(self) -> None:
        """Check that no phone precedes an email that is sent, because Braze identifies an object with both by email."""
        email = next((field.column for field in self._fields.all if field.name == "email"), None)
        for rule in self._identifier_rules if email else ():
            if (rule.identifier_type, rule.column) == ("email", email):
                return
            if rule.identifier_type == "phone":
                raise self._columns.error(
                    f"'user' tries '{rule.column}' (phone) before '{email}' (email), but Braze "
                    "identifies an object with both by its email; put email before phone, or leave "
                    f"'{email}' out of 'fields'"
                )

    def _watched(self, convert: Convert, what: str) -> Convert:
        return watched(convert, what, self._notice, reject=self._defaults.date_like_text == "reject")

    @property
    @override
    def sources(self) -> Mapping[str, tuple[str, ...]]:
        operands = {f"{one.field.name}.{one.key}": (one.field.column,) for one in self._operators}
        return operands | {field.name: (field.column,) for field in self._fields.all}

    @property
    @override
    def flattened(self) -> tuple[str, ...]:
        return self._flattened.columns

    @property
    @override
    def types(self) -> Mapping[str, str | None]:
        operated = {one.field.name: BRAZE_TYPES[one.key] for one in self._operators}
        return operated | {
            field.name: self._columns.braze_type(field.column)
            for field in self._fields.all
            if field.name not in STANDARD
        }

    @property
    @override
    def untyped_texts(self) -> tuple[str, ...]:
        return tuple(
            field.column
            for field in self._fields.all
            if field.name not in STANDARD and self._columns.is_untyped_text(field.column)
        )

    @property
    @override
    def attributes(self) -> Mapping[str, bool]:
        operated = dict.fromkeys((one.field.name for one in self._operators), False)
        flag = {} if self._deletion.flag is None else {self._deletion.flag: False}
        return operated | flag | {field.name: field.name not in NEVER_NULL for field in self._fields.all}

    @override
    def absent(self, record: Mapping[str, Any], names: Iterable[str]) -> list[str]:
        flattened = self._flattened.names(record)
        return [name for name in names if name not in flattened and self._columns_by_name.get(name) not in record]

    @override
    def _changes_on_delete(self, record: Mapping[str, Any]) -> list[Change]:
        return self._deletion.changes(self._user(record))

    @override
    def _fill(self, fields: dict[str, Any], record: Mapping[str, Any]) -> None:
        self._fields.fill(fields, record)
        self._fill_own(fields, record)

    @override
    def _fill_own(self, fields: dict[str, Any], record: Mapping[str, Any]) -> None:
        self._flattened.fill(fields, record)
        if self._merge:
            fields["_merge_objects"] = True
        if self._deletion.flag is not None:
            fields[self._deletion.flag] = False
        for operator in self._operators:
            operator.fill(fields, record)

    @override
    def _as_fast_change(self, user: User, own: dict[str, Any], encoded: bytes, number: int) -> Change | None:
        if self._flattened.columns and not self._columns_by_name.keys().isdisjoint(own.keys() - {user[0]}):
            return None
        head = encode(own)
        whole = b"%s,%s" % (head[:-1], encoded[1:]) if number else head
        points, repeats = int(self._deletion.flag is not None), True
        if self._own_varies:
            points, repeats = attribute_points(own, user[0]), _is_repeatable(own)
        return Change(
            self.payload_key,
            user,
            None,
            SEMANTICS,
            TRACK,
            encoded=whole,
            points=number + points if self._flat else None,
            repeats=repeats,
        )
