"""Schedules of streams that are not about users: Braze ends up as the input says, each object once."""

from __future__ import annotations

import json
import random
from collections import defaultdict
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final

from braze_sandbox.model.objects import Catalog, ContentBlock, Integration, Locale, Translation
from braze_sandbox.state.limits import Limits
from braze_sandbox.state.options import Options
from typing_extensions import override

from tests.target.chaos.clock import hurried
from tests.target.chaos.runner import StreamsRunner
from tests.target.chaos.schedule import FAULTS, MIXTURES, StreamsSchedule, is_believed, stops
from tests.target.support.data_objects import add_accounts
from tests.target.support.messages import CAMPAIGN, add_messages, add_users
from tests.target.support.schedules import add_schedule
from tests.target.support.singer import INTEGER, NUMBER, TEXT, TIME, Stream

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from braze_sandbox.model.objects import DataObjectType
    from braze_sandbox.model.workspace import Workspace
    from braze_sandbox.testing import Sandbox


_GONE: Final = {"_sdc_deleted_at": "2026-03-04T09:10:11Z"}
_BLOCK, _LOCALE, _MADE = "block-1", "11111111-0000-4000-8000-000000000001", "made"
_TEXTS: Final = {"type": ["object", "null"], "additionalProperties": {"type": "string"}}
# What Braze has of each key: one value for each object with that key.
Held = dict[str, list[Any]]


@dataclass(frozen=True)
class Kind:
    """A kind of these streams.

    Attributes:
        entry: Its entry in the setting `streams`.
        columns: Its columns.
        record: Makes a record from a key and a value.
        value: What Braze keeps of the record, besides its key.
        held: What the sandbox has of each key.
        removes: Whether deleted records remove the object.
        deletes: Whether records name what is to go.
    """

    entry: dict[str, Any]
    columns: dict[str, Any]
    record: Callable[[str, str], dict[str, Any]]
    value: Callable[[str], Any]
    held: Callable[[Sandbox], Held]
    removes: bool = False
    deletes: bool = False


def _by(pairs: Iterator[tuple[str, Any]]) -> Held:
    found: Held = defaultdict(list)
    for key, value in pairs:
        found[key].append(value)
    return found


def _accounts(sandbox: Sandbox) -> DataObjectType:
    return sandbox.workspace.data_objects["account"]


_OBJECT: Final = {"type": "account"}
KINDS: Final[dict[str, Kind]] = {
    "content_blocks": Kind(
        {},
        {"name": TEXT, "content": TEXT},
        lambda key, value: {"name": key, "content": value},
        str,
        lambda sandbox: _by((one.name, one.content) for one in [*sandbox.workspace.content_blocks.values()]),
    ),
    "email_templates": Kind(
        {},
        {"template_name": TEXT, "subject": TEXT, "body": TEXT},
        lambda key, value: {"template_name": key, "subject": "s", "body": value},
        str,
        lambda sandbox: _by((one.name, one.body) for one in [*sandbox.workspace.templates.values()]),
    ),
    "preference_centers": Kind(
        {},
        dict.fromkeys(("name", "preference_center_page_html", "confirmation_page_html"), TEXT),
        lambda key, value: {"name": key, "preference_center_page_html": value, "confirmation_page_html": "c"},
        str,
        lambda sandbox: _by((one.name, one.page_html) for one in [*sandbox.workspace.preference_centers.values()]),
    ),
    "translations": Kind(
        {"translations_of": "content_blocks"},
        {"content_block_id": TEXT, "locale_id": TEXT, "translation_map": _TEXTS},
        lambda key, value: {"content_block_id": _BLOCK, "locale_id": _LOCALE, "translation_map": {key: value}},
        str,
        lambda sandbox: _by(
            (key, text) for key, text in [*sandbox.workspace.translations[_BLOCK].locales[_LOCALE].items()] if text
        ),
    ),
    "cdi_syncs": Kind(
        {},
        {"integration_id": TEXT},
        lambda key, _value: {"integration_id": key},
        lambda _value: _MADE,
        # Syncs may repeat.
        lambda sandbox: _by((key, _MADE) for key, one in [*sandbox.workspace.integrations.items()] if one.runs),
    ),
    "catalog_selections": Kind(
        {"on_delete": "remove"},
        {"catalog_name": TEXT, "name": TEXT, "description": TEXT},
        lambda key, _value: {"catalog_name": "shop", "name": key, "description": "d"},
        lambda _value: "d",
        lambda sandbox: _by(
            (key, one["description"]) for key, one in [*sandbox.workspace.catalogs["shop"].selections.items()]
        ),
        removes=True,
    ),
    "catalog_items": Kind(
        {"catalog": {"name": "items"}, "fields": ["title"]},
        {"id": TEXT, "title": TEXT},
        lambda key, value: {"id": key, "title": value},
        str,
        lambda sandbox: (
            _by((key, one["title"]) for key, one in [*sandbox.workspace.catalogs["items"].items.items()])
            if "items" in sandbox.workspace.catalogs
            else {}
        ),
        removes=True,
    ),
    "catalog_deletions": Kind(
        {"max_catalogs_deleted_with_all_items": 1_000},
        {"catalog_name": TEXT},
        lambda key, _value: {"catalog_name": key},
        lambda _value: _MADE,
        lambda sandbox: _by((key, _MADE) for key in [*sandbox.workspace.catalogs]),
        deletes=True,
    ),
    "catalog_field_deletions": Kind(
        {"max_fields_deleted_with_all_values": 1_000},
        {"catalog_name": TEXT, "field_name": TEXT},
        lambda key, _value: {"catalog_name": "shop", "field_name": key},
        lambda _value: _MADE,
        lambda sandbox: _by((one["name"], _MADE) for one in [*sandbox.workspace.catalogs["shop"].fields]),
        deletes=True,
    ),
    "data_objects": Kind(
        {"data_object": _OBJECT, "fields": ["name"], "on_delete": "remove"},
        {"object_id": TEXT, "name": TEXT},
        lambda key, value: {"object_id": key, "name": value},
        str,
        lambda sandbox: _by((key, one["name"]) for key, one in [*_accounts(sandbox).records.items()] if "name" in one),
        removes=True,
    ),
    "data_object_user_relationships": Kind(
        {"data_object": {**_OBJECT, "relationship": "account_user"}, "fields": ["role"], "on_delete": "remove"},
        {"object_id": TEXT, "external_id": TEXT, "role": TEXT},
        lambda key, value: {"object_id": f"of {key}", "external_id": "u0", "role": value},
        str,
        lambda sandbox: _by((key[0][3:], one["role"]) for key, one in [*_accounts(sandbox).users.items()]),
        removes=True,
    ),
    "data_object_relationships": Kind(
        {
            "data_object": {**_OBJECT, "relationship": "subaccount", "related_type": "account"},
            "fields": ["share"],
            "on_delete": "remove",
        },
        {"object_id": TEXT, "related_object_id": TEXT, "share": NUMBER},
        lambda key, value: {"object_id": f"of {key}", "related_object_id": "of k0", "share": int(value)},
        int,
        lambda sandbox: _by((key[0][3:], one["share"]) for key, one in [*_accounts(sandbox).links.items()]),
        removes=True,
    ),
    "push_token_imports": Kind(
        {},
        {"app_id": TEXT, "token": TEXT},
        lambda key, _value: {"app_id": "app-1", "token": key},
        lambda _value: _MADE,
        lambda sandbox: _by(
            (token["token"], _MADE)
            for one in [*sandbox.instance.profiles]
            for token in one.attributes.get("push_tokens") or ()
        ),
    ),
    "message_schedules": Kind(
        {"max_changed_schedules": 1_000},
        {"schedule_id": TEXT, "time": TIME},
        lambda key, value: {"schedule_id": key, "time": f"2999-01-01T00:00:{value:0>2}Z"},
        int,
        lambda sandbox: _by((key, one.at.second) for key, one in [*sandbox.workspace.schedules.items()]),
    ),
    "sends": Kind(
        {},
        {"campaign_id": TEXT, "send_id": TEXT},
        lambda key, _value: {"campaign_id": CAMPAIGN, "send_id": key},
        lambda _value: _MADE,
        lambda sandbox: _by((key, _MADE) for key in [*sandbox.workspace.sends]),
    ),
}


@dataclass(frozen=True)
class Row:
    """A record: its kind, its key in Braze, and its value there; None if the source deleted it."""

    kind: str
    key: str
    value: Any
    record: dict[str, Any]


@dataclass(kw_only=True)
class WorkspaceSchedule(StreamsSchedule):
    """Everything that a seed determines."""

    ledger: bool
    keys: int
    rows: list[Row] = field(default_factory=list)

    @property
    def kinds(self) -> dict[str, None]:
        """Return the kinds of the rows."""
        return dict.fromkeys(row.kind for row in self.rows)

    @override
    def __str__(self) -> str:
        """Describe the schedule for a person."""
        records = f"{len(self.rows)} records of {', '.join(self.kinds)}, overlap {self.overlap}"
        return self.described("workspace", records, f"{'a' if self.ledger else 'no'} ledger")


def workspace_schedule(seed: int, *, processes: bool = False) -> WorkspaceSchedule:
    """Return a seed's schedule; with `processes`, its runs are separate processes, which can be killed."""
    chance = random.Random(f"workspace {seed}")
    rules: list[dict[str, Any]] = []
    if latency := chance.choice([0, 1, 2, 5]):
        rules.append({"do": "latency", "latency_ms": latency})
    mixture, faults = chance.choice(MIXTURES), []
    for _ in range(chance.choice([0, 1, 2, 4])):
        kind = chance.choice([one for one in mixture if one != "split"])
        faults.append(kind)
        fault = chance.choice([one for one in FAULTS[kind] if not is_believed(one)])
        rules.append({**fault, "after": chance.randrange(10), "times": 1 if "fatal" in kind else chance.choice([1, 2])})
    names = chance.sample([*KINDS], chance.choice([1, 1, 2, 3]))
    found = WorkspaceSchedule(
        seed=seed,
        processes=processes,
        rules=rules,
        faults=faults,
        stops=stops(chance, processes=processes),
        settings={
            "concurrency": chance.choice([1, 2, 4]),
            "on_unknown_outcome": chance.choice(["hold", "resend"]),
            "on_error": "dead_letter",
            "rate_limit_reserve": 0,
            "dependency_delay": 0,
            "streams": {name: {"to": name, **KINDS[name].entry} for name in names},
        },
        # Braze shows no send IDs, so only a ledger knows which exist.
        ledger=chance.random() < 0.5 or "sends" in names,
        keys=chance.choice([1, 3, 8]),
        overlap=chance.choice([0, 0, 5, 1_000]),
    )
    _write(chance, found, names)
    return found


def _write(chance: random.Random, found: WorkspaceSchedule, names: list[str]) -> None:
    streams = {
        name: Stream(name, {**KINDS[name].columns, "upto": INTEGER, "_sdc_deleted_at": TIME}, []) for name in names
    }
    found.messages += [stream.schema for stream in streams.values()]
    for number in range(1, chance.choice([4, 12, 40]) + 1):
        name, key, text = chance.choice(names), f"k{chance.randrange(found.keys)}", str(number)
        kind = KINDS[name]
        gone = kind.removes and chance.random() < 0.25
        record = {**kind.record(key, text), "upto": number, **(_GONE if gone else {})}
        found.rows.append(Row(name, key, None if gone or kind.deletes else kind.value(text), record))
        found.messages.append(streams[name].record(record))
        if chance.random() < 0.2:
            found.messages.append({"type": "STATE", "value": {"upto": number}})
    found.messages.append({"type": "STATE", "value": {"upto": len(found.rows)}})


class WorkspaceTrial(StreamsRunner):
    """A schedule of these streams on a running sandbox."""

    _schedule: WorkspaceSchedule

    def __init__(self, schedule: WorkspaceSchedule, sandbox: Sandbox, folder: Path) -> None:
        super().__init__(sandbox, folder, schedule.seed % 3 * 1_000.0, 100_000)
        self._schedule = schedule
        self._dead = folder / "dead.singer"
        self._config |= schedule.settings | {"dead_letter_path": str(self._dead)}
        if schedule.ledger:
            self._config["ledger_path"] = str(folder / "ledger.sqlite")

    def run(self) -> list[str]:
        """Run until the streams are finished, and once more without faults; return the violations."""
        self._prepare()
        try:
            with hurried(self._skew, self._span):
                self._run_until_through()
                self.problems += self._doubled()
                if not self._schedule.doubtful:
                    self.problems += self._not_as_it_should_be("at the end")
                self._sandbox.clear_faults()
                ended = self._here(self._schedule.input(0), None)
                if ended.code:
                    self.problems.append(f"a run without faults ended with {ended.code}: {ended.said}")
                self.problems += self._not_as_it_should_be("after a run without faults")
        finally:
            self._sandbox.instance.hooks.clear()
        self.problems += (f"the sandbox says: {one}" for one in self._sandbox.violations)
        return self.problems

    def _prepare(self) -> None:
        sandbox, schedule = self._sandbox, self._schedule
        sandbox.instance.options = Options(seed="empty")
        # A day's limit would let the clock of the target run away.
        sandbox.instance.limits = Limits({"send_ids": (100_000, 60.0)})
        sandbox.reset()
        add_messages(sandbox)
        add_users(sandbox, ["u0"])
        workspace, now = sandbox.workspace, sandbox.instance.clock.utc_now()
        keys = [f"k{number}" for number in range(schedule.keys)]
        add_accounts(sandbox).records.update({f"of {key}": {} for key in ("k0", *keys)})
        workspace.apps["app-1"] = "iOS"
        workspace.integrations.update({key: Integration(id=key, name=key) for key in keys})
        fields = [{"name": name, "type": "string"} for name in ("id", *keys)]
        for name in ("shop", *keys):
            workspace.catalogs[name] = Catalog(name=name, updated_at=now, fields=[*fields])
        if "translations" in schedule.kinds:
            block = ContentBlock(id=_BLOCK, name=_BLOCK, created_at=now, updated_at=now)
            workspace.content_blocks[_BLOCK] = block
            _translate(workspace, keys)
        if "message_schedules" in schedule.kinds:
            for key in keys:
                add_schedule(sandbox, key, "message")
        for rule in schedule.rules:
            sandbox.fault(**rule)

    @override
    def _see(self, upto: int, states: list[int]) -> None:
        states.append(upto)
        letters = self._letters()
        every = self._schedule.rows
        # A key that goes and comes may be in either state, because later records have their effect at once.
        steady = {(row.kind, row.key) for row in every} - {
            (one.kind, one.key) for one in every if one.value is None and not KINDS[one.kind].deletes
        }
        held = {name: KINDS[name].held(self._sandbox) for name in self._schedule.kinds}
        for row in every[:upto]:
            there = bool(held[row.kind].get(row.key))
            if (row.kind, row.key) in steady and there is KINDS[row.kind].deletes and not letters[row.kind, row.key]:
                self.problems.append(f"when STATE {upto} left, Braze did not know about {row}")

    def _letters(self) -> defaultdict[tuple[str, str], list[str]]:
        """Return the reasons of the dead letters, by kind and key."""
        found: defaultdict[tuple[str, str], list[str]] = defaultdict(list)
        for line in self._dead.read_bytes().split(b"\n")[:-1] if self._dead.exists() else []:
            one = json.loads(line)
            if one["type"] == "RECORD":
                row = self._schedule.rows[one["record"]["upto"] - 1]
                found[row.kind, row.key].append(one["dead_letter"]["reason"])
        return found

    def _doubled(self) -> Iterator[str]:
        for name in self._schedule.kinds:
            for key, values in KINDS[name].held(self._sandbox).items():
                if len(values) > 1:
                    yield f"{name}: {key} exists {len(values)} times"

    def _not_as_it_should_be(self, when: str) -> Iterator[str]:
        yield from self._doubled()
        letters = self._letters()
        if letters and not self._schedule.doubtful:
            yield f"{when}: dead letters {dict(letters)}"
        last = {(row.kind, row.key): row for row in self._schedule.rows}
        held = {name: KINDS[name].held(self._sandbox) for name in self._schedule.kinds}
        for (name, key), row in last.items():
            have = held[name].get(key, [])
            if name == "sends" and not have and any("in doubt" in reason for reason in letters[name, key]):
                continue
            if have != ([] if row.value is None else [row.value]):
                yield f"{when}: {name} {key} is {have} instead of {row.value}"


def _translate(workspace: Workspace, keys: list[str]) -> None:
    workspace.locales[_LOCALE] = Locale(uuid=_LOCALE, name="German", country="DE", language="de")
    workspace.translations[_BLOCK] = Translation(source=dict.fromkeys(keys, "text"), locales={_LOCALE: {}})
