"""Whom a record is about: exactly one identifier, the first that the record fills."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from tests.target.support.singer import INTEGER, NUMBER, TEXT, TIME, Stream, customers, reasons, sent, the

if TYPE_CHECKING:
    from collections.abc import Callable

    from braze_sandbox.testing import Sandbox

    from tests.target.support.singer import Run

ALL = dict.fromkeys(("external_id", "braze_id", "alias_name", "alias_label", "email", "phone"), TEXT)
FILLED = {
    "external_id": "c-1",
    "braze_id": "b-1",
    "alias_name": "a-1",
    "alias_label": "web",
    "email": "a@example.com",
    "phone": "+12025550123",
}
IDENTIFIERS = {"external_id", "braze_id", "user_alias", "email", "phone"}


@pytest.mark.parametrize(
    ("blank", "identifier"),
    [
        ((), {"external_id": "c-1"}),
        (("external_id",), {"braze_id": "b-1"}),
        (("external_id", "braze_id"), {"user_alias": {"alias_label": "web", "alias_name": "a-1"}}),
        (("external_id", "braze_id", "alias_name"), {"email": "a@example.com"}),
        (("external_id", "braze_id", "alias_label"), {"email": "a@example.com"}),
        (("external_id", "braze_id", "alias_name", "email"), {"phone": "+12025550123"}),
    ],
)
@pytest.mark.parametrize("nothing", [None, "", "  "])
def test_without_a_mapping_the_columns_named_like_brazes_identifiers_are_tried_in_order(
    blank: tuple[str, ...],
    identifier: dict[str, Any],
    nothing: str | None,
    run_target: Callable[..., Run],
    sandbox: Sandbox,
) -> None:
    record: dict[str, Any] = FILLED | dict.fromkeys(blank, nothing) | {"time": "2026-03-04T00:00:00Z"}
    run_target(Stream("events", {**ALL, "name": TEXT, "time": TIME}, [{**record, "name": "x"}]))
    (event,) = sent(sandbox, "events")
    assert {key: value for key, value in event.items() if key in IDENTIFIERS} == identifier


def test_an_address_that_does_not_identify_the_user_is_still_the_users_address(
    run_target: Callable[..., Run], sandbox: Sandbox
) -> None:
    mapping = {"people": {"user": [{"external_id": "id"}, {"email": "mail"}, {"phone": "mobile"}]}}
    columns = {"id": TEXT, "mail": TEXT, "mobile": TEXT, "plan": TEXT}
    records: list[dict[str, Any]] = [
        {"id": "c-1", "mail": "a@example.com", "mobile": "+12025550123", "plan": "gold"},
        {"id": None, "mail": "b@example.com", "mobile": "+12025550124", "plan": "blue"},
        {"id": None, "mail": None, "mobile": "+12025550125", "plan": "red"},
    ]
    run_target(Stream("people", columns, records), streams=mapping)
    assert the(sandbox.profile("c-1")).attributes == {"email": "a@example.com", "phone": "+12025550123"}
    assert the(sandbox.profile_by(email="b@example.com")).attributes["phone"] == "+12025550124"
    assert the(sandbox.profile_by(phone="+12025550125")).custom_attributes == {"plan": "red"}
    assert not sandbox.violations


def test_phone_before_email_is_refused_because_braze_would_go_by_the_address(
    run_target: Callable[..., Run], sandbox: Sandbox
) -> None:
    stream = Stream("people", {"mail": TEXT, "mobile": TEXT}, [{"mail": "a@example.com", "mobile": "+12025550123"}])
    by_phone = {"user": [{"phone": "mobile"}, {"email": "mail"}]}
    run = run_target(stream, streams={"people": by_phone}, expect=1)
    assert "'user' tries 'mobile' (phone) before 'mail' (email)" in run.errors[0]
    run_target(stream, streams={"people": by_phone | {"fields": ["mobile"]}})
    assert sent(sandbox) == [{"phone": "+12025550123"}]


def test_an_alias_has_its_label_from_the_mapping_or_a_column_and_makes_a_profile(
    run_target: Callable[..., Run], sandbox: Sandbox
) -> None:
    columns = {"id": TEXT, "shop": TEXT, "plan": TEXT}
    for number, alias in enumerate(({"name": "id", "label": "web"}, {"name": "id", "label_field": "shop"})):
        stream = Stream(f"s{number}", columns, [{"id": f"a-{number}", "shop": "store", "plan": "gold"}])
        run_target(stream, streams={stream.name: {"user": [{"user_alias": alias}]}})
    assert the(sandbox.profile_by(alias=("web", "a-0"))).custom_attributes == {"plan": "gold", "shop": "store"}
    assert the(sandbox.profile_by(alias=("store", "a-1"))).custom_attributes == {"plan": "gold"}
    assert not sandbox.violations


def test_update_existing_only_makes_no_profile(run_target: Callable[..., Run], sandbox: Sandbox) -> None:
    run_target(customers({"external_id": "old", "plan": "blue"}, plan=TEXT))
    known_and_new = [{"external_id": id_, "plan": "gold"} for id_ in ("old", "new")]
    run_target(customers(*known_and_new, plan=TEXT), update_existing_only=True)
    run_target(
        Stream("s", {"alias_name": TEXT, "alias_label": TEXT}, [{"alias_name": "a", "alias_label": "web"}]),
        update_existing_only=True,
    )
    assert the(sandbox.profile("old")).custom_attributes == {"plan": "gold"}
    assert len(sandbox.profiles()) == 1


@pytest.mark.parametrize(
    ("schema", "value", "id_"),
    [
        (INTEGER, 17, "17"),
        (NUMBER, 17.0, "17"),
        (TEXT, " c-1\t", "c-1"),
        (TEXT, "é" * 493, "é" * 493),
        (TEXT, "🎉", "🎉"),
    ],
)
def test_ids_are_sent_as_text(
    schema: dict[str, Any], value: object, id_: str, run_target: Callable[..., Run], sandbox: Sandbox
) -> None:
    run_target(Stream("s", {"external_id": schema}, [{"external_id": value}]))
    assert sandbox.profile(id_)
    assert not sandbox.violations


@pytest.mark.parametrize(
    ("column", "value", "reason"),
    [
        ("external_id", "é" * 494, "988 bytes long, Braze takes at most 987"),
        ("external_id", 17.5, "expected text or a whole number, got 17.5"),
        ("external_id", True, "expected text or a whole number, got True"),
        ("external_id", {"a": 1}, "expected text or a whole number, got {'a': 1}"),
        ("alias_name", "é" * 119, "238 bytes long, Braze takes at most 236"),
        ("alias_label", "x" * 237, "237 bytes long, Braze takes at most 236"),
        ("email", "nobody", "expected an email address, got 'nobody'"),
        ("phone", "call me", "expected a phone number"),
    ],
)
def test_an_identifier_that_braze_would_not_take_is_reported(
    column: str, value: object, reason: str, run_target: Callable[..., Run], sandbox: Sandbox
) -> None:
    record = {"alias_name": "a", "alias_label": "web"} if "alias" in column else {}
    columns: dict[str, Any] = {name: {} for name in {*record, column}}
    run = run_target(Stream("s", columns, [{**record, column: value}]), expect=1)
    assert f"column '{column}'" in run.errors[0]
    assert reason in run.errors[0]
    assert not sandbox.requests


def test_a_record_that_names_nobody_is_reported_with_the_columns_that_were_tried(
    run_target: Callable[..., Run],
) -> None:
    run = run_target(Stream("s", {"email": TEXT, "phone": TEXT}, [{"email": "", "phone": None}]), expect=1)
    assert "stream 's', record 1: it identifies no user: these columns are blank: email, phone." in run.errors[0]


@pytest.mark.parametrize(
    ("user", "text"),
    [
        (None, "no column identifies the user. Name one in the setting streams.s.user"),
        ([{"external_id": "id"}], "'user' names the column 'id', but the stream has only: a, b"),
        ([{"user_alias": {"name": "a", "label_field": "c"}}], "'user' names the column 'c'"),
    ],
)
def test_a_mapping_that_names_no_user_stops_before_the_first_record(
    user: Any, text: str, run_target: Callable[..., Run], sandbox: Sandbox
) -> None:
    streams = {"s": {"user": user}} if user else {}
    run = run_target(Stream("s", {"a": TEXT, "b": TEXT}, [{"a": "1", "b": "2"}]), streams=streams, expect=1)
    assert text in run.errors[0]
    assert not sandbox.requests


def test_events_of_an_alias_need_its_profile_and_find_one_that_attributes_made(
    run_target: Callable[..., Run], sandbox: Sandbox
) -> None:
    alias = {"alias_name": "a", "alias_label": "web"}
    columns = {"alias_name": TEXT, "alias_label": TEXT}
    event = {**alias, "name": "x", "time": "2026-03-04T00:00:00Z"}
    run_target(
        Stream("events", {**columns, "name": TEXT, "time": TIME}, [event]),
        Stream("attributes", columns, [alias]),
    )
    assert len(the(sandbox.profile_by(alias=("web", "a"))).events) == 1
    assert not reasons(sandbox)
