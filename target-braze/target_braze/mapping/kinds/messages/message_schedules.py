"""Move or cancel campaigns, Canvases and messages that the API has scheduled. Schedules nothing itself."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar, Final

from typing_extensions import override

from target_braze.braze import limits
from target_braze.braze.changes import Change, Endpoint, Semantics, always, free, latest
from target_braze.braze.messages.times import Schedule, now
from target_braze.braze.objects.named_objects import OneObject
from target_braze.mapping.base.named_objects import FieldMapping, ObjectField
from target_braze.mapping.base.send_windows import SEND_WINDOW, compile_send_window
from target_braze.mapping.base.settings import described
from target_braze.mapping.columns import Field
from target_braze.mapping.values.scalars import to_boolean, to_id
from target_braze.mapping.values.times import to_moment
from target_braze.records import RecordError

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from target_braze.braze.client import RefusedError
    from target_braze.mapping.base.stream_mapping import Defaults
    from target_braze.mapping.columns import Columns


@dataclass(frozen=True, eq=False)
class Cancellation(OneObject):
    """Deletes a schedule, which Braze then no longer knows."""

    @override
    def says_repeated(self, error: RefusedError) -> bool:
        # Braze does not document how it refuses an unknown schedule. After a lost answer, it has deleted this one.
        return error.in_doubt and error.status in self.refusals


def _endpoint(what: str, action: str) -> Endpoint:
    kind: type[OneObject] = Cancellation if action == "delete" else OneObject
    prefix = what if what == "messages" else f"{what}/trigger"
    return kind(
        f"/{prefix}/schedule/{action}",
        f"{prefix.replace('/', '.')}.schedule.{action}",
        "default",
        ("schedules",),
        1,
        limits.SAME_THING_WAIT,
        at_end_of_input=True,
    )


# By the key of what is scheduled, blank for a message without a campaign in the dashboard:
# https://www.braze.com/docs/api/endpoints/messaging/schedule_messages/
MOVE: Final[Mapping[str, Endpoint]] = {
    key: _endpoint(what, "update")
    for key, what in (("campaign_id", "campaigns"), ("canvas_id", "canvas"), ("", "messages"))
}
CANCEL: Final[Mapping[str, Endpoint]] = {
    key: _endpoint(what, "delete")
    for key, what in (("campaign_id", "campaigns"), ("canvas_id", "canvas"), ("", "messages"))
}
# Nobody receives more messages, however often a schedule is moved or canceled.
SEMANTICS: Final = Semantics(
    repeatable=always,
    counted=False,
    sends_messages=False,
    sets_attributes=False,
    moves_attributes=False,
    coalesce=latest,
    data_points=free,
    consent=None,
)
LIMIT: Final = "max_changed_schedules"


def _any(value: object) -> object:
    return value


class MessageSchedules(FieldMapping, to="message_schedules"):
    """A schedule per record, by the ID that Braze gave when it was made. All its recipients move together."""

    settings: ClassVar[Mapping[str, Any]] = {
        LIMIT: described(
            {"type": "integer", "minimum": 1},
            "Limit of changed schedules",
            "Maximum number of schedules that a run may move or cancel, each with all its recipients. If more are due, "
            "the run stops and changes none. Required.",
        ),
        "send_window": SEND_WINDOW,
    }
    unsupported_keys = frozenset({"user"})
    identifier_types = frozenset()
    semantics = (SEMANTICS,)
    endpoints = (*MOVE.values(), *CANCEL.values())
    on_delete_actions = ("nothing", "cancel")
    title = "schedule"
    fields: ClassVar[Mapping[str, ObjectField]] = {
        "schedule_id": ObjectField(to_id, required=True),
        "campaign_id": ObjectField(to_id),
        "canvas_id": ObjectField(to_id),
        "time": ObjectField(_any),
        "in_local_time": ObjectField(to_boolean),
        "at_optimal_time": ObjectField(to_boolean),
    }

    @classmethod
    @override
    def endpoints_for(cls, entry: Mapping[str, Any]) -> tuple[Endpoint, ...]:
        return cls.endpoints if entry.get("on_delete") == "cancel" else tuple(MOVE.values())

    def __init__(self, columns: Columns, defaults: Defaults, notice: Callable[[str], None]) -> None:
        if LIMIT not in columns.entry:
            raise columns.error(
                "it changes when people receive messages: set the maximum number of schedules that a run may move or "
                f"cancel - at {columns.at}.{LIMIT}"
            )
        super().__init__(columns, defaults, notice)
        self._window = compile_send_window(columns)
        if (time := self._fields.get("time")) is not None:
            columns.check_types(time.column, ("string",), "the time")
            read = columns.read_time(time.column)
            self._fields["time"] = Field(time.column, "time", lambda value: to_moment(read(value), columns.zone))
        defaults.guard.limit(columns.stream, columns.entry[LIMIT], LIMIT, "schedules", "change")

    @property
    @override
    def sources(self) -> Mapping[str, tuple[str, ...]]:
        ids = {name: columns for name, columns in super().sources.items() if name.endswith("_id")}
        return ids | {"schedule": tuple(one.column for name, one in self._fields.items() if name not in ids)}

    @property
    @override
    def named_by(self) -> str:
        return f"column '{self._fields['schedule_id'].column}'"

    @override
    def _changes(self, record: Mapping[str, Any]) -> list[Change]:
        values = self._values(record)
        moment = values.get("time")
        if moment is None:
            raise RecordError("it has no time to move the schedule to; to cancel it, see on_delete")
        is_local = bool(values.get("in_local_time") or values.get("at_optimal_time"))
        schedule = Schedule(
            moment.replace(tzinfo=None) if is_local else moment,
            bool(values.get("in_local_time")),
            bool(values.get("at_optimal_time")),
        )
        if schedule.last <= now():
            # Braze does not say what it does then, and may send at once.
            raise RecordError(f"it is moved to {schedule.time.isoformat()}, which has passed")
        if self._window is not None and (schedule.at_optimal_time or not self._window.includes(schedule.time)):
            raise RecordError(f"it is moved to {schedule.time.isoformat()}, outside its send_window of {self._window}")
        # Braze replaces the whole schedule.
        return [self._change(MOVE, values, {"schedule": schedule.as_json()})]

    @override
    def _changes_on_delete(self, record: Mapping[str, Any]) -> list[Change]:
        return [self._change(CANCEL, self._values(record), {})]

    def _change(
        self, endpoints: Mapping[str, Endpoint], values: Mapping[str, Any], schedule: Mapping[str, Any]
    ) -> Change:
        named = {key: values[key] for key in ("campaign_id", "canvas_id") if values.get(key)}
        if len(named) > 1:
            raise RecordError("it names both a campaign and a Canvas; a schedule belongs to one of them")
        user = ("schedule", values["schedule_id"])
        self._defaults.guard.delete(self._columns.stream, user)
        fields = {**named, "schedule_id": values["schedule_id"], **schedule}
        return Change("schedules", user, fields, SEMANTICS, endpoints[next(iter(named), "")])
