"""The fast path: convert a record's JSON to Braze's JSON without a dict if each value has the type of its column.

Compiled code reads records into structs made for the stream, checks their types and writes JSON. If a record with
anything unusual does not fit its struct, or `FastPath.change` returns None, it takes the mapping's full path.
"""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Annotated, Any, Final

import msgspec
from msgspec.structs import astuple

from target_braze.braze import limits
from target_braze.encode import encode
from target_braze.mapping.coalescing import accumulates
from target_braze.mapping.identifiers import CHOSEN
from target_braze.mapping.values.times import looks_like_time
from target_braze.records import DELETED, RecordError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping, Sequence

    from target_braze.braze.changes import Change
    from target_braze.mapping.columns import Field
    from target_braze.mapping.identifiers import IdentifierRule
    from target_braze.records import User

_LARGEST: Final = 2**63 - 1
_TEXT: Final = Annotated[str, msgspec.Meta(max_length=limits.STRING_LENGTH)]
_INTEGER: Final = Annotated[int, msgspec.Meta(ge=-_LARGEST, le=_LARGEST)]
# By `Field.exact_type`; fractions keep all their digits only if the type is left open.
_TYPES: Final[dict[type | None, Any]] = {str: _TEXT | None, int: _INTEGER | None, bool: bool | None}
_MOST: Final = sys.float_info.max


class FastFields:
    """Reads records of a stream: `fields` go to Braze unchanged, other columns to the mapping.

    With `nulls`, null is sent; otherwise null counts as missing.
    """

    def __init__(self, columns: Iterable[str], fields: Sequence[Field], *, nulls: bool) -> None:
        sent = {field.column for field in fields}
        others = [column for column in columns if column not in sent]
        self._sent = len(fields)
        self._others = [(place, column) for place, column in enumerate(others, self._sent) if column != DELETED]
        self._absent = msgspec.UNSET if nulls else None
        types = [_TYPES.get(field.exact_type, Any) for field in fields]
        # Records deleted in the source do not fit.
        types += [None if column == DELETED else Any for column in others]
        names = [*(field.column for field in fields), *others]
        self.record = self._struct(names, types)
        """The struct of a record with nothing unusual."""
        self._places = {name: place for place, name in enumerate(names)}
        self._object = self._struct([field.name for field in fields], [Any] * self._sent)
        self._texts = [
            (place, one.convert) for place, one in enumerate(fields) if one.exact_type is str and one.watched
        ]
        self._loose = [
            (place, one.convert, one.exact_type) for place, one in enumerate(fields) if one.exact_type not in _TYPES
        ]

    def read(self, record: msgspec.Struct) -> tuple[bytes, int, dict[str, Any]]:
        """Return the JSON object of the fields to send, their number, and the record's other columns.

        Raises:
            ValueError: Braze would not accept a value, or the full path has to check it.
        """
        columns = astuple(record)
        values = [*columns[: self._sent]]
        absent = self._absent
        for place, convert in self._texts:
            value = values[place]
            # See `Fields.fill` for the reason.
            if value and ("0" <= value < ":" or value[3:4] == " ") and looks_like_time(value):
                values[place] = convert(value)
        for place, convert, quick in self._loose:
            value = values[place]
            if type(value) is float and quick is float and -_MOST < value < _MOST:
                continue
            if value is not None and value is not absent:
                value = values[place] = convert(value)
                if type(value) is dict and accumulates(value):
                    raise ValueError(value)
        others = {column: columns[place] for place, column in self._others}
        return encode(self._object(*values)), self._sent - values.count(absent), others

    def values(self, record: msgspec.Struct, columns: Iterable[str]) -> list[Any]:
        """Return the record's values of any columns, with None for missing ones."""
        sent = astuple(record)
        found = [None if (place := self._places.get(column)) is None else sent[place] for column in columns]
        return [None if value is msgspec.UNSET else value for value in found]

    @staticmethod
    def may_have(names: Iterable[str]) -> bool:
        """Return whether structs can have columns with these names."""
        return all(name.isprintable() and not {*'"\\'} & {*name} for name in names)

    def _struct(self, names: Sequence[str], types: Sequence[Any]) -> Any:  # noqa: ANN401 - the type is created here
        sent = [(f"_{place}", kind, self._absent) for place, kind in enumerate(types[: self._sent])]
        # In other columns, null counts as missing.
        fields = sent + [(f"_{place}", kind, None) for place, kind in enumerate(types[self._sent :], self._sent)]
        return msgspec.defstruct(
            "Columns",
            fields,
            rename={field[0]: name for field, name in zip(fields, names, strict=True)},
            omit_defaults=True,
            forbid_unknown_fields=True,
            gc=False,
        )


class FastPath:
    """Turns most records of a stream into one change each; closed unless the mapping opens it.

    It also carries the mapping's notices: those of a record that the full path has to map again are discarded.
    """

    def __init__(self, report: Callable[[str], None]) -> None:
        self._report = report
        # Notices of the record on the fast path, or None.
        self._notices: list[str] | None = None
        self._fields: FastFields | None = None

    def open(
        self,
        fields: FastFields,
        rule: IdentifierRule,
        object_of: Callable[[User, Mapping[str, Any]], dict[str, Any]],
        as_change: Callable[[User, dict[str, Any], bytes, int], Change | None],
    ) -> None:
        """Open the fast path.

        Args:
            fields: The columns to send unchanged.
            rule: Identifies the user; records to which it does not apply take the full path.
            object_of: Returns the object for a user and the other columns, without `fields`.
            as_change: Returns the change for a user's object and the JSON and number of `fields`, or None.
        """
        self._fields, self._rule = fields, rule
        self._object_of, self._as_change = object_of, as_change

    @property
    def record(self) -> type[msgspec.Struct] | None:
        """Return the struct of a record with nothing unusual, or None if all records take the full path."""
        return None if self._fields is None else self._fields.record

    def values(self, record: msgspec.Struct, columns: Iterable[str]) -> list[Any]:
        """Return the values that a record read into the struct `record` has in these columns."""
        return [] if self._fields is None else self._fields.values(record, columns)

    def notice(self, text: str) -> None:
        """Report something to the user."""
        if self._notices is None:
            self._report(text)
        else:
            self._notices.append(text)

    def change(self, record: msgspec.Struct) -> Change | None:
        """Return the change for a record read into the struct `record`, or None if it must take the full path."""
        if self._fields is None:
            return None
        notices: list[str] = []
        self._notices = notices
        try:
            encoded, number, others = self._fields.read(record)
            user = self._rule.find(others)
            if user is None:
                return None
            change = self._as_change(user, self._object_of(user, others), encoded, number)
        except (RecordError, ValueError):
            return None
        finally:
            self._notices = None
        if change is not None:
            for notice in notices:
                self._report(notice)
            self._rule.outcomes[CHOSEN] += 1
        return change
