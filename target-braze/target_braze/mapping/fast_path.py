"""From a record's JSON to the JSON that Braze takes, where the values have the types of their columns.

What a mapping does with dicts it does here with structs made for the stream: compiled code reads them, checks types and
writes. A record with anything out of the ordinary fits no such struct, or `read` raises, and is left to the dicts.
"""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Annotated, Any, Final

import msgspec
from msgspec.structs import astuple

from target_braze.braze import limits
from target_braze.encode import encode
from target_braze.mapping.coalescing import accumulates
from target_braze.mapping.values.times import looks_like_time
from target_braze.records import DELETED

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from target_braze.mapping.columns import Field

_LARGEST: Final = 2**63 - 1
_TEXT: Final = Annotated[str, msgspec.Meta(max_length=limits.STRING_LENGTH)]
_INTEGER: Final = Annotated[int, msgspec.Meta(ge=-_LARGEST, le=_LARGEST)]
# By `Field.quick`; fractions come with all their digits only where the type is left open.
_TYPES: Final[dict[type | None, Any]] = {str: _TEXT | None, int: _INTEGER | None, bool: bool | None}
_MOST: Final = sys.float_info.max


class QuickFields:
    """Reads the columns of a stream, of which `fields` are sent, and the mapping looks at others.

    `nulls` says whether null is sent; else it is as good as no value.
    """

    def __init__(self, columns: Iterable[str], fields: Sequence[Field], *, nulls: bool) -> None:
        sent = {field.column for field in fields}
        others = [column for column in columns if column not in sent]
        self._sent = len(fields)
        self._others = [(place, column) for place, column in enumerate(others, self._sent) if column != DELETED]
        self._absent = msgspec.UNSET if nulls else None
        types = [_TYPES.get(field.quick, Any) for field in fields]
        # What the source has deleted does not fit.
        types += [None if column == DELETED else Any for column in others]
        self.record = self._struct([*(field.column for field in fields), *others], types)
        """The struct of a record that has nothing out of the ordinary."""
        self._object = self._struct([field.name for field in fields], [Any] * self._sent)
        self._texts = [place for place, one in enumerate(fields) if one.quick is str and one.watched]
        self._loose = [(place, one.convert, one.quick) for place, one in enumerate(fields) if one.quick not in _TYPES]

    def read(self, record: msgspec.Struct) -> tuple[bytes, int, dict[str, Any]]:
        """What is in such a record: the object of the fields that are sent, their number, and the other columns.

        Raises:
            ValueError: a value is none that Braze takes, or one for a second look.
        """
        columns = astuple(record)
        values = [*columns[: self._sent]]
        absent = self._absent
        for place in self._texts:
            value = values[place]
            # As in `Fields.fill`, which says why.
            if value and ("0" <= value < ":" or value[3:4] == " ") and looks_like_time(value):
                raise ValueError(value)
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

    @staticmethod
    def may_have(names: Iterable[str]) -> bool:
        """Whether structs can have columns of these names."""
        return all(name.isprintable() and not {*'"\\'} & {*name} for name in names)

    def _struct(self, names: Sequence[str], types: Sequence[Any]) -> Any:  # noqa: ANN401 - it is made here
        sent = [(f"_{place}", kind, self._absent) for place, kind in enumerate(types[: self._sent])]
        # Of what is only looked at, null is as good as nothing.
        fields = sent + [(f"_{place}", kind, None) for place, kind in enumerate(types[self._sent :], self._sent)]
        return msgspec.defstruct(
            "Columns",
            fields,
            rename={field[0]: name for field, name in zip(fields, names, strict=True)},
            omit_defaults=True,
            forbid_unknown_fields=True,
            gc=False,
        )
