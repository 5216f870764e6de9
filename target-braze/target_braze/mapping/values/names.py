"""Names of attributes, properties and the keys inside them: which of them Braze takes."""

from __future__ import annotations

from target_braze.braze import limits


def checked_name(name: str) -> str:
    """Return the name of an attribute or property, trimmed as Braze does it.

    Property names have 1 to 255 characters and no leading `$`, as have keys inside of properties; that is all that is
    documented (https://www.braze.com/docs/api/objects_filters/event_object/). The reference of Braze's SDKs says the
    same of attributes; the pages of the REST API are silent.

    Raises:
        ValueError: Braze would not take it.
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
    """Return the name of a key inside an object that is an attribute.

    https://www.braze.com/docs/user_guide/data/activation/attributes/nested_custom_attribute_support/

    Raises:
        ValueError: Braze would not take it.
    """
    trimmed = checked_name(name)
    if " " in trimmed:
        raise ValueError(f"the name of a key inside an object may not contain a space: {name!r}")
    if "." in trimmed or "$" in trimmed:
        raise ValueError(f"the name of a key inside an object may not contain '.' or '$': {trimmed!r}")
    return trimmed
