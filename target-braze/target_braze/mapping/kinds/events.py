"""Map records to custom events."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, ClassVar, Final

from typing_extensions import override

from target_braze.braze import limits
from target_braze.braze.changes import Semantics, never
from target_braze.braze.endpoints import TRACKING
from target_braze.mapping.base.events_and_purchases import EventOrPurchase, watch_names
from target_braze.mapping.base.settings import FLATTEN, NAME, PROPERTIES, TIME_FIELD, described, strict_object
from target_braze.mapping.identifiers import DEFAULT
from target_braze.mapping.values.scalars import to_string

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping

    from target_braze.mapping.base.stream_mapping import Defaults
    from target_braze.mapping.columns import Columns, Field


def _points(fields: Mapping[str, Any], _identifier_type: str) -> int:
    return 0 if str(fields["name"]).startswith("ecommerce.") else 1


SEMANTICS: Final = Semantics(
    repeatable=never,
    counted=True,
    sends_messages=False,
    sets_attributes=False,
    moves_attributes=False,
    coalesce=None,
    data_points=_points,
    consent=None,
)


class Events(EventOrPurchase, to="events"):
    """See https://www.braze.com/docs/api/objects_filters/event_object/."""

    settings: ClassVar[Mapping[str, Any]] = {
        "event": strict_object(
            {
                "name": described(NAME, "Event name", "Name of the event, the same for all records."),
                "name_field": described(
                    NAME, "Column of the event name", "Column with the name of the event. Default: name."
                ),
            },
            minProperties=1,
            maxProperties=1,
            title="Event",
            description="Name of the event, fixed or by column.",
        ),
        "time_field": TIME_FIELD,
        "properties": PROPERTIES,
        "flatten": FLATTEN,
    }
    unsupported_keys = frozenset()
    identifier_types = frozenset(DEFAULT)
    semantics = (SEMANTICS,)
    endpoints = TRACKING
    on_delete_actions = ("nothing",)
    dealing = "by user"
    payload_key = "events"

    properties_bytes = limits.EVENT_PROPERTIES_BYTES
    reserved = limits.RESERVED_EVENT_PROPERTIES

    def __init__(self, columns: Columns, defaults: Defaults, notice: Callable[[str], None]) -> None:
        super().__init__(columns, defaults, notice)
        event: Mapping[str, str] = columns.entry.get("event", {})
        self._literal = event.get("name", "").strip()
        if "name" in event and not 0 < len(self._literal) <= limits.NAME_LENGTH:
            raise columns.error(
                f"'event.name' must have 1 to {limits.NAME_LENGTH} characters, not counting spaces at its ends"
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


def to_event_name(value: object) -> str:
    """Return an event's name.

    Raises:
        ValueError: Braze would not accept the name.
    """
    name = to_string(value).strip()
    if len(name) > limits.NAME_LENGTH:
        raise ValueError(f"an event name may be at most {limits.NAME_LENGTH} characters long")
    return name
