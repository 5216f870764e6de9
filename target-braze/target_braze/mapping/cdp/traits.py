"""Map traits of a customer-data platform to attributes, including Braze's standard fields and their forms.

For the reserved traits, see https://www.twilio.com/docs/segment/connections/spec/identify and
https://www.rudderstack.com/docs/event-spec/standard-events/identify/.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from target_braze.braze import limits
from target_braze.mapping.base.attribute_fields import meant_field, watched
from target_braze.mapping.cdp.layouts import snake_case
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

# The reserved traits in snake_case, as warehouses spell them, and their fields in Braze.
_STANDARD: Final[Mapping[str, str]] = {
    "avatar": "image_url",
    "birthday": "dob",
    "email": "email",
    "first_name": "first_name",
    "gender": "gender",
    "last_name": "last_name",
    "phone": "phone",
}
# Parts of an address that are also fields in Braze: where they are, nested or in a separate column.
_ADDRESS: Final[Mapping[str, str]] = {"city": "home_city", "country": "country"}
_GENDERS: Final[Mapping[str, str]] = {"male": "M", "female": "F", "other": "O"}


def compile_trait(renames: Mapping[str, str], defaults: Defaults, notice: Callable[[str], None]) -> Compile:
    """Return a compiler that sends a trait under its name in `rename`, else as its Braze field, else unrenamed."""
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
    """Add the city and country of the trait `address` as Braze's fields if Braze would accept them.

    The address remains a separate attribute, so parts that do not fit are not lost.
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
    """Return Amplitude's user properties with `$set` and `$unset` applied; Braze has no equivalent of other operations.

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
    """Accept a gender written as a word too."""

    def spelled(value: object) -> object:
        return convert(_GENDERS.get(value.strip().lower(), value) if isinstance(value, str) else value)

    return spelled
