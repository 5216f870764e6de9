"""The plan of identifiers: an invalid one falls through to the next, and what each caught is counted."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
from target_braze.mapping.identifiers import PLACEHOLDERS

from tests.target.support.singer import ANY_OBJECT, BOOLEAN, INTEGER, TEXT, Stream, sent

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from braze_sandbox.testing import Sandbox

    from tests.target.support.singer import Run

PLAN = [
    {"external_id": "id"},
    {"user_alias": {"name": "cookie", "label": "web"}},
    {"email": "mail"},
    {"phone": "mobile"},
]
COLUMNS: dict[str, Any] = {"id": {}, "cookie": {}, "mail": TEXT, "mobile": TEXT, "plan": TEXT}


def people(*records: dict[str, Any]) -> Stream:
    return Stream("people", COLUMNS, [{"plan": "gold", **record} for record in records])


@pytest.mark.parametrize("nobody", [*PLACEHOLDERS, "NULL", " Undefined ", 0, "", "x" * 988], ids=repr)
def test_what_names_nobody_falls_through_to_the_next(
    nobody: object, run_target: Callable[..., Run], sandbox: Sandbox
) -> None:
    run_target(people({"id": nobody, "cookie": "w-1"}), streams={"people": {"user": PLAN}})
    (item,) = sent(sandbox)
    assert item["user_alias"] == {"alias_label": "web", "alias_name": "w-1"}
    assert item.keys() == {"user_alias", "_update_existing_only", "plan"}


def test_each_identifier_rule_has_its_form_and_the_summary_says_what_it_caught(
    run_target: Callable[..., Run], sandbox: Sandbox, tmp_path: Path
) -> None:
    run = run_target(
        people(
            {"id": "c-1"},
            {"id": "null", "cookie": "w-1"},
            {"id": "0", "cookie": "y" * 237, "mail": "b@example.com"},
            {"id": None, "cookie": "undefined", "mail": "nobody", "mobile": "+49 (30) 123-4567"},
            {"id": "x" * 988, "cookie": True, "mail": "none", "mobile": "030 1234567"},
        ),
        streams={"people": {"user": PLAN}},
        on_error="dead_letter",
        dead_letter_path=str(tmp_path / "dead"),
    )
    assert sent(sandbox) == [
        {"external_id": "c-1", "plan": "gold"},
        {
            "user_alias": {"alias_label": "web", "alias_name": "w-1"},
            "_update_existing_only": False,
            "plan": "gold",
        },
        {"email": "b@example.com", "plan": "gold"},
        {"phone": "+49301234567", "plan": "gold"},
    ]
    letter = (tmp_path / "dead").read_text()
    assert (
        "it identifies no user: column 'id': 988 bytes long, Braze takes at most 987; column 'cookie': expected "
        "text or a whole number, got True; column 'mail': expected an email address, got 'none'; column 'mobile':"
        " expected a phone number in the form +12025550123, got '030 1234567'" in letter
    )
    for text in (
        "external_id of column 'id' named the user of 1 records, 2 placeholder, 1 blank, 1 too long",
        "user_alias of column 'cookie' named the user of 1 records, 1 too long, 1 placeholder, 1 no text",
        "email of column 'mail' named the user of 1 records, 2 not an email address",
        "phone of column 'mobile' named the user of 1 records, 1 not E.164",
    ):
        assert f"stream 'people': {text}" in run.stderr
    assert not sandbox.violations


def test_which_ids_are_placeholders_is_a_setting(run_target: Callable[..., Run], sandbox: Sandbox) -> None:
    record = {"id": 0, "mail": "a@example.com"}
    run_target(people(record), streams={"people": {"user": PLAN}}, placeholder_ids=["none"])
    assert sent(sandbox)[0]["external_id"] == "0"


@pytest.mark.parametrize("kind", [BOOLEAN, ANY_OBJECT, {"type": "array"}])
def test_a_column_that_can_hold_no_identifier_stops_before_the_first_record(
    kind: Any, run_target: Callable[..., Run]
) -> None:
    stream = Stream("people", {"id": kind, "n": INTEGER}, [{"id": None}])
    run = run_target(stream, streams={"people": {"user": [{"external_id": "id"}]}}, expect=1)
    assert "column 'id' cannot be a part of external_id: it holds" in run.errors[0]


def test_the_place_of_an_unknown_column_is_named(run_target: Callable[..., Run]) -> None:
    user = [{"external_id": "id"}, {"email": "post"}]
    run = run_target(people({"id": "c-1"}), streams={"people": {"user": user}}, expect=1)
    assert run.errors[0].endswith("- at streams.people.user[1].email")
