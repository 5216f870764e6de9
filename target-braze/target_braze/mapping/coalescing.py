"""Coalesce two attribute changes of one user into one object with the same effect, where possible.

For what each operator does, see https://www.braze.com/docs/api/objects_filters/user_attributes_object/.
"""

from __future__ import annotations

from typing import Any, Final

from target_braze.braze import limits
from target_braze.encode import encode

_ABSENT: Final = object()
_ARRAY_OPERATORS: Final = frozenset({"add", "remove"})
# In the order in which Braze applies them, regardless of their order in the object.
_OBJECT_OPERATORS: Final = ("$add", "$remove", "$update")
# Arrays whose members are independent instructions, with the key that distinguishes the members.
_MEMBERS: Final = {"subscription_groups": ("subscription_group_id",), "push_tokens": ("app_id", "token")}


class _Unsafe(Exception):  # noqa: N818 - not an error, there is just no such object
    """No single object has the effect of the two in sequence."""


def coalesced(earlier: dict[str, Any], later: dict[str, Any]) -> dict[str, Any] | None:
    """Return one object with the effect of two objects of the same user in sequence, or None if there is none."""
    if earlier.get("_update_existing_only") != later.get("_update_existing_only"):
        return None
    merge = later.get("_merge_objects", False)
    if earlier.get("_merge_objects", False) != merge and _has_objects(
        later if earlier.get("_merge_objects") else earlier
    ):
        return None  # the later value would be merged, but it must replace
    found = dict(earlier)
    try:
        for name, value in later.items():
            if isinstance(value, dict) or name in _MEMBERS:
                value = _value(name, earlier.get(name, _ABSENT), value, merge=merge)  # noqa: PLW2901
            found[name] = value
    except _Unsafe:
        return None
    return found


def _value(name: str, earlier: Any, later: Any, *, merge: bool) -> Any:  # noqa: ANN401
    if earlier is _ABSENT or name == "user_alias":
        return later
    if name in _MEMBERS:
        keys = _MEMBERS[name]
        return list({tuple(map(member.get, keys)): member for member in [*earlier, *later]}.values())
    if _is_data(later):
        if merge and not _is_data(earlier):
            raise _Unsafe  # the stored value it merges with is unknown
        return _merged(earlier, later) if merge else later
    fold = _increment if "inc" in later else _elements if later.keys() <= _ARRAY_OPERATORS else _objects
    return fold(earlier, later)


def _increment(earlier: Any, later: dict[str, int]) -> Any:  # noqa: ANN401
    by = later["inc"]
    if isinstance(earlier, dict) and earlier.keys() == {"inc"}:
        return {"inc": earlier["inc"] + by}
    # Braze adds to whole numbers. Its behavior for attributes that are null or fractions is undocumented.
    if isinstance(earlier, int) and not isinstance(earlier, bool):
        return earlier + by
    raise _Unsafe


def _elements(earlier: Any, later: dict[str, list[Any]]) -> Any:  # noqa: ANN401
    """Let the last operation on each element win; added elements go to the end of the array."""
    touched = {_identity(element) for elements in later.values() for element in elements}

    def untouched(elements: list[Any]) -> list[Any]:
        return [element for element in elements if _identity(element) not in touched]

    if isinstance(earlier, list) and not any(isinstance(element, dict) for element in earlier):
        whole = untouched(earlier) + later.get("add", [])
        if len(whole) > limits.ARRAY_ELEMENTS:
            raise _Unsafe
        return _of_size(whole)
    if not isinstance(earlier, dict) or not earlier or not earlier.keys() <= _ARRAY_OPERATORS:
        raise _Unsafe
    both = {key: untouched(earlier.get(key, [])) + later.get(key, []) for key in ("add", "remove")}
    return _of_size({key: elements for key, elements in both.items() if elements})


def _objects(earlier: Any, later: dict[str, list[Any]]) -> Any:  # noqa: ANN401
    if isinstance(earlier, list) and later.keys() == {"$add"} and all(isinstance(item, dict) for item in earlier):
        return _of_size(earlier + later["$add"])
    if not isinstance(earlier, dict) or not earlier or not earlier.keys() <= {*_OBJECT_OPERATORS}:
        raise _Unsafe
    # Exact only if no part of the earlier change would now be applied after a part of the later one.
    if max(map(_OBJECT_OPERATORS.index, earlier)) > min(map(_OBJECT_OPERATORS.index, later)):
        raise _Unsafe
    return _of_size({key: earlier.get(key, []) + later.get(key, []) for key in {**earlier, **later}})


def _merged(earlier: dict[str, Any], later: dict[str, Any]) -> dict[str, Any]:
    found = dict(earlier)
    for key, value in later.items():
        old = earlier.get(key)
        both = isinstance(old, dict) and isinstance(value, dict) and not {"$time"} & (old.keys() | value.keys())
        found[key] = _merged(old, value) if both else value  # type: ignore[arg-type]  # both are objects
    _of_size(found)
    return found


def _has_objects(fields: dict[str, Any]) -> bool:
    """Return whether `_merge_objects` would affect any of the fields."""
    return any(
        _is_data(value) or (isinstance(value, dict) and "$update" in value)
        for name, value in fields.items()
        if name != "user_alias"
    )


def _is_data(value: Any) -> bool:  # noqa: ANN401
    """Return whether a value is a plain object, not an operator on the stored value."""
    return (
        isinstance(value, dict)
        and value.keys() != {"inc"}
        and not (value and value.keys() <= {*_ARRAY_OPERATORS, *_OBJECT_OPERATORS})
    )


def _of_size(value: Any) -> Any:  # noqa: ANN401
    """Return the value if it is small enough for Braze to store as one attribute."""
    if len(encode(value)) > limits.OBJECT_BYTES:
        raise _Unsafe
    return value


def _identity(element: Any) -> tuple[bool, Any]:  # noqa: ANN401
    """Distinguish `true` from 1, which are equal in Python."""
    return isinstance(element, bool), element


def accumulates(value: object) -> bool:
    """Return whether an attribute's value adds to the stored value each time it is sent.

    https://www.braze.com/docs/api/objects_filters/user_attributes_object/
    """
    return isinstance(value, dict) and ("inc" in value or "$add" in value)
