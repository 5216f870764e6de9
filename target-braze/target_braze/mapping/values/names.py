"""Check that Braze accepts the names of attributes, properties and the keys inside them."""

from __future__ import annotations

from target_braze.braze import limits


def checked_name(name: str) -> str:
    """Return the name of an attribute or property, trimmed as Braze trims it.

    Property names and keys inside properties have 1 to 255 characters and no leading `$`; Braze documents no other
    rules (https://www.braze.com/docs/api/objects_filters/event_object/). Braze's SDK reference has the same rules for
    attributes; the REST API pages have none.

    Raises:
        ValueError: Braze would not accept the name.
    """
    trimmed = name.strip()
    if not trimmed:
        raise ValueError("a name may not be blank")
    if len(trimmed) > limits.NAME_LENGTH:
        raise ValueError(f"a name may be at most {limits.NAME_LENGTH} characters long")
    if trimmed.startswith("$"):
        raise ValueError(f"a name may not begin with '$': {trimmed!r}")
    return trimmed


def checked_key(name: str) -> str:
    """Return the name of a key inside an object attribute.

    https://www.braze.com/docs/user_guide/data/activation/attributes/nested_custom_attribute_support/

    Raises:
        ValueError: Braze would not accept the name.
    """
    trimmed = checked_name(name)
    if " " in trimmed:
        raise ValueError(f"the name of a key inside an object may not contain a space: {name!r}")
    if "." in trimmed or "$" in trimmed:
        raise ValueError(f"the name of a key inside an object may not contain '.' or '$': {trimmed!r}")
    return trimmed
