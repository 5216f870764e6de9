"""Check rows, decoded or still encoded, against the schema of their stream before the first of them is written."""

from __future__ import annotations

from operator import attrgetter
from typing import TYPE_CHECKING, Annotated, Any, Final, Union

import msgspec
from typing_extensions import TypedDict

from tap_braze.times import moment, rfc3339
from tap_braze.untrusted import WrongTypeError, decode_shallow

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping

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
_KEY: Final = Annotated[str, msgspec.Meta(min_length=1)]
_typed_dict: Final[Any] = TypedDict  # type checkers cannot know its fields


class RowTypes:
    """The types of the columns of a stream."""

    def __init__(self, schema: dict[str, Any], keys: Iterable[str], as_written: Iterable[str]) -> None:
        """Compile the types; `as_written` lists the time columns that keep their original form."""
        self._schema = schema
        self._keys = [name for name in keys if schema["properties"][name]["type"] == ["string"]]
        self._type = _type(schema, _dict_type)
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


class EncodedRows:
    """Reads the rows of a response without making Python objects of them, if they need no change.

    They pass the same checks as decoded rows, and their numbers stay as Braze writes them. Anything unusual is left to
    the path through decoded rows: an unknown column, a value of another type, white space that would break a line.
    """

    def __init__(
        self, columns: Mapping[str, Any], keys: Iterable[str], payload: str, *, nested: str, shared: Iterable[str]
    ) -> None:
        """Compile the types.

        Args:
            columns: Schemas of the columns that rows may have; see `can_stay_encoded`.
            keys: Text columns of the key that each row has, `time` among them.
            payload: Field of the response that holds the rows, or an object with them.
            nested: Field of that object that holds the rows; empty if there is no such object.
            shared: Columns whose values stand once in that object, and not in each row.
        """
        types = {name: _type(column, _open_struct) for name, column in columns.items()}
        keys = dict.fromkeys(keys, _KEY)
        self._shared = {name: types.pop(name) for name in shared}
        self._nested, self._payload = nested, payload
        self._checked = self._decoder(_closed_struct(types | keys, required=keys))
        self._encoded = self._decoder(msgspec.Raw)
        self._time = attrgetter(_attributes(types | keys)["time"])

    def read(self, body: bytes, tags: Mapping[str, str]) -> dict[str, bytes] | None:
        """Return the rows with the tags added, by their `time`; None if a row has to be decoded."""
        if b"\n" in body or b"\r" in body or not all(tags.values()):
            return None
        try:
            body.decode()  # msgspec does not check the text of fields without a type
            checked, more = decode_shallow(self._checked, body)
            encoded, _ = self._encoded(body)
        except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
            return None
        start = msgspec.json.encode({**tags, **more})[:-1] + (b"," if tags or more else b"")
        return {time: start + memoryview(row)[1:] for time, row in zip(map(self._time, checked), encoded, strict=True)}

    def _decoder(self, row: Any) -> Callable[[bytes], tuple[list[Any], dict[str, Any]]]:  # noqa: ANN401 - a type
        """Return the function that decodes a response to its rows and the values that they share."""
        rows: Any = list[row]
        inner = {self._nested: rows, **self._shared}
        outer = {self._payload: _closed_struct(inner, required=inner) if self._nested else rows, "message": str | None}
        decode = msgspec.json.Decoder(_closed_struct(outer, required=(self._payload,))).decode
        payload, attributes = _attributes(outer)[self._payload], _attributes(inner)

        def decoded(body: bytes) -> tuple[list[Any], dict[str, Any]]:
            found = getattr(decode(body), payload)
            if not self._nested:
                return found, {}
            return getattr(found, attributes[self._nested]), {
                name: getattr(found, attributes[name]) for name in self._shared
            }

        return decoded


def can_stay_encoded(column: Mapping[str, Any]) -> bool:
    """Return whether a column's values can be checked without decoding them and never change."""
    kinds = column.get("type")
    if kinds is None or column.get("format") == "date-time":
        return False
    if "array" in kinds:
        return can_stay_encoded(column.get("items", {}))
    if "object" in kinds:
        further = column.get("additionalProperties")
        inner = (column.get("properties") or {"": further if isinstance(further, dict) else {}}).values()
        return all(map(can_stay_encoded, inner))
    return True


def _moment(name: str, text: str) -> str | None:
    if not text:
        return None
    try:
        moment(text)
    except ValueError:
        raise WrongTypeError(f"'{name}' is not a time") from None
    return rfc3339(text)


def _type(node: Mapping[str, Any], object_type: Callable[[dict[str, Any]], Any]) -> Any:  # noqa: ANN401 - a type
    """Return the type that msgspec checks values against; `object_type` makes that of an object with known fields."""
    kinds = node.get("type")
    if kinds is None:
        return Any
    kinds = [kinds] if isinstance(kinds, str) else kinds
    return Union[tuple(_type_of_kind(kind, node, object_type) for kind in kinds)]  # noqa: UP007 - any number of types


def _type_of_kind(kind: str, node: Mapping[str, Any], object_type: Callable[[dict[str, Any]], Any]) -> Any:  # noqa: ANN401
    if kind == "array":
        return list[_type(node.get("items", {}), object_type)]  # type: ignore[misc]
    if kind == "object":
        if properties := node.get("properties"):
            return object_type({name: _type(inner, object_type) for name, inner in properties.items()})
        further = node.get("additionalProperties")
        return dict[str, _type(further if isinstance(further, dict) else {}, object_type)]  # type: ignore[misc]
    return _SCALARS[kind]


def _dict_type(fields: dict[str, Any]) -> Any:  # noqa: ANN401 - a type
    """Return the type of a dict with these fields, none of them required, and any others."""
    return _typed_dict("Row", fields, total=False)


def _open_struct(fields: Mapping[str, Any]) -> type[msgspec.Struct]:
    """Return the type of an object with these fields, none of them required, and any others."""
    return _struct(fields, (), forbid_unknown_fields=False)


def _closed_struct(fields: Mapping[str, Any], required: Iterable[str]) -> type[msgspec.Struct]:
    """Return the type of an object with these fields and no others."""
    return _struct(fields, required, forbid_unknown_fields=True)


def _struct(fields: Mapping[str, Any], required: Iterable[str], *, forbid_unknown_fields: bool) -> type[msgspec.Struct]:
    attributes = _attributes(fields)
    return msgspec.defstruct(
        "Row",
        [
            (attributes[name], kind) if name in required else (attributes[name], kind, None)
            for name, kind in fields.items()
        ],
        rename={attribute: name for name, attribute in attributes.items()},
        kw_only=True,
        forbid_unknown_fields=forbid_unknown_fields,
        gc=False,
    )


def _attributes(fields: Iterable[str]) -> dict[str, str]:
    """Return a valid attribute name for each field."""
    return {name: f"field_{place}" for place, name in enumerate(fields)}


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
