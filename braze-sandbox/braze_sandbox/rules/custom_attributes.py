"""Apply values and operators to existing custom attributes (docs: user_attributes_object)."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

from braze_sandbox.rules.values import (
    OBJECT_BYTES,
    Discard,
    elements,
    kind_of,
    nested,
    parse_time,
    scalar,
    stored_bytes,
)

if TYPE_CHECKING:
    from collections.abc import Callable

    from braze_sandbox.wire.answer import Json


class _Update(NamedTuple):
    """The input of an operator."""

    kind: str | None
    """The attribute's type, fixed by its first value."""
    old: Json
    value: dict[str, Any]
    merge: bool
    report: Callable[[str], None]


def apply_custom(
    types: dict[str, str],
    attributes: dict[str, Any],
    name: str,
    value: Json,
    *,
    merge: bool,
    report: Callable[[str], None],
) -> None:
    """Apply a value to the custom attribute `name`, or raise Discard. `types` holds the types of all attributes."""
    if value is None:
        attributes.pop(name, None)
        return
    kind = types.get(name)
    if isinstance(value, dict):
        found, new = _from_object(_Update(kind, attributes.get(name), value, merge, report))
    elif isinstance(value, list):
        # An empty array can be either kind of array.
        found = kind if not value and kind in ("array", "objects") else kind_of(value)
        _expect(kind, found)
        new = [nested(element) for element in value] if found == "objects" else elements(value, report)
    else:
        if kind in ("array", "object", "objects"):
            raise Discard(f"a scalar is ignored for an attribute of type {kind}")
        found = kind or kind_of(value)
        new = scalar(found, value, report)
        if kind is None and found == "string" and parse_time(value):
            report("a time after the year 3000 is stored as text")
    if found in ("array", "object", "objects") and stored_bytes(new) > OBJECT_BYTES:
        raise Discard("an object or array over 100 KB is not stored")
    types.setdefault(name, found)
    attributes[name] = new


def _from_object(update: _Update) -> tuple[str, Json]:
    value = update.value
    keys = value.keys()
    if keys == {"inc"} and isinstance(value["inc"], (int, float)):
        return "number", _inc(update)
    if keys and keys <= {"add", "remove"} and all(isinstance(inner, list) for inner in value.values()):
        return "array", _add_remove(update)
    if keys & {"$add", "$remove", "$update"}:
        return "objects", _objects(update)
    _expect(update.kind, "object")
    new = nested(value)
    if not isinstance(new, dict):
        raise Discard("$time is for times inside objects: a time attribute is a plain string")
    return "object", _merged(update.old, new) if update.merge else new


def _expect(kind: str | None, found: str) -> None:
    if kind not in (None, found):
        raise Discard(f"a value of type {found} is ignored for an attribute of type {kind}")


def _inc(update: _Update) -> int:
    _expect(update.kind, "number")
    old, by = update.old, update.value["inc"]
    if isinstance(by, bool) or not isinstance(by, int) or not isinstance(old, (int, type(None))):
        # The docs mention integers; handling of other numbers is not documented.
        raise Discard("inc on or by something that is not an integer is ignored")
    return by + (old or 0)


def _add_remove(update: _Update) -> list[Json]:
    _expect(update.kind, "array")
    old, more, gone = update.old or [], update.value.get("add", []), update.value.get("remove", [])
    if update.old is None and not more:
        raise Discard("remove on a missing attribute does nothing")
    if any(element in gone for element in more):
        update.report("the same element is added and removed: which wins is not documented")
    return elements([element for element in [*old, *more] if element not in gone], update.report)


def _objects(update: _Update) -> list[dict[str, Any]]:
    """Apply `$add`, then `$remove`, then `$update`."""
    _expect(update.kind, "objects")
    value = update.value
    if not value.keys() <= {"$add", "$remove", "$update"} or not all(isinstance(v, list) for v in value.values()):
        raise Discard("$add, $remove and $update take arrays and stand alone")
    items = [*(update.old or []), *(nested(item) for item in value.get("$add", []))]
    if not all(isinstance(item, dict) for item in items):
        raise Discard("an array of objects takes objects only")
    for rule in value.get("$remove", []):
        name, wanted = _criterion(rule)
        items = [item for item in items if item.get(name) != wanted]
    for rule in value.get("$update", []):
        name, wanted = _criterion(rule)
        new = nested(rule.get("$new_object"))
        if not isinstance(new, dict):
            raise Discard("$new_object must be an object")
        items = [(_merged(item, new) if update.merge else new) if item.get(name) == wanted else item for item in items]
    return items


def _criterion(rule: Json) -> tuple[str, Json]:
    if not isinstance(rule, dict) or not rule.keys() >= {"$identifier_key", "$identifier_value"}:
        raise Discard("$remove and $update need $identifier_key and $identifier_value")
    return rule["$identifier_key"], rule["$identifier_value"]


def _merged(old: Json, new: Json) -> Json:
    if not (isinstance(old, dict) and isinstance(new, dict)):
        return new
    return {**old, **{name: _merged(old.get(name), value) for name, value in new.items()}}
