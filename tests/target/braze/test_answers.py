"""What an answer says about the changes of a request: recorded answers of Braze's, and answers that say nothing."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from target_braze.braze.changes import Change, Endpoint, Request
from target_braze.braze.client import Answer, RefusedError, UnavailableError
from target_braze.braze.endpoints import TRACK, TRACK_BULK
from target_braze.delivery.batch_limits import BatchLimits
from target_braze.delivery.sender import RequestSender
from target_braze.mapping.kinds import email_status, subscriptions
from target_braze.mapping.kinds.identities import aliases, deletions, external_ids, identifications, merges
from target_braze.records import Record

from tests.target.support.changes import new_change
from tests.target.support.singer import INTEGER, TEXT, Stream, customers, many, state

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from braze_sandbox.testing import Sandbox

    from tests.target.support.singer import Run

KINDS = ("attributes", "events", "purchases")
GROUP = "9f4e2a10-0000-4000-8000-000000000001"
OTHER_GROUP = "9f4e2a10-0000-4000-8000-000000000002"
FATAL = "Valid data must be provided in the 'attributes', 'events', or 'purchases' fields."
NO_EMAIL = "The value provided for the 'email' field is not a valid email."
# Some with the data of a person in them.
NOTHING_SAID = [
    {"error": "session expired for ann@example.com"},
    {},
    {"message": None},
    {"message": ["success"]},
    {"message": "please log in, ann@example.com"},
    {"status": "success"},
    {"message": FATAL, "errors": [{"type": "no", "input_array": "attributes", "index": 0}]},
]


@pytest.fixture
def dead(tmp_path: Path) -> dict[str, Any]:
    return {"on_error": "dead_letter", "dead_letter_path": str(tmp_path / "dead.singer")}


def letters(dead: dict[str, Any]) -> list[dict[str, Any]]:
    with open(dead["dead_letter_path"], "rb") as file:  # noqa: PTH123
        messages = [json.loads(line) for line in file]
    return [message for message in messages if message["type"] == "RECORD"]


def paths(sandbox: Sandbox, *, status: int | None = None) -> list[str]:
    return [one.path for one in sandbox.requests if status in (None, one.status)]


def change(endpoint: Endpoint, number: int, kind: str | None = None, **fields: Any) -> Change:
    record = Record("s", number, number, (), {"record": {}}, {})
    user = ("external_id", f"u{number}")
    return new_change(kind or endpoint.arrays[0], user, {"external_id": user[1], **fields}, [record], endpoint)


# Answers that say nothing.

EVENTS = {"external_id": TEXT, "name": TEXT, "time": TEXT}
STEPS: dict[str, tuple[dict[str, Any], Stream]] = {
    "/users/track": ({}, customers({"external_id": "c-1", "n": 1}, n=INTEGER)),
    "/users/alias/new": (
        {"s": {"to": "aliases"}},
        Stream("s", {"alias_name": TEXT, "alias_label": TEXT}, [{"alias_name": "a", "alias_label": "web"}]),
    ),
    "/users/identify": (
        {"s": {"to": "identifications"}},
        Stream("s", {"external_id": TEXT, "email": TEXT}, [{"external_id": "c-1", "email": "a@example.com"}]),
    ),
    "/users/merge": (
        {"s": {"to": "merges", "merge": [{"external_id": "a"}], "keep": [{"external_id": "b"}]}},
        Stream("s", {"a": TEXT, "b": TEXT}, [{"a": "c-1", "b": "c-2"}]),
    ),
    "/users/delete": (
        {"s": {"to": "deletions", "allow_deletions": True, "max_deletions": 9}},
        Stream("s", {"external_id": TEXT}, [{"external_id": "c-1"}]),
    ),
    "/users/external_ids/rename": (
        {"s": {"to": "external_ids"}},
        Stream(
            "s",
            {"current_external_id": TEXT, "new_external_id": TEXT},
            [{"current_external_id": "c-1", "new_external_id": "c-2"}],
        ),
    ),
    "/users/external_ids/remove": (
        {"s": {"to": "external_ids", "external_ids": {"remove": "gone"}}},
        Stream("s", {"gone": TEXT}, [{"gone": "c-1"}]),
    ),
    "/v2/subscription/status/set": (
        {"s": {"to": "subscriptions", "subscription": {"group": GROUP, "state": "subscribed"}}},
        Stream("s", {"external_id": TEXT}, [{"external_id": "c-1"}]),
    ),
    "/email/status": (
        {"s": {"to": "email_status", "subscription": {"state": "subscribed"}}},
        Stream("s", {"email": TEXT}, [{"email": "a@example.com"}]),
    ),
    "/catalogs": ({"s": {"to": "catalog_items"}}, Stream("s", {"id": TEXT, "n": INTEGER}, [{"id": "a", "n": 1}])),
    "/catalogs/s/items": (
        {"s": {"to": "catalog_items"}},
        Stream("s", {"id": TEXT, "n": INTEGER}, [{"id": "a", "n": 1}]),
    ),
}


@pytest.mark.parametrize("path", STEPS)
@pytest.mark.parametrize("body", NOTHING_SAID, ids=json.dumps)
def test_a_2xx_that_does_not_say_success_is_no_answer(
    path: str, body: Any, run_target: Callable[..., Run], sandbox: Sandbox
) -> None:
    streams, stream = STEPS[path]
    sandbox.fault(do="status", status=201, path=path, body=body)
    run = run_target(stream, state(1), streams=streams or None, expect=1)
    assert f"{path}: HTTP 201, but the answer reports neither success nor queued, so it is unknown" in run.errors[0]
    assert not run.states
    assert "ann@example.com" not in run.stderr


@pytest.mark.parametrize(
    ("body", "said"),
    [
        ({"message": "success", "attributes_processed": 0}, "attributes_processed is 0, expected 1"),
        ({"message": "success", "attributes_processed": 2}, "attributes_processed is 2, expected 1"),
        ({"message": "success", "attributes_processed": "1"}, "attributes_processed is not a number"),
        ({"message": "success", "attributes_processed": True}, "attributes_processed is not a number"),
    ],
)
def test_counts_other_than_what_was_sent_are_no_answer(
    body: Any, said: str, run_target: Callable[..., Run], sandbox: Sandbox
) -> None:
    sandbox.fault(do="garbage", status=201, path="/users/track", body=body)
    run = run_target(customers({"external_id": "c-1"}), state(1), expect=1)
    assert said in run.errors[0]
    assert not run.states
    # What may have been done each time is not sent for minutes.
    assert len(sandbox.requests) == 3


@pytest.mark.parametrize("body", [{}, {"message": "success", "events_processed": 0}, "<html>log in</html>"])
@pytest.mark.parametrize("times", [1, 2])
def test_a_request_without_an_answer_that_holds_is_sent_again(
    body: Any, times: int, run_target: Callable[..., Run], sandbox: Sandbox
) -> None:
    sandbox.fault(do="status", status=200, path="/users/track", body=body, times=times)
    happened = [{"external_id": f"c-{n}", "name": "x", "time": "2026-03-04T12:00:00Z"} for n in range(5)]
    run = run_target(Stream("events", EVENTS, happened), state(1))
    assert run.states == [{"bookmarks": 1}]
    assert len(sandbox.requests) == times + 1
    assert [len(profile.events) for profile in sandbox.profiles()] == [1] * 5


@pytest.mark.parametrize("body", [{}, {"message": "success", "events_processed": 1}, "<html>log in</html>"])
def test_what_would_count_twice_is_held_back_where_the_answer_says_nothing(
    body: Any, run_target: Callable[..., Run], sandbox: Sandbox, dead: dict[str, Any]
) -> None:
    sandbox.fault(do="garbage", status=201, path="/users/track", body=body, times=1)
    happened = [{"external_id": f"c-{n}", "name": "x", "time": "2026-03-04T12:00:00Z"} for n in range(3)]
    run = run_target(
        Stream("events", EVENTS, happened), customers({"external_id": "d"}), state(1), on_unknown_outcome="hold", **dead
    )
    assert ["in doubt" in one["dead_letter"]["reason"] for one in letters(dead)] == [True] * 3
    assert run.summary["total"]["in_doubt"] == 3
    assert sorted(len(profile.events) for profile in sandbox.profiles()) == [0, 1, 1, 1]
    assert run.states == [{"bookmarks": 1}]


COUNTED: list[tuple[Endpoint, int, dict[str, Any], bool]] = [
    (TRACK, 3, {}, True),
    (TRACK, 3, {"attributes_processed": 3}, True),
    (TRACK, 3, {"attributes_processed": 2}, False),
    (TRACK, 3, {"attributes_processed": 3.0}, False),
    (TRACK, 3, {"attributes_processed": None}, False),
    (TRACK, 3, {"attributes_processed": 3, "events_processed": 1}, False),
    (TRACK, 3, {"attributes_processed": 3, "events_processed": 0}, True),
    (TRACK_BULK, 3, {"attributes_processed": 4}, False),
    (TRACK, 3, {"attributes_processed": 2, "errors": [{"type": "x", "input_array": "attributes", "index": 1}]}, True),
    (TRACK, 3, {"attributes_processed": 3, "errors": [{"type": "x", "input_array": "attributes", "index": 1}]}, False),
    (aliases.ENDPOINT, 2, {"aliases_processed": 2}, True),
    (aliases.ENDPOINT, 2, {"aliases_processed": 1}, False),
    (aliases.UPDATE, 2, {}, True),
    (identifications.ENDPOINT, 2, {"aliases_processed": 2}, True),
    (identifications.ENDPOINT, 2, {"aliases_processed": 0, "emails_processed": 2, "phone_numbers_processed": 0}, True),
    (identifications.ENDPOINT, 2, {"aliases_processed": 0, "emails_processed": 1, "phone_numbers_processed": 0}, False),
    (identifications.ENDPOINT, 2, {"aliases_processed": []}, False),
    (merges.ENDPOINT, 2, {}, True),
    (deletions.ENDPOINTS["external_id"], 3, {"deleted": 3}, True),
    (deletions.ENDPOINTS["external_id"], 3, {"deleted": 2}, False),
    (deletions.ENDPOINTS["email"], 3, {"deleted": "3"}, False),
    (external_ids.RENAME, 2, {"external_ids": ["a", "b"], "rename_errors": []}, True),
    (external_ids.RENAME, 2, {"external_ids": [{"new_external_id": "a"}, {"new_external_id": "b"}]}, True),
    (external_ids.RENAME, 2, {"external_ids": ["a"], "rename_errors": [[0, "taken"]]}, True),
    (external_ids.RENAME, 2, {"external_ids": ["a"]}, False),
    (external_ids.REMOVE, 2, {"removed_ids": ["a"], "removal_errors": [[1, "taken"]]}, True),
    (external_ids.REMOVE, 2, {"removed_ids": [], "removal_errors": [[1, "taken"]]}, False),
    (subscriptions.ENDPOINTS["email"], 2, {}, True),
    (email_status.ENDPOINTS["subscribed"], 2, {}, True),
]


@pytest.mark.parametrize(("endpoint", "sent", "body", "holds"), COUNTED)
@pytest.mark.parametrize("message", ["success", "queued", "Success "])
def test_counts_have_to_agree_with_what_was_sent_less_what_was_refused(
    endpoint: Endpoint,
    sent: int,
    body: dict[str, Any],
    holds: bool,  # noqa: FBT001
    message: str,
) -> None:
    answer = Answer(201, {}, json.dumps({"message": message, **body}).encode())
    changes = [change(endpoint, number) for number in range(sent)]
    if holds:
        assert len(endpoint.rejected(changes, answer)) == len(
            body.get("errors") or body.get("rename_errors") or body.get("removal_errors") or ()
        )
    else:
        with pytest.raises(UnavailableError, match="unknown what Braze did") as raised:
            endpoint.rejected(changes, answer)
        assert raised.value.in_doubt


def test_attributes_are_counted_by_external_id_where_one_has_several_objects() -> None:
    changes = [change(TRACK, number) for number in (1, 1, 2)] + [change(TRACK, 3, _update_existing_only=True)]
    for count, holds in ((1, False), (2, True), (3, True), (4, True), (5, False)):
        answer = Answer(201, {}, json.dumps({"message": "success", "attributes_processed": count}).encode())
        if holds:
            assert not TRACK.rejected(changes, answer)
        else:
            with pytest.raises(UnavailableError):
                TRACK.rejected(changes, answer)


def test_a_deletion_may_be_answered_by_its_count_alone() -> None:
    changes = [change(deletions.ENDPOINTS["external_id"], 1)]
    assert not deletions.ENDPOINTS["external_id"].rejected(changes, Answer(200, {}, b'{"deleted": 1}'))
    with pytest.raises(UnavailableError, match="reports neither success"):
        deletions.ENDPOINTS["external_id"].rejected(changes, Answer(200, {}, b'{"deleted": 1, "message": "no"}'))


# Refusals of a whole request that name the culprits.


def refusal(*culprits: tuple[str, int], why: str = NO_EMAIL) -> dict[str, Any]:
    errors = [{"type": why, "input_array": array, "index": index} for array, index in culprits]
    return {"message": FATAL, "errors": errors}


@pytest.mark.parametrize("why", [NO_EMAIL, "BAD_EMAIL_SUBSCRIPTION_STATE", "'quantity' is not valid"])
def test_75_bad_objects_cost_one_request_and_their_letters_say_what_braze_said(
    why: str, run_target: Callable[..., Run], sandbox: Sandbox, dead: dict[str, Any]
) -> None:
    body = refusal(*(("attributes", n) for n in range(75)), why=why)
    sandbox.fault(do="status", status=400, path="/users/track", body=body)
    run = run_target(customers(*many(75, 75), n=INTEGER), state(1), **dead)
    assert len(sandbox.requests) == 1
    notes = [one["dead_letter"] for one in letters(dead)]
    assert {(note["reason"], note["braze"], note["status"]) for note in notes} == {
        (f"Braze refused it: {why}", why, 400)
    }
    assert len(notes) == 75
    assert run.states == [{"bookmarks": 1}]


def test_only_those_are_rejected_whom_a_refusal_of_all_names_and_the_rest_is_sent_again(
    run_target: Callable[..., Run], sandbox: Sandbox, dead: dict[str, Any]
) -> None:
    body = refusal(("attributes", 3), ("events", 0), ("attributes", 9))
    sandbox.fault(do="status", status=400, path="/users/track", body=body, times=1)
    happened = [{"external_id": f"e-{n}", "name": "x", "time": "2026-03-04T12:00:00Z"} for n in range(2)]
    run = run_target(customers(*many(10, 10), n=INTEGER), Stream("events", EVENTS, happened), state(1), **dead)
    assert paths(sandbox) == ["/users/track"] * 2
    assert {one["record"]["external_id"] for one in letters(dead)} == {"c-3", "c-9", "e-0"}
    assert len(sandbox.profiles()) == 9
    assert run.states == [{"bookmarks": 1}]


def test_the_good_ones_are_in_braze_before_a_culprit_ends_the_run(
    run_target: Callable[..., Run], sandbox: Sandbox
) -> None:
    sandbox.fault(do="status", status=400, path="/users/track", body=refusal(("attributes", 3)), times=1)
    run = run_target(customers(*many(10, 10), n=INTEGER), state(1), expect=1)
    assert f"record 4 (external_id=c-3): Braze refused it: {NO_EMAIL}" in run.errors[0]
    assert len(sandbox.profiles()) == 9
    assert not run.states


@settings(max_examples=60)
@given(
    kinds=st.lists(st.sampled_from(KINDS), min_size=1, max_size=40),
    bad=st.sets(st.integers(0, 39)),
    tells=st.sampled_from(["all", "first", "half", "none", "odd"]),
    whole=st.booleans(),
)
def test_whatever_braze_names_exactly_the_bad_ones_are_rejected(
    kinds: list[str],
    bad: set[int],
    tells: str,
    whole: bool,  # noqa: FBT001
) -> None:
    """A Braze that refuses a request for its bad objects, wholly or in part, and names them or some of them."""
    accepted: list[int] = []
    rejected: list[int] = []
    requests = 0

    def send(request: Request, _resend: bool) -> Answer:  # noqa: FBT001
        nonlocal requests
        requests += 1
        body = json.loads(request.body())
        errors = [
            {"type": "no", "input_array": kind, "index": index}
            for kind in KINDS
            for index, one in enumerate(body.get(kind, ()))
            if one["n"] in bad
        ]
        if errors and (whole or len(errors) == len(request)):
            shown = {"all": errors, "first": errors[:1], "half": errors[: len(errors) // 2], "none": ["no"]}
            odd = [{"type": "no", "input_array": "nonsense", "index": 10**9}, *errors, {"index": -1}, 17, None]
            said = json.dumps({"message": FATAL, "errors": shown.get(tells, odd)}).encode()
            raise RefusedError("HTTP 400", status=400, errors=(FATAL,), body=said)
        counts = {f"{kind}_processed": len(body[kind]) for kind in KINDS if kind in body}
        for error in errors:
            counts[f"{error['input_array']}_processed"] -= 1
        return Answer(201, {}, json.dumps({"message": "success", **counts, "errors": errors}).encode())

    sender = RequestSender(
        send,
        accept=lambda changes, _: accepted.extend(one.fields["n"] for one in changes),
        reject=lambda one, _why: rejected.append(one.fields["n"]),
        answered=lambda _answer: None,
        settled=lambda _changes: None,
        hold=False,
        ledger=None,
        batch_limits=BatchLimits(75),
    )
    sender.deliver(Request.of(TRACK, [change(TRACK, n, kind, n=n) for n, kind in enumerate(kinds)]))
    assert sorted(rejected) == sorted(bad & {*range(len(kinds))})
    assert sorted([*accepted, *rejected]) == [*range(len(kinds))]
    if tells in {"all", "odd"}:
        assert requests <= 2


def test_a_refusal_that_names_one_of_a_thousand_each_time_ends_all_the_same() -> None:
    rejected: list[Change] = []

    def send(_request: Request, _resend: bool) -> Answer:  # noqa: FBT001
        body = json.dumps(refusal(("attributes", 0))).encode()
        raise RefusedError("HTTP 400", status=400, body=body)

    sender = RequestSender(
        send,
        accept=lambda _changes, _: None,
        reject=lambda one, _why: rejected.append(one),
        answered=lambda _answer: None,
        settled=lambda _changes: None,
        hold=False,
        ledger=None,
        batch_limits=BatchLimits(1000),
    )
    sender.deliver(Request.of(TRACK_BULK, [change(TRACK_BULK, n) for n in range(1000)]))
    assert len(rejected) == 1000


# Other endpoints, as recorded.


def identify_stream(count: int, *, mixed: bool = False) -> Stream:
    records = [
        {"external_id": f"c-{n}", "email": f"u{n}@example.com"}
        if not mixed or n % 2
        else {"external_id": f"c-{n}", "alias_name": f"a{n}", "alias_label": "web"}
        for n in range(count)
    ]
    return Stream("s", dict.fromkeys(("external_id", "email", "alias_name", "alias_label"), TEXT), records)


@pytest.mark.parametrize("mixed", [False, True])
def test_one_refused_identification_of_fifty_rejects_one_though_braze_names_an_array_that_was_not_sent(
    mixed: bool,  # noqa: FBT001
    run_target: Callable[..., Run],
    sandbox: Sandbox,
    dead: dict[str, Any],
) -> None:
    error = {"type": "'external_id' is required", "input_array": "user_identifiers", "index": 7}
    body = {"message": "success", "aliases_processed": 24 if mixed else 49, "errors": [error]}
    sandbox.fault(
        do="status",
        status=201,
        path="/users/identify",
        body=body,
        times=1,
        contains="emails_to_identify",
    )
    run = run_target(identify_stream(50, mixed=mixed), state(1), streams={"s": {"to": "identifications"}}, **dead)
    (letter,) = letters(dead)
    assert letter["record"]["email"] == ("u15@example.com" if mixed else "u7@example.com")
    assert letter["dead_letter"]["braze"] == "'external_id' is required"
    assert len(sandbox.requests) == 1 + mixed
    assert run.states == [{"bookmarks": 1}]


@pytest.mark.parametrize(
    ("body", "refused"),
    [
        ({"external_ids": [{"external_id": "d-0"}, {"external_id": "d-1"}, {"external_id": "d-2"}]}, []),
        ({"external_ids": ["d-0", "d-2"], "rename_errors": [[1, "'new_external_id' is taken"]]}, ["c-1"]),
        (
            {"external_ids": ["d-0"], "rename_errors": [{"index": 1, "type": "no"}, {"index": 2, "type": "no"}]},
            ["c-1", "c-2"],
        ),
    ],
)
def test_renames_are_read_as_strings_and_as_objects(
    body: dict[str, Any], refused: list[str], run_target: Callable[..., Run], sandbox: Sandbox, dead: dict[str, Any]
) -> None:
    sandbox.fault(
        do="status", status=201, path="/users/external_ids/rename", body={"message": "success", **body}, times=1
    )
    renames = [{"current_external_id": f"c-{n}", "new_external_id": f"d-{n}"} for n in range(3)]
    stream = Stream("s", {"current_external_id": TEXT, "new_external_id": TEXT}, renames)
    run = run_target(stream, state(1), streams={"s": {"to": "external_ids"}}, **dead)
    assert run.states == [{"bookmarks": 1}]
    found = [one["record"]["current_external_id"] for one in letters(dead)] if refused else []
    assert found == refused


@pytest.mark.parametrize("body", [{"deleted": 3}, {"deleted": 3, "message": "success"}])
def test_deletions_are_answered_with_a_count(body: Any, run_target: Callable[..., Run], sandbox: Sandbox) -> None:
    sandbox.fault(do="status", status=201, path="/users/delete", body=body)
    stream = Stream("s", {"external_id": TEXT}, [{"external_id": f"c-{n}"} for n in range(3)])
    run = run_target(stream, state(1), streams={"s": {"to": "deletions", "allow_deletions": True, "max_deletions": 9}})
    assert run.states == [{"bookmarks": 1}]


def test_an_unknown_subscription_group_costs_a_request_and_leaves_other_groups_alone(
    run_target: Callable[..., Run], sandbox: Sandbox, dead: dict[str, Any]
) -> None:
    sandbox.fault(
        do="refuse_if",
        contains=OTHER_GROUP,
        path="/v2/subscription/status/set",
        body={"message": "Invalid subscription group ID"},
    )
    records = [{"external_id": f"c-{n}", "subscription_group_id": OTHER_GROUP if n % 2 else GROUP} for n in range(50)]
    run = run_target(
        Stream("s", {"external_id": TEXT, "subscription_group_id": TEXT}, records),
        state(1),
        streams={"s": {"to": "subscriptions", "subscription": {"state": "subscribed"}}},
        **dead,
    )
    assert [one.path for one in sandbox.requests].count("/v2/subscription/status/set") == 3
    assert [one["record"]["external_id"] for one in letters(dead)] == [f"c-{n}" for n in range(1, 50, 2)]
    assert {one["dead_letter"]["braze"] for one in letters(dead)} == {"Invalid subscription group ID"}
    assert run.states == [{"bookmarks": 1}]


def test_an_error_about_a_subscription_group_is_about_all_of_its_users() -> None:
    endpoint = subscriptions.ENDPOINTS["email"]
    changes = [
        new_change("emails", ("email", f"u{n}@example.com"), {"subscription_group_id": GROUP if n % 2 else OTHER_GROUP})
        for n in range(4)
    ]
    errors = [{"type": "no", "input_array": "subscription_groups", "index": 1}]
    answer = Answer(201, {}, json.dumps({"message": "success", "errors": errors}).encode())
    assert [one.user[1] for one, _ in endpoint.rejected(changes, answer)] == ["u1@example.com", "u3@example.com"]
    # Of which of the two groups?
    answer = Answer(
        201, {}, json.dumps({"errors": [{**errors[0], "input_array": "emails"}], "message": "success"}).encode()
    )
    assert len(endpoint.rejected(changes, answer)) == 4


def test_items_are_named_by_their_ids_and_the_rest_is_sent_again(
    run_target: Callable[..., Run], sandbox: Sandbox, dead: dict[str, Any]
) -> None:
    error = {"id": "unable-to-coerce-value", "message": "A value does not fit", "parameters": ["id"]}
    body = {
        "message": "Invalid Request",
        "errors": [{**error, "parameter_values": ["i-3"]}, {**error, "parameter_values": ["i-7"]}],
    }
    sandbox.fault(do="status", status=400, path="/catalogs/s/items", body=body, times=1)
    stream = Stream("s", {"id": TEXT, "n": INTEGER}, [{"id": f"i-{n}", "n": n} for n in range(50)])
    run = run_target(stream, state(1), streams={"s": {"to": "catalog_items"}}, **dead)
    assert paths(sandbox).count("/catalogs/s/items") == 2
    assert [one["record"]["id"] for one in letters(dead)] == ["i-3", "i-7"]
    assert letters(dead)[0]["dead_letter"]["braze"] == "unable-to-coerce-value: A value does not fit"
    assert len(sandbox.workspace.catalogs["s"].items) == 48
    assert run.states == [{"bookmarks": 1}]
