"""/users/track/bulk and /users/track/sync, writes that take effect later, faults by content."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
from braze_sandbox.testing import Sandbox

from tests.sandbox.conftest import Client

if TYPE_CHECKING:
    from collections.abc import Iterator

WHEN = "2026-01-02T03:04:05Z"


def test_bulk_takes_a_thousand(client: Client, sandbox: Sandbox) -> None:
    rows: list[Any] = [{"external_id": f"u{n}", "x": n} for n in range(999)]
    answer = client.post("/users/track/bulk", {"attributes": [*rows, {"external_id": "bad", "email": "nonsense"}]})
    assert answer.status_code == 201
    assert answer.json()["attributes_processed"] == 999
    assert [error["index"] for error in answer.json()["errors"]] == [999]
    assert sandbox.profile("u998")
    assert client.post("/users/track/bulk", {"attributes": [*rows, *rows[:2]]}).status_code == 400
    assert answer.headers["x-ratelimit-limit"] == "50"


def test_bulk_limits_bytes_and_objects_of_one_user(client: Client) -> None:
    def body(size: int) -> bytes:
        frame = b'{"attributes":[{"external_id":"a","x":""}]}'
        return frame[:-4] + b"y" * (size - len(frame)) + frame[-4:]

    headers = {"Content-Type": "application/json"}
    assert client.post("/users/track/bulk", data=body(2_000_001), headers=headers).status_code == 400
    assert client.post("/users/track/bulk", data=body(2_000_000), headers=headers).status_code == 201
    events = [{"external_id": "a", "name": "e", "time": WHEN}] * 101
    assert client.post("/users/track/bulk", {"events": events}).status_code == 400
    assert client.post("/users/track/bulk", {"events": events[:100]}).status_code == 201


@pytest.mark.parametrize(("path", "most"), [("/users/track", 50), ("/users/track/bulk", 500)])
def test_an_account_may_take_fewer_objects(path: str, most: int) -> None:
    with Sandbox(seed="empty", track_objects=50, bulk_objects=500) as sandbox:
        client = Client(sandbox)
        rows = [{"external_id": f"u{n}", "x": n} for n in range(most + 1)]
        refused = client.post(path, {"attributes": rows})
        assert (refused.status_code, refused.json()["message"]) == (400, "Max Input Length Exceeded")
        assert not sandbox.profiles()
        assert client.post(path, {"attributes": rows[1:]}).status_code == 201
        assert len(sandbox.profiles()) == most
        client.close()


@pytest.mark.parametrize("status", [403, 404])
def test_the_betas_can_be_off(status: int) -> None:
    with Sandbox(seed="empty", beta_refusal=status) as sandbox:
        client = Client(sandbox)
        for path in ("/users/track/bulk", "/users/track/sync"):
            assert client.post(path, {"attributes": [{"external_id": "a", "x": 1}]}).status_code == status
        assert client.post("/users/track", {"attributes": [{"external_id": "a", "x": 1}]}).ok
        client.close()


def test_sync_tells_how_the_user_stands(client: Client) -> None:
    def sync(**arrays: Any) -> Any:
        answer = client.post("/users/track/sync", arrays)
        assert answer.status_code == 201, answer.text
        return answer.json()["users"]

    assert sync(attributes=[{"external_id": "a", "x": 1, "first_name": "Ada"}]) == [
        {"external_id": "a", "custom_attributes": {"x": 1}}
    ]
    assert sync(attributes=[{"external_id": "a", "x": {"inc": 2}}])[0]["custom_attributes"] == {"x": 3}
    assert sync(attributes=[{"external_id": "a", "y": "z" * 256}])[0]["custom_attributes"] == {"y": None}
    assert sync(attributes=[{"external_id": "b", "_update_existing_only": True, "x": 1}]) == []
    event = {"external_id": "a", "name": "seen", "time": WHEN}
    sync(events=[event])
    assert sync(events=[event | {"time": "2026-01-03T00:00:00Z"}])[0]["custom_events"] == [
        {"name": "seen", "first": WHEN, "last": "2026-01-03T00:00:00Z", "count": 2}
    ]
    bought = {"external_id": "a", "product_id": "p", "currency": "EUR", "price": 1, "quantity": 3, "time": WHEN}
    assert sync(purchases=[bought])[0]["purchase_events"][0]["count"] == 3


def test_sync_takes_one_object_and_knows_no_partial_errors(client: Client) -> None:
    one = {"external_id": "a", "x": 1}
    assert client.post("/users/track/sync", {"attributes": [one, one]}).status_code == 400
    assert client.post("/users/track/sync", {"attributes": [one], "events": [one]}).status_code == 400
    answer = client.post("/users/track/sync", {"attributes": [{"external_id": "a", "email": "nonsense"}]})
    assert (answer.status_code, answer.json()["message"]) == (
        400,
        "The value provided for the 'email' field is not a valid email.",
    )


@pytest.fixture
def late() -> Iterator[tuple[Sandbox, Client]]:
    with Sandbox(seed="empty", lag_ms=300) as sandbox:
        client = Client(sandbox)
        yield sandbox, client
        client.close()


def test_writes_take_effect_later(late: tuple[Sandbox, Client]) -> None:
    sandbox, client = late
    row = {"external_id": "a", "x": 1}
    answer = client.track(attributes=[row, {"external_id": "b", "email": "nonsense"}])
    assert answer["attributes_processed"] == 1
    assert answer["errors"][0]["index"] == 1
    assert sandbox.profile("a") is None
    assert sandbox.waiting == 1
    sandbox.settle()
    assert sandbox.profile("a")
    assert sandbox.violations == []
    client.post("/users/delete", {"external_ids": ["a"]})
    client.post("/users/track/sync", {"attributes": [row | {"x": 2}]})
    assert sandbox.profile("a")
    sandbox.settle()
    assert sandbox.profile("a") is None


def test_what_follows_too_soon_is_noticed(late: tuple[Sandbox, Client]) -> None:
    sandbox, client = late
    client.track(attributes=[{"external_id": "a", "x": 1}])
    client.track(attributes=[{"external_id": "b", "x": 1}])
    assert sandbox.violations == []
    client.post("/users/delete", {"external_ids": ["a"]})
    assert "order is not defined" in sandbox.violations[0]["reason"]
    sandbox.settle()
    client.track(attributes=[{"external_id": "a", "x": 1}])
    assert len(sandbox.violations) == 1


def test_catalog_fields_are_not_there_at_once(late: tuple[Sandbox, Client]) -> None:
    sandbox, client = late
    fields = [{"name": "id", "type": "string"}]
    client.post("/catalogs", {"catalogs": [{"name": "c", "description": "", "fields": fields}]})
    client.post("/catalogs/c/fields", {"fields": [{"name": "f", "type": "string"}]})
    items = {"items": [{"id": "a", "f": "x"}]}
    assert client.call("PUT", "/catalogs/c/items", items).json()["errors"][0]["id"] == "invalid-fields"
    sandbox.settle()
    assert client.call("PUT", "/catalogs/c/items", items).status_code == 202
    assert client.get("/catalogs/c/items").json()["items"] == []
    sandbox.settle()
    assert client.get("/catalogs/c/items").json()["items"] == [{"id": "a", "f": "x"}]


def test_what_waits_is_forgotten_by_a_reset_and_done_by_a_stop() -> None:
    with Sandbox(seed="empty", lag_ms=60_000) as sandbox:
        client = Client(sandbox)
        client.track(attributes=[{"external_id": "a", "x": 1}])
        sandbox.reset()
        client.track(attributes=[{"external_id": "b", "x": 1}])
        client.close()
    assert [user.external_id for user in sandbox.profiles()] == ["b"]


def test_a_shuffle_changes_the_order() -> None:
    orders = []
    for seed in (1, 1, 2):
        with Sandbox(seed="empty", lag_ms=60, shuffle=seed) as sandbox:
            client = Client(sandbox)
            waiting = []
            for n in range(8):
                client.track(events=[{"external_id": "a", "name": f"e{n}", "time": WHEN}])
                waiting.append(sandbox.waiting)
            sandbox.settle()
            client.close()
            user = sandbox.profile("a")
            assert user
            orders.append((waiting, [event["name"] for event in user.events]))
    assert all(sorted(names) == [f"e{n}" for n in range(8)] for _, names in orders)
    # A machine that stalls may have applied some before the last came.
    if all(waiting == [*range(1, 9)] for waiting, _ in orders):
        assert orders[0] == orders[1] != orders[2]
        assert orders[0][1] != sorted(orders[0][1])


def test_a_guilty_object_refuses_its_request_and_is_not_named(client: Client, sandbox: Sandbox) -> None:
    sandbox.fault(path="/users/track", do="refuse_if", contains="schuldig ö")
    rows = [{"external_id": f"u{n}", "x": "schuldig ö" if n == 5 else n} for n in range(8)]

    def guilty(part: list[Any]) -> list[Any]:
        answer = client.post("/users/track", {"attributes": part})
        if answer.ok:
            return []
        assert (answer.status_code, answer.json()) == (400, {"message": "Bad Request"})
        return part if len(part) == 1 else guilty(part[: len(part) // 2]) + guilty(part[len(part) // 2 :])

    assert guilty(rows) == [rows[5]]
    assert [user.external_id for user in sandbox.profiles()][-7:] == [f"u{n}" for n in (0, 1, 2, 3, 4, 6, 7)]


def test_objects_are_refused_by_what_they_hold(client: Client, sandbox: Sandbox) -> None:
    rule = {"input_array": "attributes", "contains": "guilty", "type": "EMAIL_BAD_FORMAT"}
    sandbox.fault(path="/users/track", do="partial_errors", errors=[rule])
    answer = client.track(attributes=[{"external_id": "a", "x": n} for n in ("good", "guilty", "good")])
    assert answer["errors"] == [{"type": "EMAIL_BAD_FORMAT", "input_array": "attributes", "index": 1}]
    sandbox.fault(path="/users/external_ids/*", do="partial_errors", errors=[rule | {"input_array": "external_ids"}])
    answer = client.post("/users/external_ids/remove", {"external_ids": ["guilty"]})
    assert answer.json()["removal_errors"] == [[0, "EMAIL_BAD_FORMAT"]]


def test_a_text_narrows_any_fault(client: Client, sandbox: Sandbox) -> None:
    sandbox.fault(do="status", status=503, contains="guilty")
    assert client.post("/users/track", {"attributes": [{"external_id": "guilty", "x": 1}]}).status_code == 503
    assert client.post("/users/track", {"attributes": [{"external_id": "good", "x": 1}]}).status_code == 201
    with pytest.raises(ValueError, match="refuse_if needs the text"):
        sandbox.fault(do="refuse_if")
