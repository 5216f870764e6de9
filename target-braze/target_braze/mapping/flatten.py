"""Flatten columns of objects into attributes, such as the custom attributes in a Braze export."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from target_braze.braze import limits
from target_braze.mapping.property_sources import PropertyConverters, PropertySource
from target_braze.mapping.values.names import checked_name
from target_braze.mapping.values.nested import compile_value
from target_braze.mapping.values.standard_fields import compile_standard_field
from target_braze.records import RecordError

if TYPE_CHECKING:
    from collections.abc import Callable, Container, Mapping

    from target_braze.mapping.base.stream_mapping import Defaults
    from target_braze.mapping.columns import Columns
    from target_braze.mapping.values.scalars import Convert


class FlattenedColumns:
    """The columns in `flatten`. A key named like a standard field sets that field.

    `taken` are the attributes of operators and of the flag for deleted records; no key may have their names.
    """

    def __init__(
        self,
        columns: Columns,
        defaults: Defaults,
        watch: Callable[[Convert, str], Convert],
        notice: Callable[[str], None],
        taken: Container[str],
    ) -> None:
        self.columns = tuple(columns.known(column, "flatten") for column in columns.entry.get("flatten", ()))
        for column in self.columns:
            columns.check_types(column, ("object", "string"), "flattened")
        place = defaults.place(notice, typed_nested_times=True)
        self._nulls = defaults.unset_nulls
        self._taken = taken
        source = PropertySource(columns, tuple((column,) for column in self.columns), {})
        self._read = source.read

        def compile_one(member: str, schema: Mapping[str, Any]) -> tuple[str, Convert]:
            name = checked_name(member)
            if name in limits.CONTROL_KEYS:
                raise ValueError(f"'{name}' is a control key of Braze")
            what = f"attribute '{name}'"
            here = place.of(what)
            standard = compile_standard_field(name, schema, here)
            return name, standard or watch(compile_value(schema, here), what)

        self._members = PropertyConverters(
            "attribute", source.schemas, lambda _name: True, compile_one, defaults.dropped(notice)
        )

    def names(self, record: Mapping[str, Any]) -> frozenset[str]:
        """Return the attributes for which the record has members."""
        return frozenset(self._read(record)) if self.columns else frozenset()

    def fill(self, sent: dict[str, Any], record: Mapping[str, Any]) -> None:
        """Add the members to the object.

        Raises:
            RecordError: Braze would not accept a value, or a column has the name of a member.
        """
        if not self.columns:
            return
        for name, value in self._members.convert(self._read(record)).items():
            if value is None and not self._nulls:
                continue
            if name in sent:
                raise RecordError(f"attribute '{name}' comes both from a column of its own and from one in 'flatten'")
            if name in self._taken:
                raise RecordError(f"attribute '{name}', from a column in 'flatten', also comes from another setting")
            sent[name] = value
