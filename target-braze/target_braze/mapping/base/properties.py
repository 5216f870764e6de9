"""Properties of events, purchases and messages: chosen columns, and the members of flattened columns."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from target_braze.mapping.columns import Fields
from target_braze.mapping.property_sources import PropertyConverters, PropertySource
from target_braze.mapping.values.names import checked_name
from target_braze.mapping.values.nested import compile_value
from target_braze.records import RecordError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping

    from target_braze.mapping.columns import Columns, Dropped
    from target_braze.mapping.values.nested import Place
    from target_braze.mapping.values.scalars import Convert


class Properties:
    """Makes the properties of each record.

    Args:
        columns: The stream's columns, with the settings `properties` and `flatten`.
        used: Columns that have another use, which no glob selects.
        natural: The column to flatten by default if it holds objects: the name that Braze gives the properties.
        reserved: Names that cannot be properties, each with the reason.
        place: Where the values go.
        dropped: Called with each invalid value that is left out; None to reject the record.
        notice: Called with what the user should know.
    """

    def __init__(
        self,
        columns: Columns,
        used: set[str],
        *,
        natural: str,
        reserved: Mapping[str, str],
        place: Place,
        dropped: Dropped | None,
        notice: Callable[[str], None],
    ) -> None:
        self._columns, self._reserved, self._place, self._dropped = columns, reserved, place, dropped
        # A stream in the shape of Braze's object has its properties in one column of that name.
        default = [natural] if "properties" not in columns.entry and columns.object_schema(natural) else []
        flattened = [columns.known(column, "flatten") for column in columns.entry.get("flatten", default)]
        self._flattened = [self._compile_flattened(column) for column in flattened]
        self.flattened = tuple(flattened)
        hidden = used | {*flattened}
        chosen = columns.select("properties", (name for name in columns.names if name not in hidden), notice)
        self.fields = Fields(columns.fields(chosen, place, {}, reserved), dropped=dropped)
        self.names = frozenset(field.name for field in self.fields.all)

    def of(self, record: Mapping[str, Any]) -> dict[str, Any]:
        """Return the properties of a record.

        Raises:
            RecordError: Braze would not accept a value, or two columns have a property of one name.
        """
        properties: dict[str, Any] = {}
        self.fields.fill(properties, record)
        return properties | self.members(record, properties)

    def members(self, record: Mapping[str, Any], others: Iterable[str]) -> dict[str, Any]:
        """Return the properties from flattened columns; `others` are the names of those from other columns.

        Raises:
            RecordError: Braze would not accept a value, or two columns have a property of one name.
        """
        found: dict[str, Any] = {}
        for source, converters in self._flattened:
            members = {n: value for n, value in converters.convert(source.read(record)).items() if value is not None}
            if twice := members.keys() & {*others, *found}:
                raise RecordError(
                    f"column '{source.paths[0][0]}': the property '{min(twice)}' comes from another column, too; "
                    "rename one of them in 'rename', or choose one in 'properties'"
                )
            found |= members
        return found

    def _compile_flattened(self, column: str) -> tuple[PropertySource, PropertyConverters]:
        """Return the reader of a column of objects and the converter of their members by name."""
        self._columns.check_types(column, ("object", "string"), "flattened")

        def compile_one(member: str, schema: Mapping[str, Any]) -> tuple[str, Convert]:
            name = checked_name(member)
            if name in self._reserved:
                raise ValueError(f"Braze reserves the name '{name}'")
            return name, compile_value(schema, self._place.of(f"property '{name}'"))

        source = PropertySource(self._columns, ((column,),), {})
        what = f"column '{column}': property"
        return source, PropertyConverters(what, source.schemas, lambda _: True, compile_one, self._dropped)
