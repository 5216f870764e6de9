"""Check rows against the schema of their stream before the first of them is written."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any, Final, Union

import msgspec
from typing_extensions import TypedDict

from tap_braze.times import moment, rfc3339
from tap_braze.untrusted import WrongTypeError

if TYPE_CHECKING:
    from collections.abc import Iterable

NO_VALUE: Final = "(none)"
# The range of a database's big integer.
_INTEGER: Final = Annotated[int, msgspec.Meta(ge=-(2**63), le=2**63 - 1)]
_SCALARS: Final[dict[str, Any]] = {
    "string": str,
    "integer": _INTEGER,
    "number": float,
    "boolean": bool,
    "null": None,
}
_typed_dict: Final[Any] = TypedDict  # type checkers cannot know its fields


class RowTypes:
    """The types of the columns of a stream."""

    def __init__(self, schema: dict[str, Any], keys: Iterable[str], as_written: Iterable[str]) -> None:
        """Compile the types; `as_written` lists the time columns that keep their original form."""
        self._schema = schema
        self._keys = [name for name in keys if schema["properties"][name]["type"] == ["string"]]
        self._type = _type(schema)
        described = schema["properties"].items()
        moments = {name for name, column in described if column.get("format") == "date-time"}
        self._moments = moments.difference(as_written)

    def conform(self, row: dict[str, Any]) -> None:
        """Check the types of a row and normalize its values in place.

        Convert times to RFC 3339, and an empty time to null. Convert integers written like `5.0` to integers, and
        numbers in text columns to text. Replace a text key that is missing or empty, which databases treat as null or
        reject, with `NO_VALUE`. Keep unknown fields.

        Raises:
            WrongTypeError: A value's type differs from its column's; the message shows no value.
        """
        for name in self._keys:
            if (value := row.get(name)) is None or value == "":
                row[name] = NO_VALUE
        for name in self._moments:
            if isinstance(text := row.get(name), str):
                row[name] = _moment(name, text)
        try:
            msgspec.convert(row, self._type)
        except msgspec.ValidationError:
            _convert(row, self._schema)
            try:
                msgspec.convert(row, self._type)
            except msgspec.ValidationError as error:
                raise WrongTypeError(
                    str(error).replace(" | null", "").replace(" | ", " or ").replace("$.", "")
                ) from None


def _moment(name: str, text: str) -> str | None:
    if not text:
        return None
    try:
        moment(text)
    except ValueError:
        raise WrongTypeError(f"'{name}' is no time") from None
    return rfc3339(text)


def _type(node: dict[str, Any]) -> Any:  # noqa: ANN401 - a type built at run time
    """Return the type that msgspec checks values against."""
    kinds = node.get("type")
    if kinds is None:
        return Any
    kinds = [kinds] if isinstance(kinds, str) else kinds
    return Union[tuple(_type_of_kind(kind, node) for kind in kinds)]  # noqa: UP007 - any number of types


def _type_of_kind(kind: str, node: dict[str, Any]) -> Any:  # noqa: ANN401
    if kind == "array":
        return list[_type(node.get("items", {}))]  # type: ignore[misc]
    if kind == "object":
        if properties := node.get("properties"):
            return _typed_dict("Row", {name: _type(inner) for name, inner in properties.items()}, total=False)
        further = node.get("additionalProperties")
        return dict[str, _type(further if isinstance(further, dict) else {})]  # type: ignore[misc]
    return _SCALARS[kind]


def _convert(value: Any, node: dict[str, Any]) -> Any:  # noqa: ANN401
    """Return a value in its column's type, if the conversion loses nothing; convert objects and arrays in place."""
    kinds = node.get("type", ())
    if isinstance(value, dict):
        properties, further = node.get("properties", {}), node.get("additionalProperties")
        for name, inner in value.items():
            value[name] = _convert(inner, properties.get(name, further if isinstance(further, dict) else {}))
    elif isinstance(value, list):
        value[:] = [_convert(inner, node.get("items", {})) for inner in value]
    elif isinstance(value, float) and "integer" in kinds and "number" not in kinds and value.is_integer():
        return int(value)
    elif isinstance(value, int) and not isinstance(value, bool) and "string" in kinds and "integer" not in kinds:
        return value if "number" in kinds else str(value)
    return value
