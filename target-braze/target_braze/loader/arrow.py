"""Arrow data as JSON: its schema as JSON Schema, its rows as the objects that a Singer tap would write.

The only module that imports pyarrow, which the extra `arrow` installs. It reads all data with Arrow's interface:
https://arrow.apache.org/docs/format/CDataInterface/PyCapsuleInterface.html
"""

from __future__ import annotations

import json
import math
from collections import Counter
from collections.abc import Callable
from itertools import repeat
from typing import TYPE_CHECKING, Any, Final, NamedTuple

import msgspec
import pyarrow as pa
import pyarrow.compute as pc
from pyarrow import types
from typing_extensions import override

from target_braze.encode import encode

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

Convert = Callable[[Any], Any]

# Rows that become Python objects at a time, so that large batches do not take their memory twice.
_ROWS: Final = 10_000
_STRING: Final = pa.string()
# Extension types whose Python values msgspec encodes as JSON; others count as the type that stores them.
_EXTENSIONS: Final = {"arrow.uuid": "string", "arrow.bool8": "boolean"}
_TEXTS: Final = (types.is_string, types.is_large_string, types.is_string_view)
# Written in Base64.
_BYTES: Final = (types.is_binary, types.is_large_binary, types.is_binary_view, types.is_fixed_size_binary)
_SCALARS: Final = (
    (types.is_null, "null"),
    (types.is_boolean, "boolean"),
    (types.is_integer, "integer"),
    *((check, "string") for check in (*_TEXTS, *_BYTES)),
)
_TIMES: Final = ((types.is_date, "date"), (types.is_time, "time"), (types.is_timestamp, "date-time"))
_LISTS: Final = (types.is_list, types.is_large_list, types.is_fixed_size_list)


class _Place(NamedTuple):
    """A column, or a field inside it: `order.paid_at`."""

    stream: str
    path: str

    def inner(self, name: str) -> _Place:
        return _Place(self.stream, f"{self.path}.{name}")

    @override
    def __str__(self) -> str:
        return f"stream '{self.stream}', column '{self.path}'"


class _Form(NamedTuple):
    """How values of an Arrow type become JSON.

    Args:
        schema: JSON Schema of the values.
        plain: The type with UTC as its only time zone, and without dictionaries of values that become text.
        text: `plain` with dates, times and single floats as text. Arrow itself casts to both, by column.
        convert: Returns the JSON value of a Python value other than None; None if they are the same.
    """

    schema: dict[str, Any]
    plain: pa.DataType
    text: pa.DataType
    convert: Convert | None = None


def json_schema(schema: Any, stream: str) -> dict[str, Any]:  # noqa: ANN401
    """Return the JSON Schema of an Arrow schema.

    Raises:
        TypeError: A column has a type without a form in JSON, or two columns have one name. The error names it.
    """
    return {"type": "object", "properties": _properties(pa.schema(schema), stream)}


def rows(data: Any, stream: str) -> Iterator[bytes]:  # noqa: ANN401
    """Yield each row of a table, batch or stream of batches as a JSON object.

    NaN, infinity and text that is not UTF-8 stand in it as they are, so the record can be rejected like a damaged line.

    Raises:
        TypeError: As for `json_schema`.
    """
    with pa.RecordBatchReader.from_stream(data) as reader:
        names = [*_properties(reader.schema, stream)]
        for batch in reader:
            for start in range(0, batch.num_rows, _ROWS):
                part = batch.slice(start, _ROWS)
                columns = [_values(part.column(at), _Place(stream, name)) for at, name in enumerate(names)]
                for row in zip(*columns, strict=True) if columns else repeat((), part.num_rows):
                    yield encode(dict(zip(names, row, strict=True)))


def _properties(schema: pa.Schema, stream: str) -> dict[str, Any]:
    _check_names(schema.names, f"stream '{stream}'")
    return {field.name: _form(field.type, _Place(stream, field.name)).schema for field in schema}


def _check_names(names: Sequence[str], place: object) -> None:
    if twice := [name for name, count in Counter(names).items() if count > 1]:
        raise TypeError(f"{place}: more than one field is named '{twice[0]}'; rename all but one")


def _values(column: pa.Array, place: _Place) -> list[Any]:
    """Return the values of a column as JSON values."""
    try:
        return _converted(column, _form(column.type, place))
    except UnicodeDecodeError:
        return _converted(column, _form(column.type, place, as_bytes=True))
    except pa.ArrowNotImplementedError as error:
        raise TypeError(f"{place}: Arrow cannot convert type {column.type}: {error}; cast it or drop it") from None


def _converted(column: pa.Array, form: _Form) -> list[Any]:
    for kind in (form.plain, form.text):
        if column.type != kind:
            column = column.cast(kind)
    convert = form.convert
    if convert is _number and types.is_floating(column.type) and pc.all(pc.is_finite(column)).as_py() is not False:
        convert = None
    values: list[Any] = column.to_pylist()
    return values if convert is None else [*map(_optional(convert), values)]


def _form(kind: pa.DataType, place: _Place, *, as_bytes: bool = False) -> _Form:
    """Return how values of a type become JSON; `as_bytes` reads text that may not be UTF-8."""
    if types.is_dictionary(kind):
        form = _form(kind.value_type, place, as_bytes=as_bytes)
        # Arrow decodes no dictionary of views, such as that of polars; Python does.
        return form if form.text != kind.value_type else form._replace(plain=kind, text=kind)
    if isinstance(kind, pa.BaseExtensionType):
        known = _EXTENSIONS.get(kind.extension_name)
        return _Form(_of(known), kind, kind) if known else _form(kind.storage_type, place, as_bytes=as_bytes)
    if any(check(kind) for check in _LISTS):
        return _list_form(_form(kind.value_type, place, as_bytes=as_bytes))
    if types.is_list_view(kind) or types.is_large_list_view(kind):
        # pyarrow 26.0.1 casts the last list of an array to an empty one.
        raise TypeError(f"{place}: Arrow type {kind} loses items when Arrow casts it; make it a list at its source")
    if types.is_struct(kind):
        _check_names([field.name for field in kind], place)
        return _struct_form({one.name: _form(one.type, place.inner(one.name), as_bytes=as_bytes) for one in kind})
    if types.is_map(kind):
        keys, items = (_form(one, place, as_bytes=as_bytes) for one in (kind.key_type, kind.item_type))
        return _map_form(keys, items, kind, place)
    return _scalar_form(kind, place, as_bytes=as_bytes)


def _scalar_form(kind: pa.DataType, place: _Place, *, as_bytes: bool) -> _Form:
    if as_bytes and any(check(kind) for check in _TEXTS):
        return _Form(_of("string"), pa.large_binary(), pa.large_binary(), _raw_text)
    for check, name in _SCALARS:
        if check(kind):
            return _Form(_of(name), kind, kind)
    if types.is_decimal(kind):
        return _Form(_of("integer" if kind.scale <= 0 else "number"), kind, kind)
    if types.is_floating(kind):
        # The shortest text keeps the 0.1 of a small float, which Python would read as 0.10000000149011612.
        double = types.is_float64(kind)
        return _Form(_of("number"), kind if double else pa.float32(), kind if double else _STRING, _number)
    for check, name in _TIMES:
        if check(kind):
            is_zoned = types.is_timestamp(kind) and kind.tz is not None
            plain = pa.timestamp(kind.unit, "UTC") if is_zoned else kind
            return _Form(_of("string", format=name), plain, _STRING, _time if name == "date-time" else None)
    raise TypeError(f"{place}: Arrow type {kind} has no form in JSON; cast it to another type or drop it")


def _list_form(item: _Form) -> _Form:
    convert = _optional(item.convert)
    return _Form(
        _of("array", items=item.schema),
        pa.large_list(item.plain),
        pa.large_list(item.text),
        None if item.convert is None else lambda values: [*map(convert, values)],
    )


def _struct_form(members: dict[str, _Form]) -> _Form:
    converts = [(name, _optional(one.convert)) for name, one in members.items() if one.convert]

    def convert(value: dict[str, Any]) -> dict[str, Any]:
        for name, member in converts:
            value[name] = member(value[name])
        return value

    return _Form(
        _of("object", properties={name: one.schema for name, one in members.items()}),
        pa.struct([(name, one.plain) for name, one in members.items()]),
        pa.struct([(name, one.text) for name, one in members.items()]),
        convert if converts else None,
    )


def _map_form(keys: _Form, items: _Form, kind: pa.DataType, place: _Place) -> _Form:
    if not {"string", "integer"}.intersection(keys.schema["type"]):
        raise TypeError(f"{place}: keys of type {kind.key_type} have no form in JSON; cast them to text")
    key, item = _optional(keys.convert), _optional(items.convert)
    return _Form(
        _of("object", additionalProperties=items.schema),
        pa.map_(keys.plain, items.plain),
        pa.map_(keys.text, items.text),
        lambda pairs: {key(name): item(value) for name, value in pairs},
    )


def _of(name: str, **more: Any) -> dict[str, Any]:  # noqa: ANN401
    return {"type": ["null"] if name == "null" else [name, "null"], **more}


def _optional(convert: Convert | None) -> Convert:
    if convert is None:
        return lambda value: value
    return lambda value: None if value is None else convert(value)


def _number(value: float | str) -> float | msgspec.Raw:
    number = float(value)
    return number if math.isfinite(number) else msgspec.Raw(json.dumps(number).encode())


def _time(text: str) -> str:
    return text.replace(" ", "T", 1)


def _raw_text(value: bytes) -> str | msgspec.Raw:
    """Return text from bytes, or JSON that is damaged like the bytes."""
    try:
        return value.decode()
    except UnicodeDecodeError:
        text = json.dumps(value.decode("utf-8", "surrogateescape"), ensure_ascii=False)
        return msgspec.Raw(text.encode("utf-8", "surrogateescape"))
