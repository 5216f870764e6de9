"""Campaigns and Canvases that records trigger: who receives what, and never twice."""

from __future__ import annotations

import json
from collections import Counter
from datetime import datetime, time, timedelta, timezone
from typing import TYPE_CHECKING, Any
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st
from target_braze import Loader, MappingError
from target_braze.braze.messages import endpoints
from target_braze.braze.messages.times import Schedule, SendWindow

from tests.target.support.messages import (
    CAMPAIGN,
    CANVAS,
    COLUMNS,
    OTHER,
    add_users,
    letters,
    orders,
    properties,
    received,
    table,
)
from tests.target.support.singer import INTEGER, NUMBER, TEXT, TIME, Stream, lines, run_cli, state

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from braze_sandbox.testing import Sandbox

    from tests.target.support.singer import Run

    RunTarget = Callable[..., Run]

pytestmark = pytest.mark.usefixtures("messages")


# What leaves.


def test_recipients_share_requests_and_common_properties(trigger: RunTarget, sandbox: Sandbox) -> None:
    run = trigger(orders(*range(5)), state(1), common_properties={"season": "spring"})
    (request,) = sandbox.requests
    assert request.path == "/campaigns/trigger/send"
    assert request.body == {
        "campaign_id": CAMPAIGN,
        "broadcast": False,
        "trigger_properties": {"season": "spring"},
        "recipients": [
            {"external_user_id": f"c-{n}", "trigger_properties": {"order_id": f"o-{n}", "total": n}} for n in range(5)
        ],
    }
    assert received(sandbox) == Counter(f"c-{n}" for n in range(5))
    assert properties(sandbox)[0] == {"season": "spring", "order_id": "o-0", "total": 0}
    assert (run.summary["total"]["sent"], run.summary["total"]["objects"], run.states[-1:]) == (
        5,
        5,
        [state(1)["value"]],
    )
    assert not sandbox.violations


def test_fifty_recipients_of_one_campaign_fill_a_request(trigger: RunTarget, sandbox: Sandbox) -> None:
    add_users(sandbox, [f"c-{number}" for number in range(8, 120)])
    trigger(orders(*range(120), users=120))
    assert sorted(len(one.body["recipients"]) for one in sandbox.requests) == [20, 50, 50]
    assert received(sandbox) == Counter(f"c-{n}" for n in range(120))


def test_a_canvas_gets_its_context(trigger: RunTarget, sandbox: Sandbox) -> None:
    trigger(
        table({"order_id": "o-1", "external_id": "c-1", "total": 2}),
        to="canvas_triggers",
        canvas={"id": CANVAS},
        properties=["total"],
        rename={"total": "sum"},
    )
    (request,) = sandbox.requests
    assert request.path == "/canvas/trigger/send"
    assert request.body == {
        "canvas_id": CANVAS,
        "broadcast": False,
        "recipients": [{"external_user_id": "c-1", "context": {"sum": 2}}],
    }
    assert received(sandbox, CANVAS) == {"c-1": 1}


def test_a_column_names_the_campaign(trigger: RunTarget, sandbox: Sandbox) -> None:
    rows = [
        {"order_id": f"o-{n}", "external_id": f"c-{n}", "total": n, "mail": (CAMPAIGN, OTHER)[n % 2]} for n in range(4)
    ]
    trigger(table(*rows, mail=TEXT), campaign={"id_field": "mail"}, properties=["total"])
    assert received(sandbox) == {"c-0": 1, "c-2": 1}
    assert received(sandbox, OTHER) == {"c-1": 1, "c-3": 1}
    assert sorted(len(one.body["recipients"]) for one in sandbox.requests) == [2, 2]


def test_a_column_names_the_send_id(trigger: RunTarget, sandbox: Sandbox) -> None:
    rows = [{"order_id": f"o-{n}", "external_id": f"c-{n}", "wave": ("w-1", "w-2")[n % 2]} for n in range(4)]
    trigger(table(*rows, wave=TEXT), send_id_field="wave", properties=[])
    assert sorted((one.body["send_id"], len(one.body["recipients"])) for one in sandbox.requests) == [
        ("w-1", 2),
        ("w-2", 2),
    ]
    # The same message under another send ID is the same message.
    again = trigger(table({**rows[0], "wave": "w-3"}, wave=TEXT), send_id_field="wave", properties=[])
    assert again.summary["total"]["unchanged"] == 1


def test_users_by_alias_address_and_braze_id(trigger: RunTarget, sandbox: Sandbox) -> None:
    profiles = sandbox.instance.profiles
    by_alias = sandbox.profile("c-2")
    assert by_alias is not None
    profiles.add_alias(by_alias, "shop", "two")
    by_id = sandbox.profile("c-3")
    assert by_id is not None
    user = [
        {"external_id": "external_id"},
        {"user_alias": {"name": "alias", "label": "shop"}},
        {"braze_id": "braze_id"},
        {"email": "mail"},
    ]
    rows: list[dict[str, Any]] = [
        {"order_id": "o-1", "mail": "C-1@shop.example"},
        {"order_id": "o-2", "alias": "two"},
        {"order_id": "o-3", "braze_id": by_id.braze_id},
    ]
    trigger(table(*rows, mail=TEXT, alias=TEXT, braze_id=TEXT), user=user, properties=[])
    (request,) = sandbox.requests
    assert request.body["recipients"] == [
        {"email": "C-1@shop.example", "prioritization": ["identified", "most_recently_updated"]},
        {"user_alias": {"alias_label": "shop", "alias_name": "two"}},
        {"braze_id": by_id.braze_id},
    ]
    assert received(sandbox) == {"c-1": 1, "c-2": 1, "c-3": 1}


def test_two_messages_to_one_person_go_in_two_requests(trigger: RunTarget, sandbox: Sandbox) -> None:
    # Braze sends only the last of several recipients of a request that are one user.
    trigger(orders(1, 2, 3, users=1))
    assert received(sandbox) == {"c-0": 3}
    mails = [
        {"order_id": f"m-{n}", "external_id": None, "mail": ("c-1@shop.example", "C-1@shop.example")[n % 2]}
        for n in range(4)
    ]
    trigger(table(*mails, mail=TEXT), user=[{"email": "mail"}])
    assert received(sandbox)["c-1"] == 4
    assert not sandbox.violations


def test_attributes_are_set_before_and_can_create_the_user(trigger: RunTarget, sandbox: Sandbox) -> None:
    row = {"order_id": "o-1", "external_id": "new", "email": "new@shop.example", "plan": "plus", "total": 3}
    trigger(
        table(row, email=TEXT, plan=TEXT),
        attributes=["email", "plan"],
        properties=["total"],
        send_to_existing_only=False,
    )
    (request,) = sandbox.requests
    assert request.body["recipients"] == [
        {
            "external_user_id": "new",
            "send_to_existing_only": False,
            "trigger_properties": {"total": 3},
            "attributes": {"email": "new@shop.example", "plan": "plus"},
        }
    ]
    assert received(sandbox) == {"new": 1}


def test_the_ledger_forgets_users_whose_attributes_a_message_sets(
    run_target: RunTarget, sandbox: Sandbox, tmp_path: Path
) -> None:
    given = {
        "ledger_path": str(tmp_path / "ledger.sqlite"),
        "streams": {
            "people": {"to": "attributes"},
            "orders": {
                "to": "campaign_triggers",
                "max_recipients": 9,
                "campaign": {"id": CAMPAIGN},
                "attributes": ["plan"],
            },
        },
    }
    person = Stream("people", {"external_id": TEXT, "plan": TEXT}, [{"external_id": "c-1", "plan": "free"}])
    run_target(person, **given)
    run_target(table({"order_id": "o-1", "external_id": "c-1", "plan": "plus"}, plan=TEXT), **given)
    run_target(person, **given)
    profile = sandbox.profile("c-1")
    assert profile is not None
    assert profile.custom_attributes["plan"] == "free"


def test_long_texts_and_nested_values_are_properties(trigger: RunTarget, sandbox: Sandbox) -> None:
    value = {"lines": [{"name": "Socks", "quantity": 2}], "note": "x" * 1_000}
    anything: dict[str, Any] = {"type": ["object", "null"]}
    row = {"order_id": "o-1", "external_id": "c-1", "trigger_properties": value, "story": "y" * 5_000}
    trigger(table(row, trigger_properties=anything, story=TEXT))
    assert properties(sandbox) == [{"order_id": "o-1", "story": "y" * 5_000, **value}]


# Nobody twice.


def test_a_key_is_sent_once_in_this_run_and_later_ones(trigger: RunTarget, sandbox: Sandbox) -> None:
    first = trigger(orders(1, 2, 1))
    again = trigger(orders(1, 2, 3))
    changed = trigger(table({"order_id": "o-1", "external_id": "c-5", "total": 99}))
    assert received(sandbox) == {"c-1": 1, "c-2": 1, "c-3": 1}
    assert [(one.summary["total"]["sent"], one.summary["total"]["unchanged"]) for one in (first, again, changed)] == [
        (2, 1),
        (1, 2),
        (0, 1),
    ]


def test_another_type_of_the_key_is_the_same_key(trigger: RunTarget, sandbox: Sandbox) -> None:
    for kind, value in ((INTEGER, 17), (NUMBER, 17.0), (TEXT, "17"), (TEXT, " 17 ")):
        rows = [{"order_id": value, "external_id": "c-1"}]
        trigger(Stream("orders", {"order_id": kind, "external_id": TEXT}, rows, ["order_id"]))
    assert received(sandbox) == {"c-1": 1}


def test_each_campaign_has_its_own_recipients(trigger: RunTarget, sandbox: Sandbox) -> None:
    trigger(orders(1))
    trigger(orders(1), campaign={"id": OTHER})
    assert (received(sandbox), received(sandbox, OTHER)) == ({"c-1": 1}, {"c-1": 1})


@pytest.mark.parametrize("hold", ["hold", "resend"])
@pytest.mark.parametrize("fault", [{"do": "drop_after"}, {"do": "status", "status": 500}, {"do": "garbage"}])
def test_a_lost_answer_sends_to_nobody_again_and_names_who_is_in_doubt(
    trigger: RunTarget, sandbox: Sandbox, tmp_path: Path, fault: dict[str, Any], hold: str
) -> None:
    sandbox.fault(path="/campaigns/*", times=1, **fault)
    settings = {"on_unknown_outcome": hold}
    run = trigger(orders(1, 2), state(1), settings=settings)
    assert (run.summary["total"]["in_doubt"], run.summary["total"]["sent"]) == (2, 0)
    assert run.states == [state(1)["value"]]
    assert [one["record"]["order_id"] for one in letters(tmp_path)] == ["o-1", "o-2"]
    assert all("in doubt" in one["dead_letter"]["reason"] for one in letters(tmp_path))
    again = trigger(orders(1, 2, 3), settings=settings)
    assert (again.summary["total"]["in_doubt"], again.summary["total"]["sent"]) == (2, 1)
    assert max(received(sandbox).values()) == 1


def test_a_refused_recipient_is_free_to_be_corrected(trigger: RunTarget, sandbox: Sandbox, tmp_path: Path) -> None:
    sandbox.fault(path="/campaigns/*", do="refuse_if", contains="poison", status=400)
    rows = [{"order_id": f"o-{n}", "external_id": f"c-{n}", "note": "poison" if n == 2 else "good"} for n in range(4)]
    run = trigger(table(*rows, note=TEXT))
    assert (run.summary["total"]["sent"], run.summary["total"]["rejected"]) == (3, 1)
    assert [one["record"]["order_id"] for one in letters(tmp_path)] == ["o-2"]
    sandbox.clear_faults()
    trigger(table(*({**row, "note": "good"} for row in rows), note=TEXT))
    assert received(sandbox) == {f"c-{n}": 1 for n in range(4)}


def test_an_error_that_names_a_recipient_is_about_that_one(
    trigger: RunTarget, sandbox: Sandbox, tmp_path: Path
) -> None:
    errors = [{"input_array": "recipients", "contains": "o-2", "type": "invalid recipient"}]
    sandbox.fault(path="/campaigns/*", do="partial_errors", errors=errors)
    run = trigger(orders(1, 2, 3))
    assert (run.summary["total"]["sent"], run.summary["total"]["rejected"]) == (2, 1)
    assert [one["record"]["order_id"] for one in letters(tmp_path)] == ["o-2"]
    sandbox.clear_faults()
    trigger((tmp_path / "dead.singer").read_bytes().rstrip(b"\n"))
    assert received(sandbox) == {"c-1": 1, "c-2": 1, "c-3": 1}


def test_an_error_that_names_nobody_puts_all_in_doubt(trigger: RunTarget, sandbox: Sandbox) -> None:
    body = {"message": "success", "dispatch_id": "1", "errors": ["an email address is invalid"]}
    sandbox.fault(path="/campaigns/*", do="status", status=201, body=body, times=1)
    assert trigger(orders(1, 2, 3)).summary["total"]["in_doubt"] == 3


def test_all_refused_recipients_are_free_when_the_first_one_ends_the_run(trigger: RunTarget, sandbox: Sandbox) -> None:
    errors = [{"input_array": "recipients", "contains": "o-", "type": "invalid recipient"}]
    sandbox.fault(path="/campaigns/*", do="partial_errors", errors=errors, times=1)
    trigger(orders(1, 2, 3), settings={"on_error": "fail"}, expect=1)
    trigger(orders(1, 2, 3), settings={"on_error": "fail"})
    assert received(sandbox) == {"c-1": 1, "c-2": 1, "c-3": 1}


def test_a_time_for_each_record_is_remembered_for_none(trigger: RunTarget, sandbox: Sandbox) -> None:
    rows = [
        {"order_id": f"o-{n}", "external_id": f"c-{n % 8}", "at": f"2999-01-01T00:{n // 60:02}:{n % 60:02}Z"}
        for n in range(30)
    ]
    run = trigger(table(*rows, at=TIME), schedule={"time_field": "at"})
    assert run.summary["total"]["sent"] == len(sandbox.workspace.schedules) == 30


def test_a_paused_campaign_rejects_its_recipients_until_it_runs(
    trigger: RunTarget, sandbox: Sandbox, tmp_path: Path
) -> None:
    campaign = sandbox.workspace.campaigns[CAMPAIGN]
    campaign.enabled = False
    assert trigger(orders(1)).summary["total"]["rejected"] == 1
    assert "The campaign is paused" in letters(tmp_path)[0]["dead_letter"]["reason"]
    campaign.enabled = True
    trigger((tmp_path / "dead.singer").read_bytes().rstrip(b"\n"))
    assert received(sandbox) == {"c-1": 1}


def test_an_unknown_campaign_is_refused_at_once(trigger: RunTarget, sandbox: Sandbox) -> None:
    run = trigger(orders(*range(8)), campaign={"id": "unknown"})
    assert run.summary["total"]["rejected"] == 8
    assert len(sandbox.requests) == 1


def test_a_rate_limit_delays_and_repeats_nothing(trigger: RunTarget, sandbox: Sandbox) -> None:
    sandbox.fault(path="/campaigns/*", do="status", status=429, times=2, reset_in=0.01)
    trigger(orders(1, 2))
    assert received(sandbox) == {"c-1": 1, "c-2": 1}


# What has to be set.


@pytest.mark.parametrize(
    ("entry", "settings", "says"),
    [
        (
            {"max_recipients": None},
            {},
            "set the maximum number of recipients in a run - at streams.orders.max_recipients",
        ),
        ({}, {"ledger_path": None}, "setting 'streams.orders': campaign_triggers send messages, and without a ledger"),
        ({}, {"ledger_synchronous": "normal"}, "can receive them again after a power failure"),
        (
            {"send_to_existing_only": False, "attributes": ["total"]},
            {"update_existing_only": True},
            "setting 'update_existing_only' rules out new users",
        ),
        ({"campaign": {}}, {}, "campaign"),
        ({"campaign": {"id_field": "none"}}, {}, "the column 'none'"),
        ({"send_to_existing_only": False}, {}, "Braze creates recipients only with 'attributes'"),
        ({"send_window": {"from": "9:00", "to": "20:00"}}, {}, "9:00"),
        ({"send_window": {"from": "09:00", "to": "09:00"}}, {}, "its start and end are the same time"),
        ({"send_window": {"from": "09:00", "to": "20:00", "time_zone": "Mars"}}, {}, "'Mars' is not an IANA time zone"),
        ({"schedule": {"time": "tomorrow"}}, {}, "expected a date-time"),
        ({"schedule": {"in_local_time": True}}, {}, "schedule"),
        (
            {
                "schedule": {"time": "2999-01-01", "at_optimal_time": True},
                "send_window": {"from": "09:00", "to": "20:00"},
            },
            {},
            "so remove 'send_window'",
        ),
        ({"common_properties": {"text": "x" * 50_000}}, {}, "Braze takes at most 50,000"),
        ({"user": [{"phone": "external_id"}]}, {}, "Braze takes only"),
        ({"canvas": {"id": CANVAS}}, {}, "'canvas' does not apply to campaign_triggers"),
    ],
)
def test_a_wrong_mapping_sends_nothing(
    trigger: RunTarget, sandbox: Sandbox, entry: dict[str, Any], settings: dict[str, Any], says: str
) -> None:
    run = trigger(orders(1), settings=settings, expect=1, **entry)
    assert says in run.stderr
    assert not sandbox.requests


def test_messages_need_a_key(trigger: RunTarget, sandbox: Sandbox, tmp_path: Path) -> None:
    run = trigger(Stream("orders", COLUMNS, [{"external_id": "c-1"}]), expect=1)
    assert "its SCHEMA has no key_properties" in run.stderr
    trigger(table({"order_id": " ", "external_id": "c-1"}))
    assert "column 'order_id' is blank" in letters(tmp_path)[0]["dead_letter"]["reason"]
    assert not sandbox.requests


def test_without_a_ledger_doubles_have_to_be_accepted(trigger: RunTarget, sandbox: Sandbox) -> None:
    for _ in range(2):
        trigger(orders(1), settings={"ledger_path": None}, allow_duplicate_messages=True)
    assert received(sandbox) == {"c-1": 2}


# The limit.


def test_the_limit_ends_the_run_after_what_is_allowed(trigger: RunTarget, sandbox: Sandbox) -> None:
    first = trigger(orders(1, 2), state(1), orders(3, 4, 5), state(2), max_recipients=3, expect=1)
    assert received(sandbox) == {"c-1": 1, "c-2": 1, "c-3": 1}
    assert first.states == [state(1)["value"]]
    assert "the stream has more recipients than max_recipients allows in a run, 3" in first.errors[-1]
    second = trigger(orders(3, 4, 5), state(2), max_recipients=3)
    assert received(sandbox) == {f"c-{n}": 1 for n in range(1, 6)}
    assert second.states == [state(2)["value"]]


def mails(*numbers: int) -> Stream:
    """Return orders that take turns in two campaigns, which a column names."""
    rows = [{"order_id": f"o-{n}", "external_id": f"c-{n % 8}", "mail": (CAMPAIGN, OTHER)[n % 2]} for n in numbers]
    return table(*rows, mail=TEXT)


def test_repetitions_do_not_count(trigger: RunTarget, sandbox: Sandbox) -> None:
    trigger(mails(0, 1, 2, 3, 0, 1), campaign={"id_field": "mail"}, max_recipients=4)
    assert (received(sandbox) + received(sandbox, OTHER)).total() == 4


@pytest.mark.parametrize(
    ("most", "sent", "says"),
    [
        (3, 3, "the stream has more recipients than max_recipients allows in a run, 3"),
        ({"run": 9, "campaign": 2}, 4, f"campaign_id {CAMPAIGN} has more recipients than max_recipients allows"),
        ({"run": 5, "campaign": 9}, 5, "the stream has more recipients than max_recipients allows in a run, 5"),
    ],
)
def test_a_limit_of_the_run_and_one_of_each_campaign(
    trigger: RunTarget, sandbox: Sandbox, most: object, sent: int, says: str
) -> None:
    run = trigger(mails(*range(8)), campaign={"id_field": "mail"}, max_recipients=most, expect=1)
    assert (received(sandbox) + received(sandbox, OTHER)).total() == sent
    assert says in run.errors[-1]


def test_a_caller_that_goes_on_after_the_limit_gets_no_checkpoint(sandbox: Sandbox, tmp_path: Path) -> None:
    entry = {"to": "campaign_triggers", "campaign": {"id": CAMPAIGN}, "max_recipients": 1}
    config = {
        "api_key": sandbox.api_key,
        "endpoint": sandbox.url,
        "ledger_path": str(tmp_path / "ledger.sqlite"),
        "streams": {"orders": entry},
    }
    settled: list[object] = []
    with Loader(config) as loader:
        stream = loader.open("orders", {"properties": COLUMNS}, ["order_id"])
        stream.write([{"order_id": "o-1", "external_id": "c-1"}])
        for record in orders(2, 3).records:
            with pytest.raises(MappingError, match="max_recipients"):
                stream.write([record])
        with pytest.raises(MappingError, match="max_recipients"):
            loader.checkpoint(3, settled.append)
    assert (received(sandbox), settled) == ({"c-1": 1}, [])


def test_streams_count_together_for_a_campaign(run_target: RunTarget, sandbox: Sandbox, tmp_path: Path) -> None:
    entry = {"to": "campaign_triggers", "campaign": {"id": CAMPAIGN}, "max_recipients": {"run": 9, "campaign": 3}}
    again = Stream(
        "returns", COLUMNS, [{"order_id": f"r-{n}", "external_id": f"c-{n}"} for n in range(3)], ["order_id"]
    )
    ledger = str(tmp_path / "ledger.sqlite")
    run_target(orders(1, 2), again, expect=1, ledger_path=ledger, streams={"orders": entry, "returns": entry})
    assert received(sandbox).total() == 3


def test_what_waits_for_the_end_of_the_input_stays_out_of_a_run_that_ends_early(
    run_target: RunTarget, sandbox: Sandbox, tmp_path: Path
) -> None:
    gone = Stream("gone", {"external_id": TEXT}, [{"external_id": "c-7"}], ["external_id"])
    people = Stream("people", {"external_id": TEXT, "n": INTEGER}, [{"external_id": "c-6", "n": 1}], ["external_id"])
    run = run_target(
        gone,
        people,
        orders(1, 2),
        expect=1,
        ledger_path=str(tmp_path / "ledger.sqlite"),
        streams={
            "gone": {"to": "deletions", "allow_deletions": True, "max_deletions": 5},
            "people": {"to": "attributes"},
            "orders": {"to": "campaign_triggers", "campaign": {"id": CAMPAIGN}, "max_recipients": 1},
        },
    )
    assert received(sandbox) == {"c-1": 1}
    kept, changed = sandbox.profile("c-7"), sandbox.profile("c-6")
    assert kept is not None
    assert changed is not None
    assert changed.custom_attributes == {"n": 1}
    assert run.states == []


# Times.

NOON = datetime(2026, 3, 4, 12, tzinfo=timezone.utc)
HOURS = {"from": "09:00", "to": "20:00", "time_zone": "Europe/Berlin"}


@pytest.mark.parametrize("clock", [NOON, NOON.replace(hour=2)])
def test_messages_leave_in_their_window_only(
    trigger: RunTarget, sandbox: Sandbox, monkeypatch: pytest.MonkeyPatch, clock: datetime
) -> None:
    monkeypatch.setattr(endpoints, "now", lambda: clock)
    is_open = clock == NOON
    run = trigger(orders(1), state(1), send_window=HOURS, expect=0 if is_open else 1)
    assert received(sandbox) == ({"c-1": 1} if is_open else {})
    assert run.states == ([state(1)["value"]] if is_open else [])
    if not is_open:
        assert "send_window allows messages only from 09:00 to 20:00 (Europe/Berlin)" in run.errors[-1]


def test_a_request_that_waits_past_the_window_does_not_leave(
    trigger: RunTarget, sandbox: Sandbox, monkeypatch: pytest.MonkeyPatch
) -> None:
    clock = [NOON]
    monkeypatch.setattr(endpoints, "now", lambda: clock[0])
    sandbox.fault(path="/campaigns/*", do="status", status=429, times=1, reset_in=0.01)
    sandbox.after_request("/campaigns/*", lambda _: clock.__setitem__(0, NOON.replace(hour=23)))
    run = trigger(orders(1), state(1), send_window=HOURS, expect=1)
    assert (received(sandbox), run.states) == ({}, [])
    clock[0] = NOON
    sandbox.instance.hooks.clear()
    trigger(orders(1), state(1), send_window=HOURS)
    assert received(sandbox) == {"c-1": 1}


@given(start=st.times(), end=st.times(), clock=st.times())
def test_a_window_is_a_part_of_the_day(start: time, end: time, clock: time) -> None:
    if start == end:
        return
    zone = ZoneInfo("America/New_York")
    window, reverse = SendWindow(start, end, zone), SendWindow(end, start, zone)
    local = datetime.combine(NOON.date(), clock)
    # Each moment is in the window or in the rest of the day, also as seen from elsewhere.
    assert window.includes(local) is not reverse.includes(local)
    assert window.includes(local.replace(tzinfo=zone).astimezone(timezone.utc)) is window.includes(local)


def test_messages_are_scheduled_by_a_column(trigger: RunTarget, sandbox: Sandbox) -> None:
    rows = [
        {"order_id": f"o-{n}", "external_id": f"c-{n}", "at": f"2999-01-0{1 + n % 2}T09:00:00+01:00"} for n in range(4)
    ]
    trigger(table(*rows, at=TIME), schedule={"time_field": "at"}, properties=[])
    assert {one.path for one in sandbox.requests} == {"/campaigns/trigger/schedule/create"}
    assert sorted((one.body["schedule"]["time"], len(one.body["recipients"])) for one in sandbox.requests) == [
        ("2999-01-01T09:00:00+01:00", 2),
        ("2999-01-02T09:00:00+01:00", 2),
    ]
    assert len(sandbox.workspace.schedules) == 2
    # The same keys at another time are the same messages.
    later = table(*({**row, "at": "2999-05-05T00:00:00Z"} for row in rows), at=TIME)
    again = trigger(later, schedule={"time_field": "at"})
    assert again.summary["total"]["unchanged"] == 4
    assert len(sandbox.workspace.schedules) == 2


def test_a_local_time_has_no_zone(trigger: RunTarget, sandbox: Sandbox) -> None:
    trigger(
        orders(1),
        schedule={"time": "2999-01-01T09:00:00Z", "in_local_time": True},
        to="canvas_triggers",
        canvas={"id": CANVAS},
    )
    (request,) = sandbox.requests
    assert (request.path, request.body["schedule"]) == (
        "/canvas/trigger/schedule/create",
        {"time": "2999-01-01T09:00:00", "in_local_time": True},
    )


@pytest.mark.parametrize(
    ("at", "says"), [("2020-01-01T12:00:00Z", "which has passed"), ("2999-01-01T03:00:00Z", "outside its send_window")]
)
def test_a_time_that_cannot_be_kept_rejects_the_record(
    trigger: RunTarget, sandbox: Sandbox, tmp_path: Path, at: str, says: str
) -> None:
    rows = [{"order_id": "o-1", "external_id": "c-1", "at": at}]
    trigger(table(*rows, at=TIME), schedule={"time_field": "at"}, send_window=HOURS)
    assert says in letters(tmp_path)[0]["dead_letter"]["reason"]
    assert not sandbox.requests
    # It is free to come with another time.
    trigger(table({**rows[0], "at": "2999-01-01T12:00:00Z"}, at=TIME), schedule={"time_field": "at"}, send_window=HOURS)
    assert len(sandbox.workspace.schedules) == 1


@given(st.datetimes(min_value=datetime(2000, 1, 1), max_value=datetime(2999, 1, 1)))  # noqa: DTZ001 - a clock time
def test_no_zone_is_outside_the_first_and_last_moment(clock: datetime) -> None:
    local, optimal = Schedule(clock, in_local_time=True), Schedule(clock, at_optimal_time=True)
    for zone in ("Pacific/Kiritimati", "Europe/Berlin", "America/Los_Angeles", "Pacific/Pago_Pago"):
        moment = clock.replace(tzinfo=ZoneInfo(zone))
        # In some years, a zone was an hour or a day off.
        if abs(moment.utcoffset() or timedelta()) <= timedelta(hours=12):
            assert local.first <= moment <= local.last
    assert optimal.first <= local.first <= local.last <= optimal.last


def test_a_local_time_is_good_until_it_has_passed_everywhere(
    trigger: RunTarget, sandbox: Sandbox, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(endpoints, "now", lambda: NOON)
    rows = [{"order_id": f"o-{day}", "external_id": "c-1", "at": f"2026-03-{day:02}T18:00:00"} for day in (3, 4, 5)]
    schedule = {"time_field": "at", "in_local_time": True}
    sandbox.fault(path="/campaigns/*", do="status", status=201, body={"message": "success", "schedule_id": "1"})
    trigger(table(*rows, at=TIME), schedule=schedule)
    assert ["which has passed" in one["dead_letter"]["reason"] for one in letters(tmp_path)] == [True]
    assert [one["record"]["order_id"] for one in letters(tmp_path)] == ["o-3"]


# Before and after a run.


def test_a_dry_run_counts_recipients_and_says_where_a_run_would_end(trigger: RunTarget, sandbox: Sandbox) -> None:
    run = trigger(orders(*range(6)), settings={"dry_run": True}, max_recipients=4)
    assert run.summary["total"]["sent"] == 6
    assert "6 recipients" in run.stderr
    assert any("has more recipients than max_recipients allows in a run, 4" in one for one in run.warnings)
    assert (received(sandbox), sandbox.requests) == ({}, [])


def test_explain_shows_the_request_and_where_its_fields_come_from(sandbox: Sandbox, tmp_path: Path) -> None:
    entry = {
        "to": "campaign_triggers",
        "campaign": {"id": CAMPAIGN},
        "max_recipients": 9,
        "attributes": ["plan"],
        "properties": ["total"],
    }
    config = tmp_path / "explain.json"
    config.write_text(json.dumps({"streams": {"orders": entry}, "ledger_path": str(tmp_path / "ledger.sqlite")}))
    row = {"order_id": "o-1", "external_id": "c-1", "total": 3, "plan": "plus"}
    run = run_cli(["explain", "--config", str(config)], lines(table(row, plan=TEXT)))
    assert "recipients, to POST /campaigns/trigger/send" in run.stdout
    shown = [" ".join(line.split()) for line in run.stdout.splitlines()]
    assert "external_user_id column 'external_id', by its name" in shown
    assert "trigger_properties.total column 'total', by streams.orders.properties[0]" in shown
    assert "attributes.plan column 'plan', by streams.orders.attributes[0]" in shown
    assert not sandbox.requests


def test_the_delivery_log_has_a_row_per_recipient(trigger: RunTarget, sandbox: Sandbox, tmp_path: Path) -> None:
    log = tmp_path / "log.singer"
    settings = {"delivery_log_path": str(log)}
    trigger(orders(1), settings=settings)
    sandbox.fault(path="/campaigns/*", do="drop_after", times=1)
    trigger(orders(1, 2), settings=settings, attributes=["total"])
    rows = [one["record"] for one in map(json.loads, log.read_text().splitlines()) if one["type"] == "RECORD"]
    assert [(row["key"], row["kind"], row["outcome"]) for row in rows] == [
        ('{"order_id":"o-1"}', "campaign_triggers", "sent"),
        ('{"order_id":"o-1"}', "campaign_triggers", "unchanged"),
        ('{"order_id":"o-2"}', "campaign_triggers", "in_doubt"),
    ]
    assert [row["identifier"] for row in rows if row["outcome"] != "unchanged"] == ["c-1", "c-2"]


def test_attributes_of_a_recipient_cost_data_points(trigger: RunTarget) -> None:
    row = {"order_id": "o-1", "external_id": "c-1", "total": 3, "plan": "plus"}
    total = trigger(table(row, plan=TEXT), attributes=["plan", "total"]).summary["total"]
    assert (total["objects"], total["data_points"]) == (1, 2)


@pytest.mark.parametrize("others", [True, False])
def test_a_message_undoes_no_opt_out(trigger: RunTarget, sandbox: Sandbox, *, others: bool) -> None:
    profile = sandbox.profile("c-1")
    assert profile is not None
    profile.attributes["email_subscribe"] = "unsubscribed"
    profile.attributes["email_unsubscribed_at"] = "2026-03-04T09:00:00Z"
    row = {"order_id": "o-1", "external_id": "c-1", "email_subscribe": "opted_in"} | (
        {"plan": "plus"} if others else {}
    )
    trigger(
        table(row, email_subscribe=TEXT, plan=TEXT),
        attributes=["email_subscribe", "plan"],
        properties=[],
        send_to_existing_only=False,
    )
    (request,) = (one for one in sandbox.requests if one.path == "/campaigns/trigger/send")
    assert request.body["recipients"] == [
        {"external_user_id": "c-1"}
        | ({"send_to_existing_only": False, "attributes": {"plan": "plus"}} if others else {})
    ]
    assert profile.attributes["email_subscribe"] == "unsubscribed"
    assert received(sandbox) == {}
