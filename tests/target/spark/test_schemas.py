"""Spark's schemas as JSON Schema."""

from __future__ import annotations

import pyarrow as pa
import pytest
from pyspark.sql import types
from target_braze import MappingError
from target_braze.loader import arrow
from target_braze.spark.schemas import json_schema

# Each of Spark's types beside the type of Arrow in which its values come.
TYPES = [
    (types.NullType(), pa.null()),
    (types.BooleanType(), pa.bool_()),
    (types.ByteType(), pa.int8()),
    (types.ShortType(), pa.int16()),
    (types.IntegerType(), pa.int32()),
    (types.LongType(), pa.int64()),
    (types.FloatType(), pa.float32()),
    (types.DoubleType(), pa.float64()),
    (types.DecimalType(12, 2), pa.decimal128(12, 2)),
    (types.DecimalType(12, 0), pa.decimal128(12, 0)),
    (types.StringType(), pa.string()),
    (types.CharType(3), pa.string()),
    (types.VarcharType(3), pa.string()),
    (types.BinaryType(), pa.binary()),
    (types.DateType(), pa.date32()),
    (types.TimestampType(), pa.timestamp("us", "Europe/Berlin")),
    (types.TimestampNTZType(), pa.timestamp("us")),
]


@pytest.mark.parametrize(("kind", "arrow_type"), TYPES, ids=str)
def test_a_type_of_spark_becomes_what_its_arrow_type_becomes(kind: types.DataType, arrow_type: pa.DataType) -> None:
    nested = types.StructType([types.StructField("y", types.MapType(types.StringType(), kind))])
    schema = types.StructType(
        [
            types.StructField("x", kind),
            types.StructField("l", types.ArrayType(kind)),
            types.StructField("s", nested),
            types.StructField("_spark_partition_id", types.IntegerType()),
            types.StructField("_spark_row_number", types.IntegerType()),
        ]
    )
    values = pa.schema(
        {"x": arrow_type, "l": pa.list_(arrow_type), "s": pa.struct({"y": pa.map_(pa.string(), arrow_type)})}
    )
    assert json_schema(schema, "s") == arrow.json_schema(values, "s")
    assert json_schema(values, "s") == arrow.json_schema(values, "s")


@pytest.mark.parametrize(
    ("kind", "text"),
    [
        (types.VariantType(), "stream 's', column 'x': Spark's type variant has no form in JSON"),
        (types.DayTimeIntervalType(), "column 'x': Spark's type interval day to second"),
        (types.ArrayType(types.CalendarIntervalType()), "column 'x': Spark's type interval"),
        (types.MapType(types.DoubleType(), types.StringType()), "column 'x': keys of type double"),
        (types.StructType([types.StructField("y", types.VariantType())]), "column 'x.y': Spark's type variant"),
    ],
)
def test_a_type_without_a_form_in_json_is_refused(kind: types.DataType, text: str) -> None:
    with pytest.raises(MappingError) as caught:
        json_schema(types.StructType([types.StructField("x", kind)]), "s")
    assert text in str(caught.value)
