"""Answers of the real Braze that clients have recorded, where they differ from its documentation or go beyond it."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
import requests
from braze_sandbox.model.objects import Send
from braze_sandbox.testing import Sandbox

from tests.sandbox.conftest import TODAY, Client

if TYPE_CHECKING:
    from collections.abc import Iterator

GOOD = {"external_id": "good", "plan": "plus"}
WHEN = "2026-03-04T09:00:00Z"
ALL_REFUSED = "Valid data must be provided in the 'attributes', 'events', or 'purchases' fields."
EMAIL = "The value provided for the 'email' field is not a valid email."


@pytest.fixture(scope="module")
def by_the_book() -> Iterator[Sandbox]:
    with Sandbox(seed="small", today=TODAY, behavior="documented") as sandbox:
        yield sandbox


@pytest.fixture
def documented(by_the_book: Sandbox) -> Iterator[Client]:
    by_the_book.reset()
    made = Client(by_the_book)
    yield made
    made.close()


def test_a_request_whose_objects_are_all_refused_is_a_400_that_names_each(client: Client, sandbox: Sandbox) -> None:
    answer = client.post(
        "/users/track",
        {
            "attributes": [{"external_id": "a", "email": "nonsense"}, {"plan": "plus"}],
            "purchases": [
                {"external_id": "a", "product_id": "p", "currency": "EUR", "price": 1, "quantity": 0, "time": WHEN}
            ],
        },
    )
    assert answer.status_code == 400
    assert answer.json() == {
        "message": ALL_REFUSED,
        "errors": [
            {"type": EMAIL, "input_array": "attributes", "index": 0},
            {
                "type": "'external_id', 'braze_id', 'user_alias', 'email' or 'phone' is required",
                "input_array": "attributes",
                "index": 1,
            },
            {"type": "'quantity' is not valid", "input_array": "purchases", "index": 0},
        ],
    }
    assert sandbox.profiles() == []


def test_a_fault_that_refuses_all_objects_is_a_400_too(client: Client, sandbox: Sandbox) -> None:
    errors = [{"input_array": "attributes", "contains": "good", "type": "no"}]
    sandbox.fault(path="/users/track", do="partial_errors", errors=errors)
    answer = client.post("/users/track", {"attributes": [GOOD]})
    assert answer.status_code == 400
    assert answer.json()["errors"] == [{"type": "no", "input_array": "attributes", "index": 0}]


def test_the_documentation_has_codes_and_a_201(documented: Client) -> None:
    answer = documented.post("/users/track", {"attributes": [{"external_id": "a", "email_subscribe": "maybe"}]})
    assert answer.status_code == 201
    assert answer.json()["errors"][0]["type"] == "BAD_EMAIL_SUBSCRIPTION_STATE"


def test_a_body_without_objects_is_answered_with_the_same_sentence(client: Client) -> None:
    assert client.post("/users/track", {}).json()["message"] == ALL_REFUSED


def test_whole_numbers_are_ids(client: Client, sandbox: Sandbox) -> None:
    purchase = {"external_id": 17, "product_id": 5, "currency": "EUR", "price": 1, "time": WHEN}
    client.track(attributes=[{"external_id": 17, "plan": "plus"}], purchases=[purchase])
    (profile,) = sandbox.profiles()
    assert (profile.external_id, profile.purchases[0]["product_id"]) == ("17", "5")
    export = {"external_ids": [17, 18], "fields_to_export": ["external_id"]}
    answer = client.post("/users/export/ids", export).json()
    assert answer["users"] == [{"external_id": "17"}]
    assert answer["invalid_user_ids"] == [18]
    alias = {"alias_label": "l", "alias_name": "n"}
    client.post("/users/alias/new", {"user_aliases": [alias]})
    answer = client.post("/users/identify", {"aliases_to_identify": [{"external_id": 19, "user_alias": alias}]})
    assert answer.ok
    assert sandbox.profile("19")
    assert client.post("/users/delete", {"external_ids": [17, 19]}).json() == {"deleted": 2, "message": "success"}
    assert sandbox.profiles() == []
    assert [(note["path"], note["object"]) for note in sandbox.notes] == [
        ("attributes[0].external_id", 17),
        ("purchases[0].external_id", 17),
        ("purchases[0].product_id", 5),
        ("external_ids[0]", 17),
        ("external_ids[1]", 18),
        ("aliases_to_identify[0].external_id", 19),
        ("external_ids[0]", 17),
        ("external_ids[1]", 19),
    ]
    assert sandbox.violations == []


def test_numbers_that_are_data_are_no_ids(client: Client, sandbox: Sandbox) -> None:
    event = {"external_id": "a", "name": "seen", "time": WHEN, "properties": {"product_id": 5}}
    client.track(attributes=[{"external_id": "a", "cart": {"product_id": 5}}], events=[event])
    assert sandbox.notes == []


def test_numbers_as_ids_violate_the_documentation(documented: Client, by_the_book: Sandbox) -> None:
    documented.track(attributes=[{"external_id": 17, "plan": "plus"}])
    assert [violation["path"] for violation in by_the_book.violations] == ["attributes[0].external_id"]
    assert by_the_book.notes == []


def test_one_bad_object_to_identify_leaves_the_others(client: Client, sandbox: Sandbox) -> None:
    names = [{"alias_label": "l", "alias_name": name} for name in "abc"]
    client.post("/users/alias/new", {"user_aliases": names})
    given = [
        {"user_alias": alias} | ({"external_id": f"u{number}"} if number != 1 else {})
        for number, alias in enumerate(names)
    ]
    answer = client.post("/users/identify", {"aliases_to_identify": given})
    assert answer.status_code == 201
    assert answer.json() == {
        "aliases_processed": 2,
        "errors": [{"type": "'external_id' is required", "input_array": "user_identifiers", "index": 1}],
        "message": "success",
    }
    assert [sandbox.profile(f"u{number}") is not None for number in range(3)] == [True, False, True]


def test_aliases_may_be_nested(client: Client, sandbox: Sandbox) -> None:
    alias = {"alias_label": "l", "alias_name": "n"}
    assert client.post("/users/alias/new", {"user_aliases": [{"user_alias": alias}]}).status_code == 201
    assert sandbox.profile_by(alias=("l", "n"))


def test_a_wrong_key_has_rate_limit_headers_that_are_empty(sandbox: Sandbox) -> None:
    answer = requests.get(sandbox.url + "/segments/list", headers={"Authorization": "Bearer nobody"}, timeout=10)
    assert answer.status_code == 401
    assert answer.json() == {"message": "Invalid API key"}
    assert [answer.headers[f"x-ratelimit-{name}"] for name in ("limit", "remaining", "reset")] == [""] * 3


def test_unknown_subscription_groups_are_refused(client: Client) -> None:
    group = "195081f8-e8aa-4f1d-ba99-d02a7cf22358"
    one = {"subscription_group_id": group, "subscription_state": "subscribed"}
    for answer in (
        client.post("/subscription/status/set", {**one, "external_id": "a"}),
        client.post("/v2/subscription/status/set", {"subscription_groups": [{**one, "external_ids": ["a"]}]}),
        client.get("/subscription/status/get", subscription_group_id=group, external_id="a"),
    ):
        assert (answer.status_code, answer.json()) == (400, {"message": "Invalid subscription group ID"})


def test_identifiers_of_subscriptions_may_be_texts(client: Client, sandbox: Sandbox) -> None:
    group = next(one for one in sandbox.workspace.subscription_groups.values() if one.channel == "email")
    client.track(attributes=[{"external_id": "a", "email": "a@shop.example"}])
    one = {"subscription_group_id": group.id, "subscription_state": "subscribed"}
    assert client.post("/subscription/status/set", {**one, "external_id": "a"}).status_code == 201
    many = {"subscription_groups": [{**one, "subscription_state": "unsubscribed", "emails": "a@shop.example"}]}
    assert client.post("/v2/subscription/status/set", many).status_code == 201
    profile = sandbox.profile("a")
    assert profile is not None
    assert profile.attributes["subscription_groups"] == {group.id: "unsubscribed"}
    both = client.post("/subscription/status/set", {**one, "email": "a@shop.example", "phone": "+12025550123"})
    assert both.json()["message"] == "Either an email address or a phone number should be provided, but not both."


def test_offsets_without_a_leading_zero(client: Client, sandbox: Sandbox) -> None:
    client.track(events=[{"external_id": "a", "name": "seen", "time": "2020-06-28T23:59:59-5:00"}])
    (profile,) = sandbox.profiles()
    assert profile.events[0]["time"].isoformat() == "2020-06-29T04:59:59+00:00"
    (campaign, *_) = sandbox.workspace.campaigns
    answer = client.get(
        "/campaigns/data_series", campaign_id=campaign, length=1, ending_at="2026-03-10T23:59:59-5:00"
    ).json()
    assert len(answer["data"]) == 1


def test_time_zones_by_their_names_in_rails(client: Client, sandbox: Sandbox) -> None:
    client.track(attributes=[{"external_id": "a", "time_zone": "Eastern Time (US & Canada)"}])
    assert sandbox.violations == []


def test_exports_as_recorded(client: Client, sandbox: Sandbox) -> None:
    client.track(attributes=[{"external_id": "a", "email_subscribe": "unsubscribed", "seen": WHEN}])
    fields = ["created_at", "user_aliases", "total_revenue", "email_subscribe", "custom_attributes", "braze_id"]
    body = {"external_ids": ["a"], "fields_to_export": fields}
    answer = client.post("/users/export/ids", body)
    assert answer.status_code == 201
    (user,) = answer.json()["users"]
    assert (user["user_aliases"], user["total_revenue"]) == ([], 0.0)
    assert user["created_at"][-5:-4] == "."
    assert user["custom_attributes"] == {"seen": "2026-03-04T09:00:00.000Z"}
    assert user["email_unsubscribed_at"].endswith("Z")
    sandbox.fault(path="/users/export/ids", do="export_appboy_id")
    (renamed,) = client.post("/users/export/ids", body).json()["users"]
    assert renamed["appboy_id"] == user["braze_id"]
    assert "braze_id" not in renamed


def test_exports_as_documented(documented: Client) -> None:
    documented.track(attributes=[{"external_id": "a"}])
    answer = documented.post("/users/export/ids", {"external_ids": ["a"], "fields_to_export": ["created_at"]})
    assert answer.status_code == 200
    assert answer.json()["users"][0]["created_at"].endswith(" UTC")


def test_old_accounts_need_not_name_the_fields() -> None:
    with Sandbox(seed="empty", fields_required=False) as sandbox:
        client = Client(sandbox)
        client.track(attributes=[{"external_id": "a"}])
        assert client.post("/users/export/ids", {"external_ids": ["a"]}).json()["users"][0]["external_id"] == "a"
        client.close()


def test_a_callback_may_be_empty(client: Client, sandbox: Sandbox) -> None:
    (segment, *_) = sandbox.workspace.segments
    body = {"segment_id": segment, "fields_to_export": ["braze_id"], "callback_endpoint": ""}
    assert client.post("/users/export/segment", body).status_code == 201


@pytest.mark.parametrize(
    ("path", "name", "says"),
    [
        ("/campaigns/details", "campaign_id", "campaign_id must be a string of the campaign api identifier"),
        ("/canvas/details", "canvas_id", "canvas_id must be a string of the Canvas api identifier"),
    ],
)
def test_unknown_campaigns_and_canvases(client: Client, path: str, name: str, says: str) -> None:
    answer = client.get(path, **{name: "non-existing"})
    assert (answer.status_code, answer.json()) == (400, {"message": says})


def test_catalogs_have_more_than_documented(client: Client, documented: Client) -> None:
    (recorded, *_), (by_the_book, *_) = (one.get("/catalogs").json()["catalogs"] for one in (client, documented))
    assert (recorded["source"], recorded["selections_size"], recorded["selections"]) == ("Braze", 0, [])
    assert recorded["storage_size"] > 0
    assert recorded["fields"][0] == {"name": "id", "type": "string", "token": "-1"}
    assert recorded.keys() - by_the_book.keys() == {"source", "storage_size", "selections_size", "selections"}


def test_events_without_tags_have_null(client: Client, documented: Client) -> None:
    for one in (client, documented):
        one.track(events=[{"external_id": "a", "name": "untagged", "time": WHEN}])
    tags = [
        next(row["tag_names"] for row in one.get("/events").json()["events"] if row["name"] == "untagged")
        for one in (client, documented)
    ]
    assert tags == [None, []]


def test_blocks_say_where_they_are_used(client: Client, sandbox: Sandbox) -> None:
    (block, *_) = sandbox.workspace.content_blocks.values()
    block.included_in = [{"campaign_id": "c", "message_variation_id": "m"}]
    answer = client.get("/content_blocks/info", content_block_id=block.id, include_inclusion_data="true").json()
    assert answer["inclusion_data"] == [{"campaign_id": "c", "message_variation_id": "m"}]


def test_metrics_go_beyond_the_documentation() -> None:
    found = {}
    for behavior in ("recorded", "documented"):
        with Sandbox(seed="demo", today=TODAY, behavior=behavior) as sandbox:
            client = Client(sandbox)
            metrics: dict[str, set[str]] = {}
            for campaign in sandbox.workspace.campaigns.values():
                answer = client.get("/campaigns/data_series", campaign_id=campaign.id, length=1).json()
                for row in answer["data"]:
                    metrics.setdefault("row", set()).update(row)
                    for channel, variations in row["messages"].items():
                        metrics.setdefault(channel, set()).update(*variations)
            found[behavior] = metrics
            client.close()
    more = {channel: found["recorded"][channel] - found["documented"][channel] for channel in found["recorded"]}
    assert {channel: names for channel, names in more.items() if names} == {
        "row": {"conversions4", "conversions4_by_send_time"},
        "email": {"machine_open", "machine_amp_open"},
        "ios_push": {"notif_button_1_Track_click", "carousel_slide_1_Parcel_click"},
        "android_push": {"notif_button_1_Track_click", "carousel_slide_1_Parcel_click"},
        "banners": {"dismissals", "unique_daily_impressions"},
    }


def test_sends_count_what_becomes_of_pushes(client: Client, sandbox: Sandbox) -> None:
    campaign = next(one for one in sandbox.workspace.campaigns.values() if "ios_push" in one.channels)
    campaign.is_api_campaign = True
    sent_at = sandbox.workspace.now()
    sandbox.workspace.sends["mine"] = Send(id="mine", campaign_id=campaign.id, sent_at=sent_at)
    answer = client.get("/sends/data_series", campaign_id=campaign.id, send_id="mine", length=1).json()
    for variation in answer["data"][0]["messages"]["ios_push"]:
        assert {"delivered", "undelivered", "delivery_failed"} <= variation.keys()
