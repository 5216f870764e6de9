"""docs/consent.md: its SQL on events in the tap's tables, and the load of what it keeps."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any, Final

import duckdb
import pytest
import yaml
from braze_sandbox.model.objects import SubscriptionGroup
from tap_braze.currents import schemas

from tests.target.support.singer import TEXT, TIME, Stream, customers, the

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from braze_sandbox.testing import Sandbox

    from tests.target.support.singer import Run

GROUP: Final = "9f4e2a10-0000-4000-8000-000000000001"
OTHER: Final = "9f4e2a10-0000-4000-8000-000000000002"
CHANGED: Final = "users.behaviors.subscriptiongroup.StateChange"
CHANGED_FOR_ALL: Final = "users.behaviors.subscription.GlobalStateChange"
CLICKED: Final = "users.messages.email.Unsubscribe"
NOON: Final = 1773057600  # 2026-03-09T12:00:00Z
TYPES: Final = {"integer": "bigint", "string": "varchar"}


class Warehouse:
    """The tables of the tap, the source's opt-ins, and the views of the page."""

    def __init__(self, db: duckdb.DuckDBPyConnection, text: str) -> None:
        self._db = db
        self._events = 0
        for event_type in (CHANGED, CHANGED_FOR_ALL, CLICKED):
            properties = schemas.of_event_type(event_type)["properties"]
            columns = ", ".join(f'"{name}" {TYPES[declared["type"][0]]}' for name, declared in properties.items())
            db.execute(f"create table {schemas.stream_name(event_type)} ({columns})")
        columns = "customer_id text, email text, phone text, subscription_group_id text, chosen_at timestamptz"
        db.execute(f"create table opt_ins ({columns})")
        views, self._undone = re.findall(r"```sql\n(.*?)```", text, re.DOTALL)
        db.execute(views)

    def event(self, event_type: str, seconds: int, **fields: Any) -> None:
        self._events += 1
        row = {"id": f"event-{self._events}", "user_id": "b", "time": NOON + seconds, **fields}
        names = ", ".join(f'"{name}"' for name in row)
        marks = ", ".join("?" for _ in row)
        self._db.execute(f"insert into {schemas.stream_name(event_type)} ({names}) values ({marks})", [*row.values()])

    def changed(self, status: str | None, seconds: int, group: str = GROUP, **who: Any) -> None:
        who = who or {"external_user_id": "c-1"}
        self.event(CHANGED, seconds, subscription_group_id=group, subscription_status=status, channel="email", **who)

    def opt_in(self, chosen_at: str, group: str = GROUP, email: str = "", phone: str | None = None) -> None:
        self._db.execute("insert into opt_ins values ('c-1', ?, ?, ?, ?)", [email, phone, group, chosen_at])

    def kept(self) -> list[dict[str, Any]]:
        chosen_at = "strftime(chosen_at, '%Y-%m-%dT%H:%M:%S%z') as chosen_at"
        return self._rows(f"select * replace ({chosen_at}) from group_opt_ins")

    def groups(self) -> list[str]:
        return sorted(row["subscription_group_id"] for row in self.kept())

    def undone(self) -> list[dict[str, Any]]:
        return self._rows(self._undone)

    def _rows(self, query: str) -> list[dict[str, Any]]:
        found = self._db.execute(query)
        names = [column[0] for column in found.description or ()]
        return [dict(zip(names, row, strict=True)) for row in found.fetchall()]


@pytest.fixture
def page(root: Path) -> str:
    return (root / "docs" / "consent.md").read_text("utf-8")


@pytest.fixture
def warehouse(page: str) -> Iterator[Warehouse]:
    with duckdb.connect() as db:
        db.execute("set timezone = 'America/New_York'")
        yield Warehouse(db, page)


def test_the_later_choice_wins(warehouse: Warehouse) -> None:
    warehouse.changed("Unsubscribed", 0)
    warehouse.opt_in("2026-03-09T11:59:59Z")
    assert warehouse.groups() == []
    warehouse.opt_in("2026-03-09T12:00:01Z")
    (row,) = warehouse.kept()
    assert (row["customer_id"], row["subscription_state"], row["chosen_at"][14:19]) == ("c-1", "subscribed", "00:01")
    warehouse.changed("Unsubscribed", 5)
    warehouse.changed("Unsubscribed", -5)
    assert warehouse.groups() == []


@pytest.mark.parametrize("chosen_at", ["2026-03-09T12:00:00Z", "2026-03-09T12:00:00.9Z"])
def test_an_opt_out_in_the_same_second_wins(warehouse: Warehouse, chosen_at: str) -> None:
    warehouse.changed("Unsubscribed", 0)
    warehouse.opt_in(chosen_at)
    assert warehouse.groups() == []


def test_without_an_opt_out_only_what_currents_would_know_is_kept(warehouse: Warehouse) -> None:
    warehouse.changed("Subscribed", 60)
    warehouse.changed("Unsubscribed", 60, external_user_id="c-2", email_address="")
    warehouse.opt_in("2026-03-09T12:00:00Z")
    assert warehouse.groups() == [GROUP]
    warehouse.opt_in("2026-02-28T23:59:59Z", OTHER)
    assert warehouse.groups() == [GROUP]


def test_each_group_has_its_own_opt_out(warehouse: Warehouse) -> None:
    for group in (GROUP.upper(), OTHER):
        warehouse.opt_in("2026-03-09T12:00:00Z", group)
    warehouse.changed("Unsubscribed", 60, OTHER)
    assert warehouse.groups() == [GROUP]
    warehouse.changed("Unsubscribed", 60, GROUP)
    assert warehouse.groups() == []


@pytest.mark.parametrize(
    "who", [{"external_user_id": "c-1"}, {"email_address": "Ines@example.com"}, {"phone_number": "+12025550123"}]
)
@pytest.mark.parametrize("status", ["Unsubscribed", "[REDACTED]", None])
def test_whatever_identifies_the_person_counts(warehouse: Warehouse, who: dict[str, str], status: str | None) -> None:
    warehouse.opt_in("2026-03-09T12:00:00Z", email="ines@Example.com", phone="+12025550123")
    warehouse.changed("Unsubscribed", 60, external_user_id="c-2", email_address="rui@example.com")
    assert warehouse.groups() == [GROUP]
    warehouse.changed(status, 60, **who)
    assert warehouse.groups() == []


@pytest.mark.parametrize(
    ("event_type", "fields", "kept"),
    [
        (CLICKED, {}, False),
        (CHANGED_FOR_ALL, {"subscription_status": "Unsubscribed", "channel": "email"}, False),
        (CHANGED_FOR_ALL, {"subscription_status": "Unsubscribed"}, False),
        (CHANGED_FOR_ALL, {"subscription_status": "Unsubscribed", "channel": "push"}, True),
        (CHANGED_FOR_ALL, {"subscription_status": "Opted In", "channel": "email"}, True),
    ],
)
def test_leaving_all_email_leaves_every_group(
    warehouse: Warehouse, event_type: str, fields: dict[str, str], *, kept: bool
) -> None:
    for group in (GROUP, OTHER):
        warehouse.opt_in("2026-03-09T12:00:00Z", group)
    warehouse.event(event_type, 60, external_user_id="c-1", **fields)
    assert warehouse.groups() == ([GROUP, OTHER] if kept else [])


def test_an_opt_in_that_undid_a_late_opt_out_is_listed(warehouse: Warehouse) -> None:
    for group, subscribed in ((GROUP, 90), (OTHER, 30)):
        warehouse.opt_in("2026-03-09T12:00:00Z", group)
        warehouse.changed("Subscribed", subscribed, group)
    assert warehouse.undone() == []
    for group in (GROUP, OTHER):
        warehouse.changed("Unsubscribed", 60, group)
    (row,) = warehouse.undone()
    assert (row["customer_id"], row["subscription_group_id"]) == ("c-1", GROUP)


def test_who_joined_again_is_opted_in_again(
    warehouse: Warehouse, page: str, run_target: Callable[..., Run], sandbox: Sandbox
) -> None:
    sandbox.workspace.subscription_groups[GROUP] = SubscriptionGroup(id=GROUP, name="News", channel="email")
    run_target(customers({"external_id": "c-1"}))
    groups = the(sandbox.profile("c-1")).attributes.setdefault("subscription_groups", {})
    groups[GROUP] = "unsubscribed"
    config = yaml.safe_load(re.findall(r"```yaml\n([^`]*)```", page)[-1])

    def load() -> object:
        columns = {"customer_id": TEXT, "subscription_group_id": TEXT, "subscription_state": TEXT, "chosen_at": TIME}
        run_target(Stream("group_opt_ins", columns, warehouse.kept()), **config)
        return groups[GROUP]

    warehouse.opt_in("2026-03-09T12:00:00Z")
    warehouse.changed("Unsubscribed", 60)
    assert load() == "unsubscribed"
    warehouse.opt_in("2026-03-09T12:02:00Z")
    assert load() == "subscribed"
