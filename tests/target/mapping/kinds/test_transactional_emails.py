"""Transactional emails: one request each, which Braze recognizes if it is repeated."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from tests.target.support.messages import TRANSACTIONAL, letters, orders, received, table
from tests.target.support.singer import TEXT

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from braze_sandbox.testing import Sandbox

    from tests.target.support.singer import Run

    RunTarget = Callable[..., Run]

pytestmark = pytest.mark.usefixtures("messages")

PATH = f"/transactional/v1/campaigns/{TRANSACTIONAL}/send"


@pytest.fixture
def send(trigger: RunTarget) -> RunTarget:
    """Run the target on a stream of orders that become transactional emails."""

    def run(*messages: Any, **entry: Any) -> Run:
        return trigger(*messages, **({"to": "transactional_emails", "campaign": {"id": TRANSACTIONAL}} | entry))

    return run


def test_each_email_is_a_request(send: RunTarget, sandbox: Sandbox) -> None:
    run = send(orders(1, 2), common_properties={"shop": "Berlin", "total": 0}, attributes=["total"])
    assert [one.path for one in sandbox.requests] == [PATH, PATH]
    first = sandbox.requests[0].body
    assert len(first.pop("external_send_id")) == 32
    assert first == {
        "trigger_properties": {"shop": "Berlin", "total": 0, "order_id": "o-1"},
        "recipient": {"external_user_id": "c-1", "attributes": {"total": 1}},
    }
    assert received(sandbox, TRANSACTIONAL) == {"c-1": 1, "c-2": 1}
    assert (run.summary["total"]["sent"], run.summary["total"]["data_points"]) == (2, 2)
    assert send(orders(1, 2)).summary["total"]["unchanged"] == 2


@pytest.mark.parametrize("times", [1, 2])
@pytest.mark.parametrize("fault", [{"do": "drop_after"}, {"do": "status", "status": 500}, {"do": "garbage"}])
def test_a_lost_answer_is_repeated_and_the_email_is_not(
    send: RunTarget, sandbox: Sandbox, fault: dict[str, Any], times: int
) -> None:
    sandbox.fault(path="/transactional/*", times=times, **fault)
    run = send(orders(1))
    assert run.summary["total"]["sent"] == 1
    assert received(sandbox, TRANSACTIONAL) == {"c-1": 1}
    assert len({one.body["external_send_id"] for one in sandbox.requests}) == 1


def test_if_no_attempt_gets_an_answer_the_recipient_is_in_doubt(send: RunTarget, sandbox: Sandbox) -> None:
    sandbox.fault(path="/transactional/*", do="drop_after")
    assert send(orders(1)).summary["total"]["in_doubt"] == 1
    sandbox.clear_faults()
    assert send(orders(1)).summary["total"]["in_doubt"] == 1
    assert received(sandbox, TRANSACTIONAL) == {"c-1": 1}


def test_a_refusal_after_a_lost_answer_leaves_doubt(send: RunTarget, sandbox: Sandbox) -> None:
    sandbox.fault(path="/transactional/*", do="drop_after", times=1)
    paused = {"message": "The campaign is paused."}
    sandbox.fault(path="/transactional/*", do="status", status=400, body=paused, times=1)
    assert send(orders(1)).summary["total"]["in_doubt"] == 1
    assert send(orders(1)).summary["total"]["in_doubt"] == 1


def test_an_id_that_somebody_else_has_used_is_in_doubt(send: RunTarget, sandbox: Sandbox, tmp_path: Path) -> None:
    rows = [{"order_id": f"o-{n}", "external_id": f"c-{n}", "reference": "A=1"} for n in (1, 2)]
    given = {"external_send_id_field": "reference", "properties": []}
    run = send(table(*rows, reference=TEXT), **given)
    assert [one.body["external_send_id"] for one in sandbox.requests] == ["A=1", "A=1"]
    assert (run.summary["total"]["sent"], run.summary["total"]["in_doubt"]) == (1, 1)
    assert "external reference has been queued" in letters(tmp_path)[0]["dead_letter"]["reason"]
    again = send(table(*rows, reference=TEXT), **given)
    assert (again.summary["total"]["unchanged"], again.summary["total"]["in_doubt"]) == (1, 1)
    assert received(sandbox, TRANSACTIONAL).total() == 1


def test_an_aborted_email_is_rejected_with_its_reason(send: RunTarget, sandbox: Sandbox, tmp_path: Path) -> None:
    profile = sandbox.profile("c-1")
    assert profile is not None
    sandbox.instance.profiles.readdress(profile, "email", None)
    assert send(orders(1)).summary["total"]["rejected"] == 1
    assert "aborted: User not emailable" in letters(tmp_path)[0]["dead_letter"]["reason"]


@pytest.mark.parametrize(
    ("columns", "entry", "says"),
    [
        ({"reference": "ü"}, {"external_send_id_field": "reference"}, "only letters, digits and the characters"),
        ({"mail": "../x"}, {"campaign": {"id_field": "mail"}}, "has only letters, digits and hyphens"),
        ({"reference": None}, {"external_send_id_field": "reference"}, "column 'reference' is blank"),
    ],
)
def test_records_that_cannot_be_sent(
    send: RunTarget, tmp_path: Path, columns: dict[str, Any], entry: dict[str, Any], says: str
) -> None:
    row = {"order_id": "o-1", "external_id": "c-1", **columns}
    run = send(table(row, **dict.fromkeys(columns, TEXT)), **entry)
    assert says in letters(tmp_path)[0]["dead_letter"]["reason"]
    assert run.summary["total"]["requests"] == 0
