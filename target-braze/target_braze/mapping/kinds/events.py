"""Records that become events or purchases: something that happened at a time, with properties."""

from __future__ import annotations

import time
from abc import abstractmethod
from datetime import datetime, timedelta, timezone
from typing import TYPE_CHECKING, Any, ClassVar, Final

from typing_extensions import override

from target_braze.braze import limits
from target_braze.braze.data_points import data_points
from target_braze.encode import encode
from target_braze.mapping.columns import Columns, Field, Fields
from target_braze.mapping.kinds.base import Defaults, StreamMapping
from target_braze.mapping.property_sources import Bag, Members
from target_braze.mapping.spelling import almost
from target_braze.mapping.values.names import checked_name
from target_braze.mapping.values.nested import Place, checked_size, compile_value
from target_braze.mapping.values.scalars import Convert, to_id, to_integer, to_number, to_string
from target_braze.mapping.values.times import to_moment, to_time
from target_braze.records import Change, RecordError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping
    from datetime import tzinfo

    from target_braze.records import User

# Clocks differ; an event so many seconds ahead is not worth a word.
_CLOCK_SKEW: Final = 300.0
# A day that was over everywhere when the program began.
_LONG_AGO: Final = (datetime.now(timezone.utc) - timedelta(days=2)).date().isoformat()
# What columns may hold of the parts that are no numbers.
_KINDS: Final[Mapping[str, tuple[str, ...]]] = {"currency": ("string",)}


class Happening(StreamMapping):
    """What events and purchases have in common: a time, an app, properties."""

    properties_bytes: ClassVar[int]
    reserved: ClassVar[frozenset[str]]

    def _compile_properties(self, used: set[str]) -> None:
        columns, defaults = self._columns, self._defaults
        place = defaults.place(self._notice, typed_nested_times=False)
        time_column = columns.entry.get("time_field", "time")
        if time_column not in columns and "time_field" not in columns.entry:
            raise columns.error(
                f"nothing says when it happened: write {columns.at}.time_field: "
                f"{almost(columns, 'time') or 'the_column'}. "
                f"Columns: {', '.join(columns.names)}"
            )
        columns.known(time_column, "time_field")
        columns.check_kinds(time_column, ("string",), "the time")
        read, zone = columns.read_time(time_column), defaults.zone
        self._time = Field(time_column, "time", lambda value: to_past(read(value), zone, time_column, self._notice))
        used = used | {time_column} | self._identifier_columns()
        self._app_id = None
        if "app_id" in columns and "app_id" not in columns.entry.get("properties", ()):
            self._app_id = Field("app_id", "app_id", to_string)
            used.add("app_id")
        elif (spelled := almost(columns, "app_id")) and spelled not in columns.entry.get("properties", ()):
            self._notice(f"column '{spelled}' becomes a property: only one called 'app_id' names the app")
        # A stream that already has the shape of Braze's object holds the properties in one column of that name.
        natural = ["properties"] if "properties" not in columns.entry and columns.object_schema("properties") else []
        spread = [columns.known(column, "spread") for column in columns.entry.get("spread", natural)]
        self._spread = [self._compile_spread(column, place) for column in spread]
        used.update(spread)
        chosen = columns.select("properties", (name for name in columns.names if name not in used), self._notice)
        reserved = dict.fromkeys(self.reserved, f"Braze reserves in the properties of {self.kind}")
        self._properties = Fields(columns.fields(chosen, place, {}, reserved), dropped=defaults.dropped(self._notice))
        if not self._spread:
            self._quick = self._compile_quick(self._properties, used)

    @property
    @override
    def sources(self) -> Mapping[str, tuple[str, ...]]:
        parts = [self._time, *([self._app_id] if self._app_id else ()), *self._parts_of_object()]
        found = {field.name: (field.column,) for field in parts}
        return found | {f"properties.{field.name}": (field.column,) for field in self._properties.all}

    @property
    @override
    def spread(self) -> tuple[str, ...]:
        return tuple(bag.paths[0][0] for bag, _ in self._spread)

    @abstractmethod
    def _parts_of_object(self) -> Iterable[Field]:
        """What beside the time and the properties comes from columns."""

    def _compile_spread(self, column: str, place: Place) -> tuple[Bag, Members]:
        """What reads a column of objects, and what converts their members by name."""
        self._columns.check_kinds(column, ("object", "string"), "spread")

        def compile_one(member: str, schema: Mapping[str, Any]) -> tuple[str, Convert]:
            name = checked_name(member)
            if name in self.reserved:
                raise ValueError(f"Braze reserves the name '{name}'")
            return name, compile_value(schema, place.of(f"property '{name}'"))

        bag = Bag(self._columns, ((column,),), {})
        what, dropped = f"column '{column}': property", self._defaults.dropped(self._notice)
        return bag, Members(what, bag.schemas, lambda _: True, compile_one, dropped)

    def _fill_timed(self, fields: dict[str, Any], record: Mapping[str, Any]) -> None:
        fields["time"] = self._time.required(record)
        app_id = (self._app_id and self._app_id.value(record)) or self._defaults.app_id
        if app_id:
            fields["app_id"] = app_id

    @override
    def _fill(self, fields: dict[str, Any], record: Mapping[str, Any]) -> None:
        self._fill_own(fields, record)
        properties: dict[str, Any] = {}
        self._properties.fill(properties, record)
        for bag, converters in self._spread:
            members = {n: value for n, value in converters.convert(bag.read(record)).items() if value is not None}
            if twice := members.keys() & properties.keys():
                raise RecordError(
                    f"column '{bag.paths[0][0]}': the property '{min(twice)}' comes from another column too; give that "
                    "one another name in 'rename', or choose in 'properties'"
                )
            properties |= members
        if properties:
            fields["properties"] = properties

    @override
    def _as_change(self, user: User, fields: dict[str, Any]) -> Change:
        encoded = encode(fields)
        # No part of it is larger than the whole.
        if len(encoded) > self.properties_bytes:
            try:
                checked_size(fields.get("properties", {}), self.properties_bytes)
            except ValueError as wrong:
                raise RecordError(f"its properties are {wrong}") from None
        return Change(self.kind, user, fields, encoded=encoded)

    @override
    def _as_quick_change(self, user: User, own: dict[str, Any], encoded: bytes, number: int) -> Change | None:
        head = encode(own)
        whole = b'%s,"properties":%s}' % (head[:-1], encoded) if number else head
        if len(whole) > self.properties_bytes:
            return None
        # Properties cost nothing.
        points = data_points(Change(self.kind, user, own))
        return Change(self.kind, user, None, encoded=whole, points=points)

    def _column(self, setting: str, given: Mapping[str, str], key: str, convert: Convert) -> Field:
        """The column for a part of the object: the one the mapping names, else the one called like it."""
        columns = self._columns
        spelled = almost(columns, key)
        if key not in given and key not in columns:
            hint = f"{setting if key == 'name' else f'{setting}.{key}'}: {spelled or 'the_column'}"
            raise columns.error(
                f"nothing gives '{key}', which Braze needs: write {columns.at}.{hint}. "
                f"Columns: {', '.join(columns.names)}"
            )
        column = columns.known(given.get(key, key), setting if key == "name" else f"{setting}.{key}")
        columns.check_kinds(column, _KINDS.get(key, ("string", "number", "integer")), f"'{key}'")
        return Field(column, key, columns.read_id(column, convert) if key == "product_id" else convert)


class Events(Happening):
    """https://www.braze.com/docs/api/objects_filters/event_object/."""

    kind = "events"
    keys = frozenset({"event", "time_field", "properties", "spread"})
    properties_bytes = limits.EVENT_PROPERTIES_BYTES
    reserved = limits.RESERVED_EVENT_PROPERTIES

    def __init__(self, columns: Columns, defaults: Defaults, notice: Callable[[str], None]) -> None:
        super().__init__(columns, defaults, notice)
        event: Mapping[str, str] = columns.entry.get("event", {})
        self._literal = event.get("name", "").strip()
        if "name" in event and not 0 < len(self._literal) <= limits.NAME_LENGTH:
            raise columns.error(
                f"'event.name' needs 1 to {limits.NAME_LENGTH} characters, blanks at its ends not counted"
            )
        self._name = None
        self._names: set[str] = set()
        if not self._literal:
            given = {"name": event["name_field"]} if "name_field" in event else {}
            self._name = self._column("event.name_field", given, "name", to_event_name)
        self._compile_properties({self._name.column} if self._name else set())

    @override
    def _fill_own(self, fields: dict[str, Any], record: Mapping[str, Any]) -> None:
        name: str = self._name.required(record) if self._name else self._literal
        fields["name"] = name
        self._names = watch_names(self._names, name, limits.MANY_EVENT_NAMES, "event names", self._notice)
        self._fill_timed(fields, record)

    @override
    def _parts_of_object(self) -> Iterable[Field]:
        return (self._name,) if self._name else ()


class Purchases(Happening):
    """https://www.braze.com/docs/api/objects_filters/purchase_object/."""

    kind = "purchases"
    keys = frozenset({"purchase", "time_field", "properties", "spread"})
    properties_bytes = limits.PURCHASE_PROPERTIES_BYTES
    reserved = limits.RESERVED_PURCHASE_PROPERTIES

    def __init__(self, columns: Columns, defaults: Defaults, notice: Callable[[str], None]) -> None:
        super().__init__(columns, defaults, notice)
        given: Mapping[str, str] = columns.entry.get("purchase", {})
        self._parts = tuple(
            self._column("purchase", given, key, convert)
            for key, convert in (("product_id", to_product_id), ("currency", to_currency), ("price", to_number))
        )
        self._quantity = None
        spelled = almost(columns, "quantity")
        if spelled and "quantity" not in given and spelled not in columns.entry.get("properties", ()):
            raise columns.error(
                f"column '{spelled}' differs from Braze's 'quantity' only in spelling, and each purchase would count "
                f"as one. Write {columns.at}.purchase.quantity: {spelled}, or name it in {columns.at}.properties"
            )
        if "quantity" in given or "quantity" in columns:
            self._quantity = self._column("purchase", given, "quantity", to_quantity)
        self._products: set[str] = set()
        parts = (*self._parts, self._quantity) if self._quantity else self._parts
        self._compile_properties({part.column for part in parts})

    @override
    def _fill_own(self, fields: dict[str, Any], record: Mapping[str, Any]) -> None:
        for part in self._parts:
            fields[part.name] = part.required(record)
        quantity = self._quantity and self._quantity.value(record)
        if quantity is not None:
            fields["quantity"] = quantity
        self._products = watch_names(
            self._products, fields["product_id"], limits.MANY_PRODUCTS, "product ids", self._notice
        )
        self._fill_timed(fields, record)

    @override
    def _parts_of_object(self) -> Iterable[Field]:
        return (*self._parts, self._quantity) if self._quantity else self._parts


def to_past(value: object, zone: tzinfo, column: str, notice: Callable[[str], None]) -> str:
    """When something happened, in ISO 8601; gives notice of what has not happened yet."""
    text = to_time(value, zone)
    # Nearly all is so long ago that its day says so.
    if text >= _LONG_AGO and to_moment(text, zone).timestamp() > time.time() + _CLOCK_SKEW:
        notice(f"column '{column}' lies in the future; Braze will store the moment of arrival")
    return text


def to_event_name(value: object) -> str:
    """An event's name.

    Raises:
        ValueError: Braze would not take it.
    """
    name = to_string(value).strip()
    if len(name) > limits.NAME_LENGTH:
        raise ValueError(f"an event's name may be at most {limits.NAME_LENGTH} characters long")
    return name


def to_product_id(value: object) -> str:
    """The id of a product.

    Raises:
        ValueError: Braze would not take it.
    """
    text = to_id(value)
    if len(text) > limits.PRODUCT_ID_LENGTH:
        raise ValueError(f"{len(text)} characters long, Braze takes at most {limits.PRODUCT_ID_LENGTH}")
    return text


def to_currency(value: object) -> str:
    """A currency code.

    Raises:
        ValueError: Braze would not take it.
    """
    text = to_string(value).strip().upper()
    if len(text) != 3 or not (text.isascii() and text.isalpha()):  # noqa: PLR2004
        raise ValueError(f"expected a currency code of ISO 4217 such as EUR, got {value!r}")
    return text


def to_quantity(value: object) -> int | None:
    """A quantity, None from blank text.

    Raises:
        ValueError: Braze would not take it.
    """
    quantity = to_integer(value)
    if quantity is not None and not 1 <= quantity <= limits.PURCHASE_QUANTITY:
        raise ValueError(f"Braze takes a quantity of 1 to {limits.PURCHASE_QUANTITY}, got {quantity}")
    return quantity


def watch_names(seen: set[str], name: str, many: int, what: str, notice: Callable[[str], None]) -> set[str]:
    """Count distinct names as far as it matters: Braze blocks a profile that has too many."""
    if len(seen) <= many and name not in seen:
        if len(seen) == many:
            notice(f"more than {many:,} distinct {what}: is that a name, or data that belongs into a property?")
        seen.add(name)
    return seen
