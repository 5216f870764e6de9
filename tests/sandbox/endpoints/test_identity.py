"""Aliases, identification, merges, deletion, renamed external IDs."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from braze_sandbox.testing import Sandbox

    from tests.sandbox.conftest import Client

UNIDENTIFIED = ["unidentified", "most_recently_updated"]


def alias(name: str, label: str = "crm") -> dict[str, str]:
    return {"alias_name": name, "alias_label": label}


def reasons(sandbox: Sandbox) -> str:
    return " / ".join(violation["reason"] for violation in sandbox.violations)


def test_an_alias_makes_a_user_or_goes_to_one(client: Client, sandbox: Sandbox) -> None:
    client.track(attributes=[{"external_id": "a", "x": 1}])
    body = {
        "user_aliases": [alias("n1"), {"external_id": "a", **alias("n2")}, {"external_id": "nobody", **alias("n3")}]
    }
    answer = client.post("/users/alias/new", body)
    assert answer.status_code == 201
    assert answer.json() == {"aliases_processed": 3, "message": "success"}
    made, known = sandbox.profile_by(alias=("crm", "n1")), sandbox.profile("a")
    assert made
    assert made.external_id is None
    assert known
    assert known.aliases == {"crm": "n2"}
    assert sandbox.profile_by(alias=("crm", "n3")) is None


def test_an_alias_that_is_taken_stays_where_it_is(client: Client, sandbox: Sandbox) -> None:
    client.track(attributes=[{"external_id": "a", "x": 1}])
    client.post("/users/alias/new", {"user_aliases": [alias("n1")]})
    before = sandbox.profile_by(alias=("crm", "n1"))
    answer = client.post("/users/alias/new", {"user_aliases": [{"external_id": "a", **alias("n1")}]})
    assert answer.json()["aliases_processed"] == 1
    assert sandbox.profile_by(alias=("crm", "n1")) is before
    assert "taken" in reasons(sandbox)


def test_aliases_are_renamed(client: Client, sandbox: Sandbox) -> None:
    client.post("/users/alias/new", {"user_aliases": [alias("old"), alias("other")]})
    update = {"alias_label": "crm", "old_alias_name": "old", "new_alias_name": "new"}
    assert client.post("/users/alias/update", {"alias_updates": [update]}).json() == {"message": "success"}
    assert sandbox.profile_by(alias=("crm", "old")) is None
    assert sandbox.profile_by(alias=("crm", "new"))
    assert sandbox.violations == []
    chain = [update | {"old_alias_name": "new", "new_alias_name": "x"}, update | {"old_alias_name": "x"}]
    client.post("/users/alias/update", {"alias_updates": chain})
    assert "no defined order" in reasons(sandbox)


def test_an_alias_gets_an_unknown_external_id(client: Client, sandbox: Sandbox) -> None:
    client.track(attributes=[{"user_alias": alias("n"), "_update_existing_only": False, "plan": "plus"}])
    body = {"aliases_to_identify": [{"external_id": "a", "user_alias": alias("n")}]}
    answer = client.post("/users/identify", body)
    assert answer.status_code == 201
    assert answer.json() == {"aliases_processed": 1, "message": "success"}
    user = sandbox.profile("a")
    assert user
    assert user.custom_attributes == {"plan": "plus"}
    assert user.aliases == {"crm": "n"}


def test_identifying_merges_into_a_known_user(client: Client, sandbox: Sandbox) -> None:
    event = {"name": "seen", "time": "2026-01-01T00:00:00Z"}
    client.track(
        attributes=[
            {"external_id": "a", "plan": "plus", "first_name": "Ada"},
            {"user_alias": alias("n"), "_update_existing_only": False, "plan": "free", "seat": 4, "last_name": "Lund"},
        ]
    )
    client.track(events=[{"external_id": "a", **event}, {"user_alias": alias("n"), **event}])
    count = len(sandbox.profiles())
    client.post("/users/identify", {"aliases_to_identify": [{"external_id": "a", "user_alias": alias("n")}]})
    user = sandbox.profile_by(alias=("crm", "n"))
    assert user is sandbox.profile("a")
    assert user
    assert user.custom_attributes == {"plan": "plus", "seat": 4}
    assert (user.attributes["first_name"], user.attributes["last_name"]) == ("Ada", "Lund")
    assert len(user.events) == 2
    assert len(sandbox.profiles()) == count - 1


def test_no_merge_of_two_aliases_with_one_label(client: Client, sandbox: Sandbox) -> None:
    client.track(attributes=[{"external_id": "a", "x": 1}])
    client.post("/users/alias/new", {"user_aliases": [{"external_id": "a", **alias("n1")}, alias("n2")]})
    client.post("/users/identify", {"aliases_to_identify": [{"external_id": "a", "user_alias": alias("n2")}]})
    assert sandbox.profile_by(alias=("crm", "n2")) is not sandbox.profile("a")
    client.post("/users/identify", {"aliases_to_identify": [{"external_id": "b", "user_alias": alias("N2")}]})
    assert sandbox.profile("b") is None


def test_an_address_identifies_only_its_sole_user(client: Client, sandbox: Sandbox) -> None:
    client.track(attributes=[{"email": "one@shop.example", "x": 1}])
    one = {"external_id": "a", "email": "one@shop.example", "prioritization": UNIDENTIFIED}
    client.post("/users/identify", {"emails_to_identify": [one]})
    user = sandbox.profile("a")
    assert user
    assert user.custom_attributes == {"x": 1}
    client.track(attributes=[{"external_id": "b", "email": "two@shop.example"}])
    client.track(attributes=[{"user_alias": alias("n"), "_update_existing_only": False, "email": "two@shop.example"}])
    client.post("/users/identify", {"emails_to_identify": [one | {"external_id": "b", "email": "two@shop.example"}]})
    assert sandbox.profile_by(alias=("crm", "n")) is not sandbox.profile("b")
    assert "several users" in reasons(sandbox)


def merge(client: Client, gone: Any, kept: Any) -> Any:
    body = {"merge_updates": [{"identifier_to_merge": gone, "identifier_to_keep": kept}]}
    answer = client.post("/users/merge", body)
    assert answer.status_code == 202
    return answer.json()


def test_users_are_merged(client: Client, sandbox: Sandbox) -> None:
    client.track(
        attributes=[
            {"external_id": "a", "email": "a@shop.example", "x": 1, "date_of_first_session": "2024-01-01T00:00:00Z"},
            {"external_id": "b", "phone": "+15550001111", "y": 2, "date_of_first_session": "2025-01-01T00:00:00Z"},
        ],
        purchases=[
            {"external_id": who, "product_id": "p", "currency": "EUR", "price": 2.5, "time": "2026-01-01T00:00:00Z"}
            for who in "ab"
        ],
    )
    assert merge(client, {"external_id": "a"}, {"external_id": "b"}) == {"message": "success"}
    assert sandbox.profile("a") is None
    kept = sandbox.profile("b")
    assert kept
    assert (kept.email, kept.phone, kept.custom_attributes) == ("a@shop.example", "+15550001111", {"x": 1, "y": 2})
    assert kept.attributes["date_of_first_session"].year == 2024
    assert kept.total_revenue == 5
    assert sandbox.profile_by(email="a@shop.example") is kept


@pytest.mark.parametrize(
    ("prioritization", "merged"),
    [
        (["unidentified"], None),
        (["unidentified", "most_recently_updated"], "n2"),
        (["unidentified", "least_recently_updated"], "n1"),
        (["most_recently_updated"], "a"),
        (["identified"], "a"),
    ],
)
def test_prioritization(client: Client, sandbox: Sandbox, prioritization: list[str], merged: str | None) -> None:
    for who in ({"user_alias": alias("n1")}, {"user_alias": alias("n2", "other")}, {"external_id": "a"}):
        client.track(attributes=[{**who, "_update_existing_only": False, "email": "e@shop.example"}])
    client.track(attributes=[{"external_id": "kept", "x": 1}])
    count = len(sandbox.profiles())
    merge(client, {"email": "E@shop.example", "prioritization": prioritization}, {"external_id": "kept"})
    kept = sandbox.profile("kept")
    assert kept
    assert len(sandbox.profiles()) == count - (merged is not None)
    assert (kept.email is not None) is (merged is not None)
    assert (sandbox.profile("a") is None) is (merged == "a")
    assert set(kept.aliases.values()) == ({merged} if merged in ("n1", "n2") else set())


def test_no_merge_of_two_invalid_numbers(client: Client, sandbox: Sandbox) -> None:
    client.track(attributes=[{"external_id": who, "phone": f"call {who}"} for who in "ab"])
    merge(client, {"external_id": "a"}, {"external_id": "b"})
    assert sandbox.profile("a")


KEEP = {"external_id": "b"}


@pytest.mark.parametrize(
    ("updates", "text"),
    [
        ({}, "'merge_updates' must be an array of objects"),
        ([1], "'merge_updates' must be an array of objects"),
        (
            [{"identifier_to_merge": KEEP, "identifier_to_keep": KEEP}] * 51,
            "a single request may not contain more than 50 merge updates",
        ),
        (
            [{"identifier_to_merge": KEEP, "identifier_to_keep": KEEP, "x": 1}],
            "'merge_updates' must only have 'identifier_to_merge' and 'identifier_to_keep'",
        ),
        ([{"identifier_to_merge": {"external_id": 1}, "identifier_to_keep": KEEP}], "identifiers must be objects with"),
        (
            [{"identifier_to_merge": {"email": "a@b.example"}, "identifier_to_keep": KEEP}],
            "'prioritization' is required",
        ),
    ],
)
def test_merges_that_are_refused(client: Client, updates: Any, text: str) -> None:
    answer = client.post("/users/merge", {"merge_updates": updates})
    assert answer.status_code == 400
    assert text in answer.json()["message"]


def test_deletion_by_every_identifier(client: Client, sandbox: Sandbox) -> None:
    client.track(attributes=[{"external_id": who, "email": f"{who}@shop.example"} for who in "abcde"])
    client.post("/users/alias/new", {"user_aliases": [{"external_id": "c", **alias("n")}]})
    braze_id = sandbox.profiles()[-4].braze_id
    email = {"email": "d@shop.example", "prioritization": ["identified"]}
    bodies: tuple[dict[str, list[Any]], ...] = (
        {"external_ids": ["a", "nobody"]},
        {"braze_ids": [braze_id]},
        {"user_aliases": [alias("n")]},
        {"email_addresses": [email]},
    )
    for body in bodies:
        answer = client.post("/users/delete", body)
        assert answer.ok, answer.text
        assert answer.json() == {"deleted": len(next(iter(body.values()))), "message": "success"}
    assert [user.external_id for user in sandbox.profiles()][-1] == "e"
    assert [sandbox.profile(who) for who in "abcd"] == [None] * 4
    client.track(attributes=[{"external_id": "a", "x": 1}])
    again = sandbox.profile("a")
    assert again
    assert again.email is None


@pytest.mark.parametrize(
    "body",
    [
        {},
        {"external_ids": []},
        {"external_ids": ["a"] * 51},
        {"external_ids": [1.5]},
        {"external_ids": ["a"], "braze_ids": ["b"]},
        {"email_addresses": ["a@b.example"]},
        {"email_addresses": [{"email": "a@b.example", "prioritization": ["least_recently_updated"]}]},
        {"phone_numbers": [{"phone": "+15550001111", "prioritization": ["identified", "unidentified"]}]},
    ],
)
def test_deletions_that_are_refused(client: Client, body: Any) -> None:
    assert client.post("/users/delete", body).status_code == 400


def test_external_ids_are_renamed_and_the_old_ones_removed(client: Client, sandbox: Sandbox) -> None:
    def rename(*pairs: tuple[str, str]) -> Any:
        renames = [{"current_external_id": old, "new_external_id": new} for old, new in pairs]
        return client.post("/users/external_ids/rename", {"external_id_renames": renames}).json()

    client.track(attributes=[{"external_id": who, "x": who} for who in "ab"])
    answer = rename(("a", "a2"), ("a", "a3"), ("b", "a"), ("b", "b"), ("nobody", "n"))
    assert answer["message"] == "success"
    assert answer["external_ids"] == [{"current_external_id": "a", "new_external_id": "a2"}]
    assert [index for index, _ in answer["rename_errors"]] == [1, 2, 3, 4]
    user = sandbox.profile("a2")
    assert user
    assert user is sandbox.profile("a")
    assert (user.external_id, user.deprecated_external_ids) == ("a2", ["a"])
    client.track(attributes=[{"external_id": "a", "y": 1}])
    assert user.custom_attributes == {"x": "a", "y": 1}
    answer = client.post("/users/external_ids/remove", {"external_ids": ["a2", "a", "nobody"]}).json()
    assert answer["removed_ids"] == ["a"]
    assert [index for index, _ in answer["removal_errors"]] == [0, 2]
    assert sandbox.profile("a") is None
    assert rename(("b", "a"))["external_ids"] == [{"current_external_id": "b", "new_external_id": "a"}]


def test_a_deprecated_external_id_deletes_the_user(client: Client, sandbox: Sandbox) -> None:
    client.track(attributes=[{"external_id": "a", "x": 1}])
    pair = {"current_external_id": "a", "new_external_id": "a2"}
    client.post("/users/external_ids/rename", {"external_id_renames": [pair]})
    client.post("/users/delete", {"external_ids": ["a"]})
    assert sandbox.profile("a2") is None
    assert client.post("/users/external_ids/rename", {"external_id_renames": [pair] * 51}).status_code == 400
    assert client.post("/users/external_ids/remove", {"external_ids": []}).status_code == 400


@pytest.mark.parametrize(
    ("path", "body"),
    [
        ("/users/alias/new", {"user_aliases": [alias("n")] * 51}),
        ("/users/alias/new", {"user_aliases": [{"alias_name": "n"}]}),
        ("/users/alias/new", {"user_aliases": [alias("é" * 119)]}),
        ("/users/alias/update", {"alias_updates": [{"alias_label": "l", "old_alias_name": "o"}]}),
        ("/users/identify", {}),
        ("/users/identify", {"aliases_to_identify": [{"user_alias": alias("n")}]}),
        ("/users/identify", {"emails_to_identify": [{"external_id": "a", "email": "a@b.example"}]}),
        (
            "/users/identify",
            {
                "aliases_to_identify": [{"external_id": "a", "user_alias": alias("n")}] * 26,
                "phone_numbers_to_identify": [
                    {"external_id": "a", "phone": "+15550001111", "prioritization": ["unidentified"]}
                ]
                * 25,
            },
        ),
    ],
)
def test_one_bad_object_refuses_the_request(client: Client, path: str, body: Any) -> None:
    assert client.post(path, body).status_code == 400


def test_the_pool_is_shared(client: Client) -> None:
    left = [
        int(client.post(path, {}).headers["x-ratelimit-remaining"])
        for path in ("/users/merge", "/users/delete", "/users/identify", "/users/alias/new", "/users/alias/update")
    ]
    assert left == [19_999, 19_998, 19_997, 19_996, 19_995]


def test_deletions_and_renames_survive_a_restart(tmp_path: Any) -> None:
    from braze_sandbox.testing import Sandbox  # noqa: PLC0415 - at run time here only

    from tests.sandbox.conftest import Client  # noqa: PLC0415 - as above

    for turn in range(2):
        with Sandbox(seed="empty", data=tmp_path) as sandbox:
            client = Client(sandbox)
            if turn == 0:
                client.track(attributes=[{"external_id": who, "x": 1} for who in "ab"])
                sandbox.instance.profiles.save()
                client.post("/users/delete", {"external_ids": ["b"]})
                pair = {"current_external_id": "a", "new_external_id": "a2"}
                client.post("/users/external_ids/rename", {"external_id_renames": [pair]})
            user = sandbox.profile("a")
            assert user
            assert user.external_id == "a2"
            assert sandbox.profile("b") is None
            client.close()
