"""Base class of all kinds, and their registry."""

from __future__ import annotations

import re
from abc import ABC, abstractmethod
from contextlib import suppress
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, ClassVar, Final, Literal, NamedTuple

from typing_extensions import override

from target_braze.braze.changes import Change
from target_braze.braze.endpoints import TRACK
from target_braze.mapping.columns import Field
from target_braze.mapping.deletion_guard import DeletionGuard
from target_braze.mapping.fast_path import FastFields, FastPath
from target_braze.mapping.identifiers import PLACEHOLDERS, IdentifierRule, compile_user, find_user, identifier
from target_braze.mapping.property_sources import is_blank
from target_braze.mapping.spelling import check_identifiers
from target_braze.mapping.values.nested import Place
from target_braze.mapping.values.times import to_moment
from target_braze.records import Member, RecordError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping
    from datetime import tzinfo

    from target_braze.braze.changes import Endpoint, Semantics
    from target_braze.braze.objects.catalog_contents import CatalogContents
    from target_braze.braze.objects.catalogs import Catalog
    from target_braze.braze.objects.data_objects import DataObjectType, RelationshipType
    from target_braze.braze.objects.named_objects import ObjectType
    from target_braze.mapping.columns import Columns, Dropped, Fields
    from target_braze.records import User


_COUNT: Final = re.compile(r"\A[\d,]+")


@dataclass(frozen=True)
class Defaults:
    """Settings that apply to all streams; `zone` is the time zone of times without an offset."""

    app_id: str | None
    unset_nulls: bool
    update_existing_only: bool
    zone: tzinfo
    long_strings: str = "reject"
    large_quantities: str = "reject"
    date_like_text: str = "send"
    on_bad_value: str = "reject"
    placeholder_ids: tuple[str, ...] = PLACEHOLDERS
    guard: DeletionGuard = field(default_factory=DeletionGuard)

    def place(self, notice: Callable[[str], None], *, typed_nested_times: bool) -> Place:
        """Return where values go: into attributes, or into properties of events and purchases."""
        return Place(self.zone, typed_nested_times, cuts=self.long_strings == "truncate", report=notice)

    def dropped(self, notice: Callable[[str], None]) -> Dropped | None:
        """Return the callback for fields dropped from a record, or None if such records are rejected."""
        if self.on_bad_value == "reject":
            return None

        def report(what: str, wrong: ValueError) -> None:
            # Leave out the value: it may be personal, and without it there is one report of each kind.
            why = _COUNT.sub("too many", str(wrong).partition(", got ")[0])
            notice(f"{what} is left out of records because 'on_bad_value' is drop_field: {why}")

        return report


class RecipientLimits(NamedTuple):
    """Maximum number of recipients in a run: of a stream, and of one campaign or Canvas."""

    run: int
    campaign: int


class StreamMapping(ABC):
    """Turns records of one stream into changes; one subclass per kind of Braze object."""

    to: ClassVar[str]
    """The value of the setting `to` that selects this kind."""
    settings: ClassVar[Mapping[str, Any]]
    """Keys that the mapping may have in addition to the common ones, each with its JSON Schema."""
    unsupported_keys: ClassVar[frozenset[str]]
    """Common keys that this kind rejects."""
    identifier_types: ClassVar[frozenset[str]]
    """Types of identifiers that may identify users; none if the kind is not about users."""
    semantics: ClassVar[tuple[Semantics, ...]]
    """How to deliver each sort of change that this kind makes."""
    endpoints: ClassVar[tuple[Endpoint, ...]]
    """Where its changes may go, and what it reads or creates before."""
    on_delete_actions: ClassVar[tuple[str, ...]]
    """Values of `on_delete`, which set what happens when the source deletes a record; the first is the default."""
    dealing: ClassVar[Literal["by user", "together", "never"]] = "never"
    """How setting `processes` may deal its records: by the user that each names, if that is the only one it changes;
    all of them together, if it is not about users; or never, which keeps the whole run in one process."""
    payload_key: ClassVar[str]
    """For kinds sent to /users/track: the array of the request body that holds their changes."""
    requires: Catalog | DataObjectType | RelationshipType | None = None
    """What must exist before the first record."""
    catalog: Catalog | None = None
    """The catalog, if the kind loads its items."""
    id_column: str = ""
    """The column with the ids of the catalog's items."""
    object_type: ClassVar[ObjectType | CatalogContents | None] = None
    """The type of its objects, if each is compared with Braze by its name before it is sent."""
    max_recipients: RecipientLimits | None = None
    """How many people may receive messages in a run, if the kind sends messages."""

    @override
    def __init_subclass__(cls, *, to: str | None = None) -> None:
        """Register the class under a value of the setting `to`; without a value it is a base class.

        Raises:
            TypeError: The class does not itself declare everything that other modules need to know about a kind.
        """
        if to is None:
            return
        # Not inherited: each kind must make these decisions explicitly.
        if missing := [name for name in _DECLARATIONS if name not in vars(cls)]:
            raise TypeError(f"kind '{to}' ({cls.__name__}) does not declare: {', '.join(missing)}")
        if to in KINDS:
            raise TypeError(f"kind '{to}' is declared twice: {KINDS[to].__name__} and {cls.__name__}")
        cls.to = to
        KINDS[to] = cls

    @classmethod
    def endpoints_for(cls, _entry: Mapping[str, Any]) -> tuple[Endpoint, ...]:
        """Return those of `endpoints` that a stream with this entry may use, whatever its records hold."""
        return cls.endpoints

    def __init__(self, columns: Columns, defaults: Defaults, notice: Callable[[str], None]) -> None:
        self._columns = columns
        self._defaults = defaults
        self.fast_path = FastPath(notice)
        self._notice = self.fast_path.notice
        self._known = frozenset(columns.names)
        self._on_delete = self._compile_on_delete()
        self._consented_at = self._compile_consented_at()
        self._identifier_rules = self._compile_user()

    @property
    def may_start_messages(self) -> bool:
        """Whether live campaigns may start because of what it writes to users."""
        return TRACK in self.endpoints or any(one.consent is not None for one in self.semantics)

    @property
    def identifier_rules(self) -> tuple[IdentifierRule, ...]:
        """Return the rules that identify the users, with the counts of their outcomes."""
        return tuple(self._identifier_rules)

    @property
    def sources(self) -> Mapping[str, tuple[str, ...]]:
        """Return the columns that each field of the object is made from, for `explain`.

        Nested fields are named like `properties.name` or `visits.inc`. Of several columns, the first with a value wins.
        """
        return {}

    @property
    def flattened(self) -> tuple[str, ...]:
        """Return the columns whose members are fields of the object, or properties, for `explain`."""
        return ()

    @property
    def types(self) -> Mapping[str, str | None]:
        """Return custom attributes with their types in Braze, or None for types that depend on the values."""
        return {}

    @property
    def untyped_texts(self) -> tuple[str, ...]:
        """Return columns whose text gets a fixed type in Braze, and whose schema and `types` do not say which."""
        return ()

    @property
    def attributes(self) -> Mapping[str, bool]:
        """Return the attributes that it can set, if known before any record, and whether it replaces their values."""
        return {}

    def absent(self, _record: Mapping[str, Any], names: Iterable[str]) -> list[str]:
        """Return the attributes in `names` for which the record has no column."""
        return [*names]

    def changes(self, record: Mapping[str, Any]) -> list[Change]:
        """Return the changes of one record, in the order in which Braze must apply them.

        Raises:
            RecordError: The record identifies no user, or Braze would not accept a value.
        """
        if not self._known.issuperset(record):
            self._report_unknown(record)
        user, caught = find_user(self._identifier_rules, record)
        if caught:
            # A value that fails to identify the user must not be sent as the user's data either.
            record = {column: value for column, value in record.items() if column not in caught}
        fields = self._object(user)
        self._fill(fields, record)
        return [self._as_change(user, fields)]

    def date_choices(self, changes: Iterable[Change], record: Mapping[str, Any]) -> None:
        """Give the changes of a record the time at which the person made their choices, if the record says it.

        Raises:
            RecordError: The time cannot be read.
        """
        if self._consented_at is None:
            return
        at: float | None = self._consented_at.value(record)
        for change in changes:
            if at is not None and (choices := change.choices):
                change.chosen_at = dict.fromkeys(choices, at)

    @property
    def named_by(self) -> str:
        """Return what names the object of a record, in words, if that is neither a user nor a catalog item."""
        return ""

    @property
    def acts_on_delete(self) -> bool:
        """Return whether a record deleted in the source changes anything in Braze."""
        return self._on_delete != "nothing"

    def changes_on_delete(self, record: Mapping[str, Any]) -> list[Change]:
        """Return the changes for a record deleted in the source, which may have only its key.

        Raises:
            RecordError: The record identifies no user.
        """
        if self._on_delete == "nothing":
            self._notice("records deleted in the source change nothing in Braze because on_delete is nothing")
            return []
        return self._changes_on_delete(record)

    def _changes_on_delete(self, record: Mapping[str, Any]) -> list[Change]:
        raise NotImplementedError

    def members(self, record: Mapping[str, Any]) -> list[Member]:
        """Return the user that a record lists, then the same user by the record's other identifiers.

        An earlier record may have identified the user by one of these.

        Raises:
            RecordError: The record does not name its cohort or group.
        """
        part = self._part(record)
        found = []
        for rule in self._identifier_rules:
            with suppress(RecordError):
                if (user := rule.find(record)) is not None:
                    found.append(Member(user, part))
        return found

    def record_of(self, member: Member) -> dict[str, Any] | None:
        """Return a record that lists only the member, or None if the mapping has no such member."""
        for rule in self._identifier_rules:
            if rule.identifier_type == member.user[0]:
                record = rule.record(member.user) | self._part_columns(member.part)
                if self.members(record)[:1] == [member]:
                    return record
        return None

    def item_id(self, _record: Mapping[str, Any]) -> str | None:
        """Return the id of the catalog item that a record lists, or None if there is no valid one."""
        return None

    def _part(self, _record: Mapping[str, Any]) -> str:
        """Return the cohort or group of a record."""
        return ""

    def _part_columns(self, _part: str) -> dict[str, Any]:
        """Return the columns that name a cohort or group."""
        return {}

    def _compile_on_delete(self) -> str:
        given = self._columns.entry.get("on_delete", self.on_delete_actions[0])
        action: str = given if isinstance(given, str) else "flag"
        if action not in self.on_delete_actions:
            raise self._columns.error(
                f"'on_delete' cannot be {action} here, only {' or '.join(sorted(self.on_delete_actions))} - at "
                f"{self._columns.at}.on_delete"
            )
        return action

    def _compile_consented_at(self) -> Field | None:
        columns = self._columns
        if "consented_at" not in columns.entry:
            return None
        column = columns.known(columns.entry["consented_at"], "consented_at")
        as_text = columns.read_time(column)

        def convert(value: object) -> float | None:
            return None if is_blank(value) else to_moment(as_text(value), columns.zone).timestamp()

        return Field(column, "consented_at", convert)

    def _compile_user(self) -> list[IdentifierRule]:
        columns = self._columns
        if "user" not in columns.entry:
            check_identifiers(columns, always=self.payload_key == "attributes")
        rules = compile_user(columns.stream, columns.entry.get("user"), columns.names, self._defaults.placeholder_ids)
        columns.check_identifiers(rules)
        return rules

    def _user(self, record: Mapping[str, Any]) -> User:
        return find_user(self._identifier_rules, record)[0]

    def _object(self, user: User) -> dict[str, Any]:
        """Return an object of /users/track with only its user, and whether it may create the user."""
        fields = identifier(user)
        if self._defaults.update_existing_only:
            fields["_update_existing_only"] = True
        elif user[0] == "user_alias":
            # Without this, Braze ignores an object with an unknown alias.
            fields["_update_existing_only"] = False
        return fields

    def _as_change(self, user: User, fields: dict[str, Any]) -> Change:
        return Change(self.payload_key, user, fields, self.semantics[0], TRACK)

    @abstractmethod
    def _fill(self, fields: dict[str, Any], record: Mapping[str, Any]) -> None:
        """Add everything but the user to the object."""

    def _open_fast_path(self, fields: Fields, own: Iterable[str] = ()) -> None:
        """Open the fast path if it can hold these fields; `_fill_own` reads the columns `own`."""
        if self._consented_at is not None:
            return
        first = self._identifier_rules[0]
        columns = {field.column for field in fields.all}
        if not columns.isdisjoint((*own, *first.columns)) or any(
            field.name == first.identifier_type for field in fields.all
        ):
            return
        if fields.nullable and len(fields.nullable) < len(fields.all):
            return
        if not FastFields.may_have((*self._columns.all_names, *(field.name for field in fields.all))):
            return
        self.fast_path.open(
            FastFields(self._columns.all_names, fields.all, nulls=bool(fields.nullable)),
            first,
            self._object_of_own,
            self._as_fast_change,
        )

    def _object_of_own(self, user: User, record: Mapping[str, Any]) -> dict[str, Any]:
        fields = self._object(user)
        self._fill_own(fields, record)
        return fields

    def _fill_own(self, fields: dict[str, Any], record: Mapping[str, Any]) -> None:
        """Add everything to the object except the user and the columns that the fast path sends as they are."""
        raise NotImplementedError

    def _as_fast_change(self, user: User, own: dict[str, Any], encoded: bytes, number: int) -> Change | None:
        """Return the change for the fields `own` and `number` others in `encoded`, or None to take the full path."""
        raise NotImplementedError

    def _report_unknown(self, record: Mapping[str, Any]) -> None:
        for column in record:
            if column not in self._known and not column.startswith("_sdc_"):
                self._notice(f"column '{column}' is not in the stream's SCHEMA and is not sent")

    def _identifier_columns(self, *kinds: str) -> set[str]:
        return {
            column
            for rule in self._identifier_rules
            if not kinds or rule.identifier_type in kinds
            for column in rule.columns
        }


_DECLARATIONS: Final = (
    "settings",
    "unsupported_keys",
    "identifier_types",
    "semantics",
    "endpoints",
    "on_delete_actions",
)
KINDS: Final[dict[str, type[StreamMapping]]] = {}
"""Kinds by their value of the setting `to`. `mapping.kinds` lists their modules."""
