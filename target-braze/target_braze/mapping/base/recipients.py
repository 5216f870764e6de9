"""Base class of kinds whose records are recipients of a message."""

from __future__ import annotations

from collections.abc import Mapping
from functools import lru_cache
from typing import TYPE_CHECKING, Any, ClassVar, Final

from typing_extensions import override

from target_braze.braze import limits
from target_braze.braze.changes import Change, Semantics, never
from target_braze.braze.consent import RECIPIENT
from target_braze.braze.data_points import attribute_points
from target_braze.braze.messages.times import Schedule
from target_braze.mapping.base.actions import Action
from target_braze.mapping.base.attribute_fields import RESERVED, typed_fields
from target_braze.mapping.base.properties import Properties
from target_braze.mapping.base.send_windows import SEND_WINDOW, compile_send_window
from target_braze.mapping.base.settings import (
    FLATTEN,
    NAME,
    NAMES,
    PRIORITIZATION,
    PROPERTIES,
    described,
    strict_object,
)
from target_braze.mapping.base.stream_mapping import RecipientLimits
from target_braze.mapping.columns import Field, Fields
from target_braze.mapping.identifiers import find_user, identifier
from target_braze.mapping.values.nested import Place, checked_size
from target_braze.mapping.values.scalars import to_id, to_string
from target_braze.mapping.values.times import to_moment
from target_braze.records import RecordError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable
    from datetime import datetime

    from target_braze.braze.messages.endpoints import MessageEndpoint
    from target_braze.mapping.base.stream_mapping import Defaults
    from target_braze.mapping.columns import Columns
    from target_braze.records import User

# A stream may have a time for each record.
_MOST_ENDPOINTS: Final = 10_000
_COUNT: Final = {"type": "integer", "minimum": 1}
_FLAG: Final = {"type": "boolean"}

# Keys of all kinds that send messages.
SETTINGS: Final[Mapping[str, Any]] = {
    "max_recipients": described(
        {
            "oneOf": [
                _COUNT,
                strict_object(
                    {
                        "run": described(_COUNT, "Of the run", "Maximum number of recipients of the stream in a run."),
                        "campaign": described(
                            _COUNT,
                            "Of a campaign",
                            "Maximum number of recipients of one campaign or Canvas in a run, in all streams together.",
                        ),
                    },
                    required=["run", "campaign"],
                ),
            ]
        },
        "Recipient limit",
        "Maximum number of recipients of the stream in a run, or `{run: 20000, campaign: 5000}` with a lower limit for "
        "each campaign or Canvas. Required. The run sends up to the limit, and then fails before the next record.",
    ),
    "allow_duplicate_messages": described(
        _FLAG,
        "Allow duplicate messages",
        "Whether people may receive a message twice. If true, no ledger is required, and `on_unknown_outcome` decides "
        "about requests without an answer. Default: false.",
    ),
    "send_window": SEND_WINDOW,
    "properties": PROPERTIES,
    "flatten": FLATTEN,
    "common_properties": described(
        {"type": "object", "minProperties": 1},
        "Common properties",
        "Properties of the message that are the same for all recipients. A record's own properties override them.",
    ),
    "attributes": described(
        NAMES,
        "Attributes",
        "Columns and globs to set as attributes before Braze sends the message. Default: none.",
    ),
    "prioritization": PRIORITIZATION,
}
SCHEDULE: Final = {
    **strict_object(
        {
            "time": described(NAME, "Time", "Time of the messages, the same for all records, as 2026-03-04T09:00:00Z."),
            "time_field": described(NAME, "Time column", "Column with the time of the message."),
            "in_local_time": described(
                _FLAG, "In local time", "Whether the time is each recipient's local time. Default: false."
            ),
            "at_optimal_time": described(
                _FLAG, "At the optimal time", "Whether Braze chooses the hour of that day. Default: false."
            ),
        },
        minProperties=1,
    ),
    "oneOf": [{"required": ["time"]}, {"required": ["time_field"]}],
    "title": "Schedule",
    "description": "When Braze sends the messages, instead of at once. `target-braze cancel-scheduled` cancels them.",
}
EXISTING_ONLY: Final = described(
    _FLAG,
    "Send to existing users only",
    "Whether Braze ignores recipients it does not know. If false, it creates them, which requires `attributes` and "
    "does not work for aliases. Default: true.",
)


def target_schema(what: str, key: str) -> dict[str, Any]:
    """Return the schema of the key that names the campaign or Canvas, whose column is `key` by default."""
    title = what[0].upper() + what[1:]
    return {
        **strict_object(
            {
                "id": described(NAME, f"{title} ID", f"ID of the {what}, the same for all records."),
                "id_field": described(
                    NAME, f"Column of the {what} ID", f"Column with the ID of the {what}. Default: {key}."
                ),
            },
            minProperties=1,
            maxProperties=1,
        ),
        "title": title,
        "description": f"The {what} to send, fixed or by column. Its page in the dashboard shows the ID.",
    }


# Braze sends again for each request.
SEMANTICS: Final = Semantics(
    repeatable=never,
    counted=True,
    sends_messages=True,
    sets_attributes=False,
    moves_attributes=False,
    coalesce=None,
    consent=None,
    data_points=lambda fields, _kind: attribute_points(fields.get("attributes", {}), ""),
)
# The ledger no longer knows the attributes of a user whose message sets some.
WITH_ATTRIBUTES: Final = Semantics(
    repeatable=never,
    counted=True,
    sends_messages=True,
    sets_attributes=False,
    moves_attributes=True,
    coalesce=None,
    consent=RECIPIENT,
    data_points=SEMANTICS.data_points,
)


class Recipients(Action):
    """One recipient of one campaign or Canvas per record."""

    target: ClassVar[str]
    """The setting that names what is sent."""
    id_key: ClassVar[str]
    """Braze's key of its ID, and the default column."""
    properties_key: ClassVar[str]
    """Braze's key of the properties."""

    def __init__(self, columns: Columns, defaults: Defaults, notice: Callable[[str], None]) -> None:
        super().__init__(columns, defaults, notice)
        entry = columns.entry
        if "max_recipients" not in entry:
            raise columns.error(
                "it sends messages to people: set the maximum number of recipients in a run - at "
                f"{columns.at}.max_recipients"
            )
        most: int | Mapping[str, int] = entry["max_recipients"]
        self.max_recipients = RecipientLimits(**most) if isinstance(most, Mapping) else RecipientLimits(most, most)
        self._fixed: str | None = entry.get(self.target, {}).get("id")
        self._id: Field | None = None
        if self._fixed is None:
            column = self._column(self.target, "id_field", self.id_key)
            self._id = Field(column, self.id_key, columns.read_id(column, to_id))
        self._window = compile_send_window(columns)
        self._time: Field | None = None
        self._schedule = self._compile_schedule()
        # One endpoint for each campaign or Canvas, time and send ID, so that recipients of all three share requests.
        self._endpoint_of = lru_cache(_MOST_ENDPOINTS)(self._endpoint)
        used = {*self._identifier_columns(), *(one.column for one in (self._id, self._time) if one)}
        self._attributes = self._compile_attributes(used)
        used.update(one.column for one in self._attributes.all if one.column not in entry.get("properties", ()))
        # Liquid shows text of any length.
        place = Place(defaults.zone, typed_nested_times=False, text=to_string, report=self._notice)
        dropped = defaults.dropped(self._notice)
        self._properties = Properties(
            columns,
            used,
            natural=self.properties_key,
            reserved={},
            place=place,
            dropped=dropped,
            notice=self._notice,
        )
        self._common: dict[str, Any] = entry.get("common_properties", {})
        self._check_common()
        self._creates = entry.get("send_to_existing_only") is False
        self._check_creation()
        self._prioritization = entry.get("prioritization", ["identified", "most_recently_updated"])

    @property
    @override
    def may_start_messages(self) -> bool:
        return bool(self._attributes.all)

    @property
    @override
    def sources(self) -> Mapping[str, tuple[str, ...]]:
        found = {one.name: (one.column,) for one in (self._id, self._time) if one}
        found |= {f"attributes.{one.name}": (one.column,) for one in self._attributes.all}
        found |= {f"{self.properties_key}.{one.name}": (one.column,) for one in self._properties.fields.all}
        external = tuple(rule.column for rule in self._identifier_rules if rule.identifier_type == "external_id")
        return found | ({"external_user_id": external} if external else {})

    @property
    @override
    def flattened(self) -> tuple[str, ...]:
        return self._properties.flattened

    def _endpoint(self, key: str, schedule: Schedule | None, send_id: str | None) -> MessageEndpoint:
        """Return the endpoint that sends one campaign or Canvas."""
        raise NotImplementedError

    def _send_id(self, _record: Mapping[str, Any]) -> str | None:
        """Return the send ID under which Braze counts the message, if there is one."""
        return None

    def _own_fields(self, _record: Mapping[str, Any]) -> dict[str, Any]:
        """Return the fields that only this kind has."""
        return {}

    @property
    def _common_fields(self) -> dict[str, Any]:
        """Return the fields of a request for all recipients."""
        return {self.properties_key: self._common} if self._common else {}

    @property
    def _holds(self) -> bool:
        return self._columns.entry.get("allow_duplicate_messages") is not True

    @override
    def _changes(self, record: Mapping[str, Any]) -> list[Change]:
        user, caught = find_user(self._identifier_rules, record)
        if caught:
            # A value that fails to identify the user must not be sent as the user's data either.
            record = {column: value for column, value in record.items() if column not in caught}
        key = str(self._fixed if self._id is None else self._id.required(record))
        recipient = self._recipient(user)
        attributes: dict[str, Any] = {}
        self._attributes.fill(attributes, record)
        properties = self._properties.of(record)
        try:
            checked_size(properties, limits.MESSAGE_PROPERTIES_BYTES)
        except ValueError as wrong:
            raise RecordError(f"its {self.properties_key} are {wrong}") from None
        if self._creates:
            if not attributes:
                raise RecordError("it has no attributes, which Braze requires if send_to_existing_only is false")
            recipient["send_to_existing_only"] = False
        if properties:
            recipient[self.properties_key] = properties
        if attributes:
            recipient["attributes"] = attributes
        if user[0] == "email":
            # One person, however the address is written: a request must not hold both.
            user = ("email", user[1].casefold())
        recipient |= self._own_fields(record)
        endpoint = self._endpoint_of(key, self._schedule_of(record), self._send_id(record))
        semantics = WITH_ATTRIBUTES if attributes else SEMANTICS
        return [Change(endpoint.arrays[0], user, recipient, semantics, endpoint, key=f"{self.id_key}:{key}")]

    def _recipient(self, user: User) -> dict[str, Any]:
        if user[0] == "external_id":
            return {"external_user_id": user[1]}
        if user[0] == "email":
            return {"email": user[1], "prioritization": self._prioritization}
        return identifier(user)

    def _schedule_of(self, record: Mapping[str, Any]) -> Schedule | None:
        if self._time is None:
            return self._schedule
        moment = self._time.required(record)
        given = self._columns.entry["schedule"]
        return Schedule(moment, given.get("in_local_time", False), given.get("at_optimal_time", False))

    def _compile_schedule(self) -> Schedule | None:
        columns, given = self._columns, self._columns.entry.get("schedule")
        if given is None:
            return None
        is_local = given.get("in_local_time", False) or given.get("at_optimal_time", False)
        at = f"{columns.at}.schedule"
        if given.get("at_optimal_time") and self._window is not None:
            raise columns.error(f"Braze chooses the optimal time, so remove 'send_window' - at {at}.at_optimal_time")

        def to_schedule_time(value: object) -> datetime:
            moment = to_moment(value, columns.zone)
            return moment.replace(tzinfo=None) if is_local else moment

        if (column := given.get("time_field")) is not None:
            columns.known(column, "schedule.time_field")
            columns.check_types(column, ("string",), "the time")
            read = columns.read_time(column)
            self._time = Field(column, "schedule.time", lambda value: to_schedule_time(read(value)))
            return None
        try:
            moment = to_schedule_time(given["time"])
        except ValueError as wrong:
            raise columns.error(f"{wrong} - at {at}.time") from None
        return Schedule(moment, given.get("in_local_time", False), given.get("at_optimal_time", False))

    def _compile_attributes(self, used: Iterable[str]) -> Fields:
        columns = self._columns
        hidden = {*used}
        usual = [name for name in columns.names if name not in hidden] if "attributes" in columns.entry else []
        chosen = columns.select("attributes", usual, self._notice)
        place = self._defaults.place(self._notice, typed_nested_times=True)
        fields = typed_fields(columns.fields(chosen, place, {}, RESERVED), columns, self._defaults, self._notice)
        return Fields(fields, dropped=self._defaults.dropped(self._notice))

    def _check_common(self) -> None:
        try:
            checked_size(self._common, limits.MESSAGE_PROPERTIES_BYTES)
        except ValueError as wrong:
            raise self._columns.error(f"they are {wrong} - at {self._columns.at}.common_properties") from None

    def _check_creation(self) -> None:
        columns = self._columns
        if not self._creates:
            return
        at = f"{columns.at}.send_to_existing_only"
        if self._defaults.update_existing_only:
            raise columns.error(f"setting 'update_existing_only' rules out new users: set true - at {at}")
        if not self._attributes.all:
            raise columns.error(f"Braze creates recipients only with 'attributes': name some, or set true - at {at}")
        if any(rule.identifier_type == "user_alias" for rule in self._identifier_rules):
            raise columns.error(f"Braze creates no recipient for an alias: leave user_alias out of 'user' - at {at}")
