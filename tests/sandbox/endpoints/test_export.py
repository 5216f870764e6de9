"""/users/export/ids."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from braze_sandbox.testing import Sandbox

    from tests.sandbox.conftest import Client


def test_profiles_as_braze_shows_them(sandbox: Sandbox, client: Client) -> None:
    recent = "2026-03-17T10:20:30.000Z"
    client.track(
        attributes=[{"external_id": "a", "email": "a@b.example", "first_name": "Ada", "at": "2026-03-04T09:00:00Z"}],
        events=[
            {"external_id": "a", "name": "seen", "time": recent},
            {"external_id": "a", "name": "seen", "time": "2024-01-01T00:00:00Z"},
            {"external_id": "a", "name": "long ago", "time": "2024-01-01T00:00:00Z"},
        ],
        purchases=[
            {"external_id": "a", "product_id": "tea", "currency": "EUR", "price": 2, "quantity": 3, "time": recent}
        ],
    )
    fields = [
        "external_id",
        "braze_id",
        "email",
        "custom_attributes",
        "custom_events",
        "purchases",
        "total_revenue",
        "dob",
    ]
    answer = client.post("/users/export/ids", {"external_ids": ["nobody", "a"], "fields_to_export": fields})
    assert answer.status_code == 201
    profile = sandbox.profile("a")
    assert profile is not None
    assert answer.json() == {
        "users": [
            {
                "external_id": "a",
                "braze_id": profile.braze_id,
                "email": "a@b.example",
                "custom_attributes": {"at": "2026-03-04T09:00:00.000Z"},
                "custom_events": [{"name": "seen", "first": "2024-01-01T00:00:00.000Z", "last": recent, "count": 2}],
                "purchases": [{"name": "tea", "first": recent, "last": recent, "count": 3}],
                "total_revenue": 6,
            }
        ],
        "invalid_user_ids": ["nobody"],
        "message": "success",
    }


@pytest.mark.parametrize(
    "identifier",
    [
        {"external_ids": ["a"]},
        {"user_aliases": [{"alias_label": "web", "alias_name": "w"}]},
        {"email_address": "a@b.example"},
        {"phone": "+15550100"},
    ],
)
def test_all_ways_to_name_a_user(client: Client, identifier: dict[str, Any]) -> None:
    alias = {"alias_label": "web", "alias_name": "w"}
    client.track(
        attributes=[
            {"external_id": "a", "email": "a@b.example", "phone": "+15550100"},
            {"user_alias": alias, "_update_existing_only": False},
        ]
    )
    answer = client.post("/users/export/ids", {**identifier, "fields_to_export": ["braze_id"]}).json()
    assert len(answer["users"]) == 1
    assert "invalid_user_ids" not in answer


@pytest.mark.parametrize(
    "body",
    [
        {"external_ids": ["a"]},
        {"external_ids": ["a"], "fields_to_export": ["nonsense"]},
        {"fields_to_export": ["email"]},
        {"external_ids": [str(number) for number in range(51)], "fields_to_export": ["email"]},
        {"email_address": "a@b.example", "phone": "+15550100", "fields_to_export": ["email"]},
        {"external_ids": "a", "fields_to_export": ["email"]},
    ],
)
def test_bad_requests(client: Client, body: dict[str, Any]) -> None:
    assert client.post("/users/export/ids", body).status_code == 400
