"""Mapping: what a record of a stream becomes in Braze, compiled once per SCHEMA; knows no HTTP and no Singer messages.

Whatever is wrong with the mapping itself is found while compiling, before the first record.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta, timezone, tzinfo
from fnmatch import fnmatchcase
from typing import TYPE_CHECKING, Any, ClassVar, Final

from typing_extensions import override

from target_braze import limits
from target_braze.identity import Candidate, compile_user, identifier
from target_braze.records import Change, Kind, MappingError, RecordError
from target_braze.standard_fields import compile_standard_field
from target_braze.values import (
    TYPES,
    Convert,
    Place,
    checked_name,
    checked_size,
    compile_value,
    formats_of,
    kinds_of,
    looks_like_time,
    to_integer,
    to_moment,
    to_number,
    to_string,
)

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence

# Clocks differ; an event this far ahead is not worth a word.
_CLOCK_SKEW: Final = timedelta(minutes=5)

# Parts of a mapping that each kind of object has.
_COMMON_KEYS: Final = frozenset({"to", "user", "rename", "types"})

# Braze has no "none" for these: with a null it would reject the whole object.
_NEVER_NULL: Final = frozenset({"email_subscribe", "push_subscribe"})


@dataclass(frozen=True)
class Defaults:
    """Settings of the target that hold for all streams; `zone` is that of times that carry none."""

    app_id: str | None
    unset_nulls: bool
    update_existing_only: bool
    zone: tzinfo


@dataclass(frozen=True)
class Field:
    """A column that is sent: what Braze calls it and how its values are converted."""

    column: str
    name: str
    convert: Convert

    def value(self, record: Mapping[str, Any]) -> Any:  # noqa: ANN401
        """The value to send, None where there is none.

        Raises:
            RecordError: Braze would not take it.
        """
        value = record.get(self.column)
        if value is None:
            return None
        try:
            return self.convert(value)
        except ValueError as wrong:
            raise RecordError(f"column '{self.column}': {wrong}") from None

    def required(self, record: Mapping[str, Any]) -> Any:  # noqa: ANN401
        """The value to send.

        Raises:
            RecordError: there is none, or Braze would not take it.
        """
        value = self.value(record)
        if value is None or value == "":
            raise RecordError(f"column '{self.column}' is blank, but Braze needs '{self.name}'")
        return value


def find_entry(streams: Mapping[str, Any], stream: str) -> tuple[str | None, Mapping[str, Any]]:
    """The entry of the setting `streams` for a stream, by its name or else the first glob that fits, and its key."""
    if stream in streams:
        return stream, streams[stream]
    for key, entry in streams.items():
        if fnmatchcase(stream, key):
            return key, entry
    return None, {}


def compile_mapping(
    stream: str,
    schema: Mapping[str, Any],
    entry: Mapping[str, Any],
    defaults: Defaults,
    notice: Callable[[str], None],
) -> StreamMapping:
    """Compile the mapping of a stream from its JSON Schema and its entry in the setting `streams`.

    `notice` is called with what the user should know of but nothing can be done about, once per occurrence.

    Raises:
        MappingError: the two do not fit.
    """
    kind = entry.get("to") or (stream if stream in _KINDS else "attributes")
    if stray := sorted(entry.keys() - keys_of_kinds()[kind]):
        raise MappingError(
            f"stream '{stream}': '{stray[0]}' has no meaning for {kind}; they have: "
            f"{', '.join(sorted(keys_of_kinds()[kind]))}"
        )
    return _KINDS[kind](_Columns(stream, schema, entry, defaults.zone), defaults, notice)


class _Columns:
    """The columns of a stream as its mapping speaks of them."""

    def __init__(self, stream: str, schema: Mapping[str, Any], entry: Mapping[str, Any], zone: tzinfo) -> None:
        self.stream = stream
        self.entry = entry
        self.zone = zone
        properties = schema.get("properties") or {}
        self._schemas = {
            # JSON Schema has `true` for "anything".
            name: column if isinstance(column, Mapping) else {}
            for name, column in properties.items()
            if not name.startswith("_sdc_")
        }
        self.names = tuple(self._schemas)
        for column, declared in entry.get("types", {}).items():
            self.known(column, "types")
            self._schemas[column] = TYPES[declared]

    def __contains__(self, column: str) -> bool:
        return column in self._schemas

    def known(self, column: str, setting: str) -> str:
        """The column, if the stream has it.

        Raises:
            MappingError: it has not.
        """
        if column not in self._schemas:
            raise self.error(
                f"'{setting}' names the column '{column}', but the stream has only: {', '.join(self.names) or 'none'}"
            )
        return column

    def error(self, text: str) -> MappingError:
        return MappingError(f"stream '{self.stream}': {text}")

    def select(self, setting: str, default: Iterable[str], notice: Callable[[str], None]) -> list[str]:
        """The columns that the list of names and globs in `setting` chooses; `default` where there is no list."""
        patterns: Sequence[str] | None = self.entry.get(setting)
        if patterns is None:
            return list(default)
        chosen: dict[str, None] = {}
        for pattern in patterns:
            if not is_glob(pattern) or pattern in self._schemas:
                chosen[self.known(pattern, setting)] = None
                continue
            found = [name for name in self.names if fnmatchcase(name, pattern)]
            if not found:
                notice(f"'{setting}' has the glob '{pattern}', and no column fits it")
            chosen.update(dict.fromkeys(found))
        return list(chosen)

    def fields(
        self, columns: Iterable[str], place: Place, names: Mapping[str, str], reserved: Mapping[str, str]
    ) -> tuple[Field, ...]:
        """Compile the columns that are sent, under the names of `rename`, of `names`, or their own.

        Raises:
            MappingError: a name is reserved, is none Braze takes, or stands for two columns.
        """
        renames: Mapping[str, str] = self.entry.get("rename", {})
        for column in renames:
            self.known(column, "rename")
        fields: dict[str, Field] = {}
        for column in columns:
            wanted = renames.get(column) or names.get(column, column)
            try:
                name = checked_name(wanted)
                convert = compile_value(self._schemas[column], place)
            except ValueError as wrong:
                raise self.error(
                    f"column '{column}': {wrong}; give it another name in 'rename' or leave it out"
                ) from None
            if name in reserved:
                raise self.error(
                    f"column '{column}' would be sent as '{name}', which {reserved[name]}; give it another name in "
                    "'rename' or leave it out"
                )
            if name in fields:
                raise self.error(f"columns '{fields[name].column}' and '{column}' would both be sent as '{name}'")
            fields[name] = Field(column, name, convert)
        return tuple(fields.values())

    def is_time(self, column: str) -> bool:
        formats = formats_of(self._schemas[column])
        return bool(formats) and formats <= {"date", "date-time"}

    def object_schema(self, column: str) -> Mapping[str, Any] | None:
        """The schema of a column that holds objects, None of any other."""
        schema = self._schemas.get(column, {})
        return schema if "object" in kinds_of(schema) else None


def is_glob(text: str) -> bool:
    """Whether a name in a mapping is a pattern."""
    return any(character in text for character in "*?[")


class StreamMapping(ABC):
    """Turns records of one stream into changes; one subclass per kind of Braze object."""

    kind: ClassVar[Kind]
    keys: ClassVar[frozenset[str]]
    """What its entry in the setting `streams` may have beside that of all."""

    def __init__(self, columns: _Columns, defaults: Defaults, notice: Callable[[str], None]) -> None:
        self._columns = columns
        self._defaults = defaults
        self._notice = notice
        self._known = frozenset(columns.names)
        self._candidates: list[Candidate] = compile_user(columns.stream, columns.entry.get("user"), columns.names)

    def change(self, record: Mapping[str, Any]) -> Change:
        """What one record changes.

        Raises:
            RecordError: it names no user, or a value is none that Braze takes.
        """
        if not self._known.issuperset(record):
            self._note_unknown(record)
        user = next((found for candidate in self._candidates if (found := candidate.user(record))), None)
        if user is None:
            tried = ", ".join(column for candidate in self._candidates for column in candidate.columns)
            raise RecordError(f"it names no user: all of these columns are blank: {tried}")
        fields = identifier(user)
        if self._defaults.update_existing_only:
            fields["_update_existing_only"] = True
        elif user[0] == "user_alias":
            # Without it Braze takes an unknown alias for nothing to do.
            fields["_update_existing_only"] = False
        self._fill(fields, record)
        return Change(self.kind, user, fields)

    @abstractmethod
    def _fill(self, fields: dict[str, Any], record: Mapping[str, Any]) -> None:
        """Add to the object what beside the user belongs in it."""

    def _note_unknown(self, record: Mapping[str, Any]) -> None:
        for column in record:
            if column not in self._known and not column.startswith("_sdc_"):
                self._notice(f"column '{column}' is not in the stream's SCHEMA and is not sent")

    def _identifier_columns(self, *kinds: str) -> set[str]:
        return {
            column
            for candidate in self._candidates
            if not kinds or candidate.kind in kinds
            for column in candidate.columns
        }


class _Attributes(StreamMapping):
    """https://www.braze.com/docs/api/objects_filters/user_attributes_object/."""

    kind = "attributes"
    keys = frozenset({"fields"})

    def __init__(self, columns: _Columns, defaults: Defaults, notice: Callable[[str], None]) -> None:
        super().__init__(columns, defaults, notice)
        # An address that does not identify the user is still the user's address.
        addresses = {c.column: c.kind for c in self._candidates if c.kind in {"email", "phone"}}
        hidden = self._identifier_columns("external_id", "braze_id", "user_alias")
        chosen = columns.select("fields", (name for name in columns.names if name not in hidden), notice)
        fields = columns.fields(
            chosen,
            Place(defaults.zone, typed_nested_times=True),
            addresses,
            dict.fromkeys(limits.CONTROL_KEYS, "is a key that commands Braze"),
        )
        self._fields = tuple(self._typed(field) for field in fields)
        self._check_precedence()

    def _check_precedence(self) -> None:
        """An object without a primary identifier is about whom its email names, also where the mapping says phone."""
        email = next((field.column for field in self._fields if field.name == "email"), None)
        for candidate in self._candidates if email else ():
            if (candidate.kind, candidate.column) == ("email", email):
                return
            if candidate.kind == "phone":
                raise self._columns.error(
                    f"'user' tries '{candidate.column}' (phone) before '{email}' (email), but of an object that has "
                    f"both Braze goes by the address; put email before phone, or leave '{email}' out of 'fields'"
                )

    def _typed(self, field: Field) -> Field:
        """Give a standard field its own form, and watch a custom attribute for text that Braze would make a time."""
        if standard := compile_standard_field(field.name, self._defaults.zone):
            return Field(field.column, field.name, standard)
        if field.name.lower() != field.name and compile_standard_field(field.name.lower(), self._defaults.zone):
            self._notice(
                f"column '{field.column}' becomes a custom attribute, for Braze's own field is '{field.name.lower()}', "
                "in lower case; 'rename' can say so"
            )
        convert, notice = field.convert, self._notice

        def watched(value: object) -> object:
            sent = convert(value)
            if isinstance(sent, str) and sent[:1].isdigit() and looks_like_time(sent):
                notice(f"column '{field.column}' holds text such as 12/1/2021 or 2021-12-01, which Braze makes a time")
            return sent

        return Field(field.column, field.name, convert if self._columns.is_time(field.column) else watched)

    @override
    def _fill(self, fields: dict[str, Any], record: Mapping[str, Any]) -> None:
        unset = self._defaults.unset_nulls
        for field in self._fields:
            value = field.value(record)
            if value is not None:
                fields[field.name] = value
            elif unset and field.column in record and field.name not in _NEVER_NULL:
                fields[field.name] = None


class _Timed(StreamMapping):
    """What events and purchases have in common: a time, an app, properties."""

    properties_bytes: ClassVar[int]
    reserved: ClassVar[frozenset[str]]

    def _compile_properties(self, used: set[str]) -> None:
        columns, place = self._columns, Place(self._defaults.zone, typed_nested_times=False)
        time_column = columns.entry.get("time_field", "time")
        if time_column not in columns and "time_field" not in columns.entry:
            raise columns.error(
                f"nothing says when it happened: name the column in streams.{columns.stream}.time_field. "
                f"Columns: {', '.join(columns.names)}"
            )
        self._time = Field(columns.known(time_column, "time_field"), "time", self._to_time)
        used = used | {time_column} | self._identifier_columns()
        self._app_id = None
        if "app_id" in columns and "app_id" not in columns.entry.get("properties", ()):
            self._app_id = Field("app_id", "app_id", to_string)
            used.add("app_id")
        # A stream that already has the shape of Braze's object holds the properties in one column of that name.
        self._spread = None
        if "properties" not in columns.entry and (spread := columns.object_schema("properties")):
            self._spread = Field("properties", "properties", self._compile_spread(spread, place))
            used.add("properties")
        chosen = columns.select("properties", (name for name in columns.names if name not in used), self._notice)
        self._properties = columns.fields(
            chosen, place, {}, dict.fromkeys(self.reserved, f"Braze reserves in the properties of {self.kind}")
        )

    def _compile_spread(self, schema: Mapping[str, Any], place: Place) -> Convert:
        try:
            convert = compile_value(schema, place)
        except ValueError as wrong:
            raise self._columns.error(f"column 'properties': {wrong}") from None

        def to_object(value: object) -> object:
            sent = convert(value)
            if sent is not None and not isinstance(sent, dict):
                raise ValueError(f"expected an object, got {type(sent).__name__}")
            return sent

        return to_object

    def _to_time(self, value: object) -> str:
        moment = to_moment(value, self._defaults.zone)
        if moment > datetime.now(timezone.utc) + _CLOCK_SKEW:
            self._notice(f"column '{self._time.column}' lies in the future; Braze will store the moment of arrival")
        return moment.isoformat()

    def _fill_timed(self, fields: dict[str, Any], record: Mapping[str, Any]) -> None:
        fields["time"] = self._time.required(record)
        app_id = (self._app_id and self._app_id.value(record)) or self._defaults.app_id
        if app_id:
            fields["app_id"] = app_id
        properties = dict((self._spread and self._spread.value(record)) or {})
        if reserved := self.reserved & properties.keys():
            raise RecordError(f"column 'properties': Braze reserves the name '{min(reserved)}'")
        for field in self._properties:
            value = field.value(record)
            if value is not None:
                properties[field.name] = value
        if properties:
            try:
                checked_size(properties, self.properties_bytes)
            except ValueError as wrong:
                raise RecordError(f"its properties are {wrong}") from None
            fields["properties"] = properties

    def _column(self, setting: str, given: Mapping[str, str], key: str, convert: Convert) -> Field:
        """The column for a part of the object: the one the mapping names, else the one called like it."""
        columns = self._columns
        if key not in given and key not in columns:
            raise columns.error(
                f"nothing gives '{key}', which Braze needs: name the column in streams.{columns.stream}.{setting}. "
                f"Columns: {', '.join(columns.names)}"
            )
        return Field(columns.known(given.get(key, key), f"{setting}.{key}"), key, convert)


class _Events(_Timed):
    """https://www.braze.com/docs/api/objects_filters/event_object/."""

    kind = "events"
    keys = frozenset({"event", "time_field", "properties"})
    properties_bytes = limits.EVENT_PROPERTIES_BYTES
    reserved = limits.RESERVED_EVENT_PROPERTIES

    def __init__(self, columns: _Columns, defaults: Defaults, notice: Callable[[str], None]) -> None:
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
            self._name = self._column("event.name_field", given, "name", _event_name)
        self._compile_properties({self._name.column} if self._name else set())

    @override
    def _fill(self, fields: dict[str, Any], record: Mapping[str, Any]) -> None:
        name: str = self._name.required(record) if self._name else self._literal
        fields["name"] = name
        self._names = _watch(self._names, name, limits.MANY_EVENT_NAMES, "event names", self._notice)
        self._fill_timed(fields, record)


class _Purchases(_Timed):
    """https://www.braze.com/docs/api/objects_filters/purchase_object/."""

    kind = "purchases"
    keys = frozenset({"purchase", "time_field", "properties"})
    properties_bytes = limits.PURCHASE_PROPERTIES_BYTES
    reserved = limits.RESERVED_PURCHASE_PROPERTIES

    def __init__(self, columns: _Columns, defaults: Defaults, notice: Callable[[str], None]) -> None:
        super().__init__(columns, defaults, notice)
        given: Mapping[str, str] = columns.entry.get("purchase", {})
        self._parts = tuple(
            self._column("purchase", given, key, convert)
            for key, convert in (("product_id", _product_id), ("currency", _currency), ("price", to_number))
        )
        self._quantity = None
        if "quantity" in given or "quantity" in columns:
            self._quantity = self._column("purchase", given, "quantity", _quantity)
        self._products: set[str] = set()
        parts = (*self._parts, self._quantity) if self._quantity else self._parts
        self._compile_properties({part.column for part in parts})

    @override
    def _fill(self, fields: dict[str, Any], record: Mapping[str, Any]) -> None:
        for part in self._parts:
            fields[part.name] = part.required(record)
        quantity = self._quantity and self._quantity.value(record)
        if quantity is not None:
            fields["quantity"] = quantity
        self._products = _watch(self._products, fields["product_id"], limits.MANY_PRODUCTS, "product ids", self._notice)
        self._fill_timed(fields, record)


_KINDS: Final[Mapping[str, type[StreamMapping]]] = {
    "attributes": _Attributes,
    "events": _Events,
    "purchases": _Purchases,
}


def keys_of_kinds() -> dict[str, frozenset[str]]:
    """What the entry of a stream in the setting `streams` may have, by the kind of object it makes."""
    return {kind: _COMMON_KEYS | mapping.keys for kind, mapping in _KINDS.items()}


def _event_name(value: object) -> str:
    name = to_string(value).strip()
    if len(name) > limits.NAME_LENGTH:
        raise ValueError(f"an event's name may be at most {limits.NAME_LENGTH} characters long")
    return name


def _product_id(value: object) -> str:
    text = to_string(value).strip()
    if len(text) > limits.PRODUCT_ID_LENGTH:
        raise ValueError(f"{len(text)} characters long, Braze takes at most {limits.PRODUCT_ID_LENGTH}")
    return text


def _currency(value: object) -> str:
    text = to_string(value).strip().upper()
    if len(text) != 3 or not text.isalpha():  # noqa: PLR2004
        raise ValueError(f"expected a currency code of ISO 4217 such as EUR, got {value!r}")
    return text


def _quantity(value: object) -> int | None:
    quantity = to_integer(value)
    if quantity is not None and not 1 <= quantity <= limits.PURCHASE_QUANTITY:
        raise ValueError(f"Braze takes a quantity of 1 to {limits.PURCHASE_QUANTITY}, got {quantity}")
    return quantity


def _watch(seen: set[str], name: str, many: int, what: str, notice: Callable[[str], None]) -> set[str]:
    """Count distinct names as far as it matters: Braze blocks a profile that has too many."""
    if len(seen) <= many and name not in seen:
        seen.add(name)
        if len(seen) > many:
            notice(f"more than {many:,} distinct {what}: is that a name, or data that belongs into a property?")
    return seen
