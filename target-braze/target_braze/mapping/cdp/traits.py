"""Traits of a customer-data platform as attributes: which are Braze's own fields, and in which form.

The reserved traits are those of https://www.twilio.com/docs/segment/connections/spec/identify and
https://www.rudderstack.com/docs/event-spec/standard-events/identify/.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from target_braze.braze import limits
from target_braze.mapping.cdp.layouts import snake_case
from target_braze.mapping.kinds.attributes import meant_field, watched
from target_braze.mapping.property_sources import to_object
from target_braze.mapping.values.names import checked_name
from target_braze.mapping.values.nested import compile_value
from target_braze.mapping.values.schemas import is_time
from target_braze.mapping.values.standard_fields import compile_standard_field

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from target_braze.mapping.base.stream_mapping import Defaults
    from target_braze.mapping.property_sources import Compile
    from target_braze.mapping.values.nested import Place
    from target_braze.mapping.values.scalars import Convert

# The reserved traits in snake_case, as they are spelled in warehouses, and Braze's fields for them.
_STANDARD: Final[Mapping[str, str]] = {
    "avatar": "image_url",
    "birthday": "dob",
    "email": "email",
    "first_name": "first_name",
    "gender": "gender",
    "last_name": "last_name",
    "phone": "phone",
}
# What else a part of an address is in Braze: where it stands, nested or in a column of its own.
_ADDRESS: Final[Mapping[str, str]] = {"city": "home_city", "country": "country"}
_GENDERS: Final[Mapping[str, str]] = {"male": "M", "female": "F", "other": "O"}


def compile_trait(renames: Mapping[str, str], defaults: Defaults, notice: Callable[[str], None]) -> Compile:
    """How a trait is sent: under the name of `rename`, as the field of Braze that it is, or under its own name."""
    everywhere = defaults.place(notice, typed_nested_times=True)

    def compile_one(trait: str, schema: Mapping[str, Any]) -> tuple[str, Convert]:
        name = checked_name(renames.get(trait) or _STANDARD.get(snake_case(trait), trait))
        if name in limits.CONTROL_KEYS:
            raise ValueError(f"'{name}' is a control key of Braze; rename it with 'rename' or leave it out")
        what = f"trait '{trait}'"
        place = everywhere.of(what)
        standard = compile_standard_field(name, schema, place)
        if standard:
            return name, _spelled(standard) if name == "gender" else standard
        if meant := meant_field(name):
            notice(f"{what} becomes a custom attribute; to set Braze's own field '{meant}', use 'rename'")
        convert = compile_value(schema, place)
        if is_time(schema):
            return name, convert
        return name, watched(convert, what, notice, reject=defaults.date_like_text == "reject")

    return compile_one


def add_address(
    attributes: dict[str, Any], traits: Mapping[str, Any], place: Place, notice: Callable[[str], None]
) -> None:
    """Add the city and the country of the trait `address` as Braze's fields, where Braze can take them.

    The address stays an attribute of its own, so what does not fit is not lost.
    """
    address = traits.get("address")
    for part, name in _ADDRESS.items():
        value = traits.get(f"address_{part}") or (address.get(part) if isinstance(address, dict) else None)
        convert = compile_standard_field(name, {}, place)
        if name in attributes or value is None or convert is None:
            continue
        try:
            found = convert(value)
        except ValueError as wrong:
            notice(f"the {part} of the trait 'address' is not sent as '{name}': {wrong}")
            continue
        if found is not None:
            attributes[name] = found


def without_operations(properties: Mapping[str, Any], notice: Callable[[str], None]) -> dict[str, Any]:
    """Amplitude's user properties without its operations, of which Braze knows to set and to remove.

    https://amplitude.com/docs/apis/analytics/identify
    """
    plain = {name: value for name, value in properties.items() if not name.startswith("$")}
    for operation in sorted(properties.keys() - plain.keys()):
        if operation in {"$set", "$unset"}:
            values = to_object(properties[operation], ("user_properties", operation))
            plain |= values if operation == "$set" else dict.fromkeys(values)
        else:
            notice(f"Amplitude's operation '{operation}' on user properties is not sent: Braze has no equivalent")
    return plain


def _spelled(convert: Convert) -> Convert:
    """Take a gender in words too."""

    def spelled(value: object) -> object:
        return convert(_GENDERS.get(value.strip().lower(), value) if isinstance(value, str) else value)

    return spelled
