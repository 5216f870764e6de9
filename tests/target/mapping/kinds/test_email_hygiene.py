"""Addresses and numbers on Braze's lists of unusable ones."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from tests.target.support.singer import TEXT, Stream

if TYPE_CHECKING:
    from collections.abc import Callable

    from braze_sandbox.testing import Sandbox

    from tests.target.support.singer import Run

    RunTarget = Callable[..., Run]

ADDRESSES = ["a@example.com", "b@example.com", "a@example.com"]
NUMBERS = ["+12025550123", "+1 (202) 555-0124"]


def table(column: str, values: list[Any]) -> Stream:
    return Stream("hygiene", {column: TEXT}, [{column: value} for value in values])


@pytest.mark.parametrize(
    ("operation", "path"),
    [
        ("blocklist", "/email/blocklist"),
        ("remove_bounces", "/email/bounce/remove"),
        ("remove_spam", "/email/spam/remove"),
    ],
)
def test_each_address_goes_to_the_endpoint_of_the_operation_once(
    run_target: RunTarget, sandbox: Sandbox, operation: str, path: str
) -> None:
    run_target(table("email", ADDRESSES), streams={"hygiene": {"to": "email_hygiene", "operation": operation}})
    assert [(one.path, one.body) for one in sandbox.requests] == [(path, {"email": ADDRESSES[:2]})]
    assert not sandbox.violations


def test_numbers_go_in_e164(run_target: RunTarget, sandbox: Sandbox) -> None:
    entry = {"to": "email_hygiene", "operation": "remove_invalid_phones"}
    run = run_target(table("phone", NUMBERS), streams={"hygiene": entry})
    found = [(one.path, one.body) for one in sandbox.requests]
    assert found == [("/sms/invalid_phone_numbers/remove", {"phone_numbers": ["+12025550123", "+12025550124"]})]
    assert run.summary["total"]["data_points"] == 0


def test_without_an_operation_nobody_is_unblocked(run_target: RunTarget, sandbox: Sandbox) -> None:
    run = run_target(table("email", ADDRESSES), streams={"hygiene": {"to": "email_hygiene"}}, expect=1)
    assert "set operation to blocklist or remove_bounces" in run.errors[0]
    assert not sandbox.requests


def test_a_number_has_no_place_on_a_list_of_addresses(run_target: RunTarget) -> None:
    entry = {"to": "email_hygiene", "operation": "remove_spam", "user": [{"phone": "phone"}]}
    run = run_target(table("phone", NUMBERS), streams={"hygiene": entry}, expect=1)
    assert "for email_hygiene Braze takes only email - at streams.hygiene.user[0]" in run.errors[0]


def test_a_deleted_row_neither_blocks_nor_unblocks(run_target: RunTarget, sandbox: Sandbox) -> None:
    record = {"email": "a@example.com", "_sdc_deleted_at": "2026-03-04T09:10:11Z"}
    stream = Stream("hygiene", {"email": TEXT, "_sdc_deleted_at": TEXT}, [record])
    run_target(stream, streams={"hygiene": {"to": "email_hygiene", "operation": "blocklist"}})
    assert not sandbox.requests


def test_a_request_without_an_answer_is_sent_again_even_on_hold(run_target: RunTarget, sandbox: Sandbox) -> None:
    sandbox.fault(do="garbage", status=201, path="/email/blocklist", body={}, times=1)
    entry = {"to": "email_hygiene", "operation": "blocklist"}
    run = run_target(table("email", ADDRESSES[:1]), streams={"hygiene": entry}, on_unknown_outcome="hold")
    assert len(sandbox.requests) == 2
    assert run.summary["total"]["sent"] == 1
    assert "a@example.com" in {entry.address for entry in sandbox.workspace.hard_bounces}
