"""Spark's schemas as JSON Schema, by the same rules as Arrow's."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

import pyarrow as pa
from pyspark.sql import types

from target_braze.loader import arrow
from target_braze.records import MappingError

if TYPE_CHECKING:
    from collections.abc import Iterator

# Columns that `write` adds: the first because Sail does not tell a task its partition, the second because Sail leaves
# out a sort before a write, but not the sort of a window function.
PARTITION_COLUMN: Final = "_spark_partition_id"
ROW_COLUMN: Final = "_spark_row_number"
ADDED_COLUMNS: Final = frozenset({PARTITION_COLUMN, ROW_COLUMN})

# The names that Spark's own JSON of a schema uses. A type that is missing here has no form in JSON.
_ARROW: Final = {
    "void": pa.null(),
    "boolean": pa.bool_(),
    "byte": pa.int8(),
    "short": pa.int16(),
    "integer": pa.int32(),
    "long": pa.int64(),
    "float": pa.float32(),
    "double": pa.float64(),
    "string": pa.string(),
    "char": pa.string(),
    "varchar": pa.string(),
    "binary": pa.binary(),
    "date": pa.date32(),
    "time": pa.time64("us"),
    "timestamp": pa.timestamp("us", "UTC"),
    "timestamp_ntz": pa.timestamp("us"),
}


def json_schema(schema: types.StructType | pa.Schema, stream: str) -> dict[str, Any]:
    """Return the JSON Schema of the rows of a DataFrame, without the columns that `write` adds.

    Args:
        schema: Spark's own schema, or the Arrow schema that Sail passes instead.
        stream: Name of the stream, for errors.

    Raises:
        MappingError: A column has a type without a form in JSON. The error names it.
    """
    columns = pa.schema([*_fields(schema, stream)] if isinstance(schema, types.StructType) else schema)
    try:
        found = arrow.json_schema(columns, stream)
    except TypeError as error:
        raise MappingError(str(error)) from None
    for name in ADDED_COLUMNS:
        found["properties"].pop(name, None)
    return found


def _fields(schema: types.StructType, stream: str, within: str = "") -> Iterator[tuple[str, pa.DataType]]:
    for field in schema.fields:
        yield field.name, _type(field.dataType, stream, within + field.name)


def _type(kind: types.DataType, stream: str, column: str) -> pa.DataType:
    if isinstance(kind, types.ArrayType):
        return pa.list_(_type(kind.elementType, stream, column))
    if isinstance(kind, types.MapType):
        return pa.map_(_type(kind.keyType, stream, column), _type(kind.valueType, stream, column))
    if isinstance(kind, types.StructType):
        return pa.struct([*_fields(kind, stream, f"{column}.")])
    if isinstance(kind, types.DecimalType):
        return pa.decimal128(kind.precision, kind.scale)
    found = _ARROW.get(kind.typeName())
    if found is None:
        raise MappingError(
            f"stream '{stream}', column '{column}': Spark's type {kind.simpleString()} has no form in JSON; cast it to "
            "another type or drop it"
        )
    return found
