"""Map calls to a customer-data platform (identify, track, page, screen, group, alias) and Amplitude's events."""

from __future__ import annotations

import re
from datetime import timezone
from functools import partial
from typing import TYPE_CHECKING, Any, ClassVar, Final

from typing_extensions import override

from target_braze.braze import limits
from target_braze.braze.changes import Change
from target_braze.braze.endpoints import TRACK, TRACKING
from target_braze.mapping.base.events_and_purchases import to_past
from target_braze.mapping.base.stream_mapping import Defaults, StreamMapping
from target_braze.mapping.cdp.call_users import CallUsers
from target_braze.mapping.cdp.event_names import EventNames
from target_braze.mapping.cdp.layouts import METHODS, recognise
from target_braze.mapping.cdp.orders import Orders
from target_braze.mapping.cdp.settings import SETTINGS
from target_braze.mapping.cdp.traits import add_address, compile_trait, without_operations
from target_braze.mapping.columns import Columns, Field
from target_braze.mapping.identifiers import DEFAULT
from target_braze.mapping.kinds import attributes, events, purchases
from target_braze.mapping.kinds.identities import aliases, identifications, merges
from target_braze.mapping.property_sources import PropertyConverters, PropertySource, chooser, is_blank
from target_braze.mapping.values.names import checked_name
from target_braze.mapping.values.nested import checked_size, compile_value
from target_braze.mapping.values.scalars import checked_string, to_id
from target_braze.mapping.values.schemas import json_types
from target_braze.mapping.values.standard_fields import NEVER_NULL
from target_braze.mapping.values.times import remembered, show, to_time
from target_braze.records import RecordError

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from target_braze.braze.changes import Semantics
    from target_braze.mapping.identifiers import IdentifierRule
    from target_braze.mapping.values.scalars import Convert
    from target_braze.records import Member, User

_ADDRESSES: Final = frozenset({"email", "phone"})
_GROUP_ID: Final = re.compile(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}\Z", re.IGNORECASE)

# By payload key.
_SEMANTICS: Final[Mapping[str, Semantics]] = {
    "attributes": attributes.SEMANTICS,
    "events": events.SEMANTICS,
    "purchases": purchases.SEMANTICS,
}


class Calls(StreamMapping, to="calls"):
    """Calls of Segment and RudderStack, and events of Amplitude.

    https://www.twilio.com/docs/segment/connections/spec/
    """

    settings: ClassVar[Mapping[str, Any]] = SETTINGS
    unsupported_keys = frozenset()
    identifier_types = frozenset(DEFAULT)
    semantics = (*_SEMANTICS.values(), aliases.SEMANTICS, identifications.SEMANTICS, merges.SEMANTICS)
    endpoints = (*TRACKING, aliases.ENDPOINT, aliases.INTRODUCE, identifications.ENDPOINT, merges.ENDPOINT)
    on_delete_actions = ("nothing",)

    def __init__(self, columns: Columns, defaults: Defaults, notice: Callable[[str], None]) -> None:
        self._given: Mapping[str, Any] = columns.entry.get("calls", {})
        self._layout = recognise(columns)
        super().__init__(columns, defaults, notice)
        layout = self._layout
        if layout.method is None and layout.type is None:
            raise columns.error(
                "no column for the call's type: name it in 'calls.method_field', or set "
                f"'calls.method' for all records. Columns: {', '.join(columns.names)}"
            )
        self._time = self._compile_times()
        self._names = EventNames(columns, self._given, notice)
        self._handlers: Mapping[str, Callable[[Mapping[str, Any], User], list[Change]]] = {
            "identify": self._identify,
            "track": self._track,
            "page": partial(self._view, "page"),
            "screen": partial(self._view, "screen"),
            "group": self._group,
            "alias": self._alias,
            "amplitude": self._amplitude,
        }
        self._group_attribute = self._compile_group()
        self._compile_traits()
        self._compile_properties()
        self._report_rest()

    # Compiling.

    @override
    def _compile_user(self) -> list[IdentifierRule]:
        self._users = CallUsers(self._columns, self._layout, self._defaults, self._notice)
        return self._users.identifier_rules

    def _compile_times(self) -> list[Field]:
        columns = self._columns
        if "time_field" in columns.entry:
            name = columns.known(columns.entry["time_field"], "time_field")
            return [self._time_field(name)]
        if not self._layout.times and self._layout.method in {"track", "page", "screen"}:
            raise columns.error(
                f"no column for the time: name it in streams.{columns.stream}.time_field. "
                f"Columns: {', '.join(columns.names)}"
            )
        return [self._time_field(name) for name in self._layout.times]

    def _time_field(self, column: str) -> Field:
        # Platforms write UTC, with or without an offset.
        zone = self._defaults.zone if "time_field" in self._columns.entry else timezone.utc
        read = self._columns.read_time(column)
        to_text = remembered(lambda value: to_time(read(value), zone))
        return Field(column, "time", lambda value: to_past(to_text(value), zone, column, self._notice))

    def _compile_group(self) -> str:
        name: str = self._given.get("group", {}).get("attribute", "group_id")
        try:
            if name in limits.CONTROL_KEYS:
                raise ValueError(f"'{name}' is a control key of Braze")  # noqa: TRY301
            return checked_name(name)
        except ValueError as wrong:
            raise self._columns.error(f"{wrong} - at {self._columns.at}.calls.group.attribute") from None

    def _compile_traits(self) -> None:
        columns, layout, notice = self._columns, self._layout, self._notice
        renames = columns.entry.get("rename", {})
        # A column that identifies the user is not also a trait, unless it is listed in `fields`.
        naming = self._identifier_columns("external_id", "braze_id", "user_alias") - {*columns.entry.get("fields", ())}
        flat = {
            column: name
            for column, name in layout.flat_traits.items()
            if column not in naming and layout.method not in {"track", "page", "screen", "alias"}
        }
        self._place = self._defaults.place(notice, typed_nested_times=True)
        source = PropertySource(columns, layout.traits, flat)
        self._traits = source
        # In a table of all calls, a column may be both a property and a trait.
        alone = {column: name for column, name in flat.items() if column not in layout.flat_properties}
        self._brought = PropertySource(columns, layout.traits, alone)
        self._attributes = PropertyConverters(
            "trait",
            source.schemas,
            chooser(columns, "fields", {} if layout.traits else flat, notice),
            compile_trait(renames, self._defaults, notice),
            self._defaults.dropped(notice),
        )
        if layout.method == "identify":
            self._check(self._attributes, flat)
        # A table of calls has a column for each trait of any call, so a null does not come from this call.
        self._unset = self._defaults.unset_nulls and not (layout.flat and layout.table != "users")

    def _compile_properties(self) -> None:
        columns, layout, notice = self._columns, self._layout, self._notice
        renames = columns.entry.get("rename", {})
        place = self._defaults.place(notice, typed_nested_times=False)

        def compile_one(name: str, schema: Mapping[str, Any]) -> tuple[str, Convert]:
            sent = checked_name(renames.get(name, name))
            if sent in limits.RESERVED_EVENT_PROPERTIES:
                raise ValueError("the name is reserved by Braze")
            if name == "products" and json_types(schema) == {"string"}:
                schema = {"type": "array"}  # warehouses store arrays as JSON text
            return sent, compile_value(schema, place.of(f"property '{name}'"))

        events = layout.method in {None, "track", "page", "screen"}
        flat = layout.flat_properties if events else {}
        choose = chooser(columns, "properties", {} if layout.properties else flat, notice)
        self._properties = PropertySource(columns, layout.properties, flat)
        dropped = self._defaults.dropped(notice)
        self._event_properties = PropertyConverters("property", self._properties.schemas, choose, compile_one, dropped)
        if events and layout.method:
            self._check(self._event_properties, flat)
        product = PropertyConverters("property", {}, choose, compile_one, dropped)
        given: Mapping[str, str] = self._given.get("orders", {})
        try:
            self._orders = Orders(given, self._event_properties, product, self._defaults, notice)
        except ValueError as wrong:
            raise columns.error(f"{wrong} - at {columns.at}.calls.orders.currency") from None

    def _check(self, members: PropertyConverters, flat: Mapping[str, str]) -> None:
        """Compile the columns of a flat layout before the first record."""
        for column, name in flat.items():
            if wrong := members.wrong(name):
                raise self._columns.error(f"column '{column}': {wrong}; rename it with 'rename' or leave it out")

    def _report_rest(self) -> None:
        layout = self._layout
        parts = {path[0] for path in (*layout.traits, *layout.properties)}
        known = {
            *(layout.event + layout.times + tuple(field.column for field in self._time)),
            *(layout.type, layout.previous_id, layout.group_id, layout.anonymous_id),
            *(parts | self._identifier_columns() | layout.page.keys()),
            *self._properties.columns,
            *self._traits.columns,
        }
        if rest := [column for column in self._columns.names if column not in known]:
            self._notice(f"columns that are neither traits nor properties are not sent: {', '.join(rest)}")

    @property
    @override
    def sources(self) -> Mapping[str, tuple[str, ...]]:
        found = {"time": tuple(field.column for field in self._time), "name": self._layout.event}
        found |= {"identifier_to_merge": (self._layout.previous_id,)} if self._layout.previous_id else {}
        found |= {self._group_attribute: (self._layout.group_id,)} if self._layout.group_id else {}
        found |= {"user_alias": (self._users.anonymous.column,)} if self._users.anonymous else {}
        for prefix, members, source in (
            ("", self._attributes, self._traits),
            ("properties.", self._event_properties, self._properties),
        ):
            for column, name in source.flat.items():
                if not members.wrong(name) and (sent := members.find(name)):
                    found[prefix + sent[0]] = (column,)
        return found

    @property
    @override
    def flattened(self) -> tuple[str, ...]:
        return tuple({path[0]: None for path in (*self._traits.paths, *self._properties.paths)})

    # Records.

    @override
    def changes(self, record: Mapping[str, Any]) -> list[Change]:
        if not self._known.issuperset(record):
            self._report_unknown(record)
        record = self._users.with_paths(record)
        method = self._method(record)
        if self._given.get("anonymous_label", "") is None and all(
            is_blank(record.get(column)) for column in self._identifier_columns()
        ):
            self._notice("calls of anonymous users are skipped because 'calls.anonymous_label' is null")
            return []
        user = self._user(record)
        return self._handlers[method](record, user)

    @override
    def members(self, record: Mapping[str, Any]) -> list[Member]:
        return super().members(self._users.with_paths(record))

    @override
    def _fill(self, fields: dict[str, Any], record: Mapping[str, Any]) -> None:
        """Do nothing, because calls make several kinds of changes."""

    def _method(self, record: Mapping[str, Any]) -> str:
        if self._layout.amplitude:
            return "amplitude"
        if self._layout.method is not None:
            return self._layout.method
        value = record.get(str(self._layout.type))
        method = value.strip().lower() if isinstance(value, str) else None
        if method not in METHODS:
            raise RecordError(
                f"column '{self._layout.type}': expected one of {', '.join(METHODS)}, got {show(value)}; "
                "set 'calls.method' to declare one type for all records"
            )
        return method

    def _identify(self, record: Mapping[str, Any], user: User) -> list[Change]:
        changes = self._users.identification(record, user) + self._attributes_of(record, user)
        if not changes:
            self._notice("an identify call without traits sends nothing")
        return changes

    def _track(self, record: Mapping[str, Any], user: User) -> list[Change]:
        columns = self._layout.event
        name = next((value for column in columns if not is_blank(value := record.get(column))), None)
        if name is None:
            raise RecordError(f"it names no event: these columns are blank: {', '.join(columns) or 'event'}")
        self._report_traits("track", record)
        return self._event(record, user, name, self._properties.read(record))

    def _group(self, record: Mapping[str, Any], user: User) -> list[Change]:
        group = self._required(record, self._layout.group_id, "group")
        given = self._given.get("group", {})
        traits = self._traits.read(record)
        if "subscription_state" not in given:
            if traits:
                self._notice("a group call sets an attribute to the group's id; traits of the group are not sent")
            return self._setting(user, {self._group_attribute: group})
        state = traits.get(given["subscription_state"], "subscribed")
        if not _GROUP_ID.match(group) or state not in {"subscribed", "unsubscribed"}:
            raise RecordError(
                f"a group call needs the id of a subscription group and 'subscribed' or 'unsubscribed' in the trait "
                f"'{given['subscription_state']}', got {show(group)} and {show(state)}"
            )
        # The state belongs to an address, which a group call may include.
        addresses = {trait: value for trait, value in traits.items() if trait in _ADDRESSES and not is_blank(value)}
        if traits.keys() - addresses.keys() - {given["subscription_state"]}:
            self._notice(
                "a group call sets the state of a subscription group, the email address and the phone number; other "
                "traits of the group are not sent"
            )
        groups = [{"subscription_group_id": group, "subscription_state": state}]
        return self._setting(user, {**self._attributes.convert(addresses), "subscription_groups": groups})

    def _alias(self, record: Mapping[str, Any], user: User) -> list[Change]:
        if user[0] not in {"external_id", "user_alias"}:
            raise RecordError(f"an alias call merges users named by external ID or alias, not by {user[0]}")
        self._required(record, self._layout.previous_id, "alias")
        return self._users.merge(record, user)

    def _amplitude(self, record: Mapping[str, Any], user: User) -> list[Change]:
        name = record.get(str(self._layout.type))
        if name == "$groupidentify":
            self._notice("'$groupidentify' is about a group and not sent: Braze has only users")
            return []
        if name == "$identify":
            return self._identify(record, user)
        return self._attributes_of(record, user) + self._track(record, user)

    def _report_traits(self, method: str, record: Mapping[str, Any]) -> None:
        """Report the traits of a call that sets no attributes. Amplitude's events always set them."""
        if not self._layout.amplitude and self._brought.read(record):
            self._notice(f"traits of {method} calls are not sent: identify calls set attributes")

    def _setting(self, user: User, attributes: Mapping[str, Any]) -> list[Change]:
        """Set attributes; with `_update_existing_only: false` this also creates the profile of an anonymous user.

        https://www.braze.com/docs/api/endpoints/user_data/post_user_track/ documents adding attributes and events to a
        new alias in one request. It does not cover objects without attributes, so only one with attributes counts.
        """
        self._users.is_new(user)
        return [Change("attributes", user, {**self._object(user), **attributes}, _SEMANTICS["attributes"], TRACK)]

    def _attributes_of(self, record: Mapping[str, Any], user: User) -> list[Change]:
        traits = self._traits.read(record)
        if self._layout.amplitude:
            traits = without_operations(traits, self._notice)
        attributes = self._attributes.convert(traits)
        add_address(attributes, traits, self._place, self._notice)
        attributes = {
            name: value
            for name, value in attributes.items()
            if value is not None or (self._unset and name not in NEVER_NULL)
        }
        return self._setting(user, attributes) if attributes else []

    def _view(self, method: str, record: Mapping[str, Any], user: User) -> list[Change]:
        self._report_traits(method, record)
        properties = self._properties.read(record)
        for column in self._layout.page:
            if properties.get(column) is None and record.get(column) is not None:
                properties[column] = record[column]
        return self._event(record, user, self._names.of_view(method, properties), properties, special=False)

    def _event(
        self, record: Mapping[str, Any], user: User, name: object, raw: dict[str, Any], *, special: bool = True
    ) -> list[Change]:
        event = self._names.checked(name)
        if event is None:
            return []
        time = next((field.value(record) for field in self._time if not is_blank(record.get(field.column))), None)
        if time is None:
            tried = ", ".join(field.column for field in self._time)
            raise RecordError(
                f"it has no time: these columns are blank: {tried}"
                if tried
                else "no column for the time: name it in 'time_field'"
            )
        objects = self._orders.objects(event, raw, record.get("channel")) if special else None
        if objects is None:
            objects = [("events", self._plain(event, raw))]
        shared = {"time": time} | ({"app_id": self._defaults.app_id} if self._defaults.app_id else {})
        return [
            *self._users.introduction(user),
            *(
                Change(key, user, {**self._object(user), **fields, **shared}, _SEMANTICS[key], TRACK)
                for key, fields in objects
            ),
        ]

    def _plain(self, event: str, raw: Mapping[str, Any]) -> dict[str, Any]:
        self._names.watch(event)
        properties = {name: value for name, value in self._event_properties.convert(raw).items() if value is not None}
        try:
            checked_size(properties, limits.EVENT_PROPERTIES_BYTES)
        except ValueError as wrong:
            raise RecordError(f"its properties are {wrong}") from None
        return {"name": event, **({"properties": properties} if properties else {})}

    def _required(self, record: Mapping[str, Any], column: str | None, method: str) -> str:
        value = None if column is None else record.get(column)
        try:
            text = "" if value is None else checked_string(to_id(value))
        except ValueError as wrong:
            raise RecordError(f"column '{column}': {wrong}") from None
        if not text:
            wanted = {"group": "groupId or group_id", "alias": "previousId or previous_id"}[method]
            raise RecordError(f"the {method} call lacks '{column or wanted}'")
        return text
