"""Whatever is thrown at the sandbox is answered, and never with a 500; web sites do not reach what needs no key."""

from __future__ import annotations

import asyncio
import base64
import json
import re
import socket
from contextlib import closing
from http.client import HTTPConnection
from typing import TYPE_CHECKING, Any
from urllib.parse import quote, unquote, urlencode, urlsplit

import pytest
import requests
from braze_sandbox.endpoints.registry import ENDPOINTS
from braze_sandbox.model.ids import key
from braze_sandbox.model.user_object import FIELDS
from braze_sandbox.server.app import create_app
from braze_sandbox.state.instance import Instance
from braze_sandbox.state.options import Options
from braze_sandbox.wire.answer import BODY_BYTES, READ_BYTES
from hypothesis import example, given, settings
from hypothesis import strategies as st

from tests.sandbox.conftest import TODAY

if TYPE_CHECKING:
    from collections.abc import Iterator

    from braze_sandbox.testing import Sandbox

    from tests.sandbox.conftest import Client

# Names and values that the endpoints look for, so that generated requests pass the first check.
NAMES = """
alias_label alias_name alias_updates aliases_to_identify attributes braze_id braze_ids callback_endpoint catalogs
currency current_external_id current_location custom_attributes_to_export cursor description device_id dob email
email_address email_addresses email_subscribe emails emails_to_identify ending_at event events external_id
external_id_renames external_ids fields fields_to_export id identifier_to_keep identifier_to_merge items language
last_edit.time[gt] latitude length limit longitude merge_updates name new_alias_name new_external_id offset
old_alias_name output_format page phone phone_number phone_numbers phones price prioritization product_id properties
purchases push_token_import push_tokens quantity reason segment_id sort_direction start_date end_date starting_at
subscription_group_id subscription_groups subscription_state time time_zone type unit user_alias user_aliases value
add remove inc $add $remove $update $time $identifier_key $identifier_value $new_object _merge_objects
_update_existing_only app_id token campaign_id canvas_id send_id card_id email_template_id content_block_id locale_id
modified_after modified_before product recipients external_user_id external_user_ids trigger_properties context
audience broadcast messages schedule schedule_id in_local_time send_to_existing_only AND OR custom_attribute
custom_attribute_name comparison translation_map selection filters filter records braze_id rel_kind anchor
""".split()  # noqa: SIM905 - a list literal of 90 lines says no more
TEXTS = st.one_of(
    st.sampled_from(
        [
            "",
            " ",
            "a",
            "a@b.example",
            "+12025550123",
            "2026-03-04T09:00:00Z",
            "0001-01-01",
            "0001-01-01T00:00:00+14:00",
            "9999-12-31T23:59:59-12:00",
            "-1",
            "0",
            "1",
            "14",
            "100",
            "9" * 30,
            "9" * 5000,
            "\u00b2",
            "\u0663",
            "subscribed",
            "asc",
            "true",
            "hour",
            "EUR",
            "\ud800",
            "\x00",
            "identified",
            "zip",
            "external_id",
            "ecommerce.order_placed",
            "string",
            "time",
            "object",
            "c2tpcDo5OTk5",
        ]
    ),
    st.sampled_from(NAMES),
    st.text(max_size=5),
)
LEAVES = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(),
    st.sampled_from([0, -1, 101, 10**30, 10**400, -(10**400), 1e308, -1e308, 5e-324]),
    st.floats(allow_nan=False, allow_infinity=False),
    TEXTS,
)
VALUES = st.recursive(
    LEAVES,
    lambda inner: st.one_of(
        st.lists(inner, max_size=4), st.dictionaries(st.one_of(st.sampled_from(NAMES), st.text(max_size=3)), inner)
    ),
    max_leaves=12,
)
BODIES = st.one_of(
    st.dictionaries(st.sampled_from(NAMES), VALUES, max_size=5).map(lambda body: json.dumps(body).encode()),
    VALUES.map(lambda value: json.dumps(value).encode()),
    st.binary(max_size=20),
    st.sampled_from([b'{"a":1e400}', b'{"a":NaN}', b'{"a":' * 3000, b'{"a":' * 900 + b"1" + b"}" * 900, b"\xff", b"{"]),
)
ALIAS = {"alias_label": "l", "alias_name": "n"}
WHEN = "2026-03-04T09:00:00Z"
GROUP = {"subscription_group_id": "7c4f0e6b-52f3-4a6e-9a2e-1d5a8c3b0f11", "subscription_state": "subscribed"}
ATTRIBUTES = {
    "external_id": "a",
    "email": "a@b.example",
    "phone": "+12025550123",
    "plan": "x",
    "visits": {"inc": 1},
    "tags": {"add": ["x"], "remove": ["y"]},
    "home": {"city": "x", "at": {"$time": WHEN}},
    "orders": {"$update": [{"$identifier_key": "no", "$identifier_value": 1, "$new_object": {"state": "sent"}}]},
    "parts": [{"no": 1}],
    "dob": "2000-01-01",
    "time_zone": "UTC",
    "email_subscribe": "opted_in",
    "date_of_first_session": WHEN,
    "current_location": {"longitude": 1, "latitude": 1},
    "push_tokens": [{"app_id": "x", "token": "t", "device_id": "device"}],
    "subscription_groups": [GROUP],
    "_merge_objects": True,
    "_update_existing_only": False,
}
EVENT = {"external_id": "a", "name": "n", "time": WHEN, "properties": {"x": [{"y": 1}]}, "app_id": "x"}
PRODUCT = {"product_id": "p", "product_name": "P", "variant_id": "v", "quantity": 1, "price": 1}
ORDER = {"order_id": "o", "total_value": 1, "currency": "EUR", "source": "shop", "products": [PRODUCT]}
PURCHASE = {"external_id": "a", "product_id": "p", "currency": "EUR", "price": 1, "quantity": 1, "time": WHEN}
TRACK = {
    "attributes": [ATTRIBUTES, {"user_alias": ALIAS, "x": 1}],
    "events": [EVENT, {**EVENT, "name": "ecommerce.order_placed", "properties": ORDER}],
    "purchases": [PURCHASE],
}
EMAIL = {"email": "a@b.example", "prioritization": ["identified"]}
EXPORT = {"external_ids": ["a"], "user_aliases": [ALIAS], "email_address": "a@b.example", "fields_to_export": ["email"]}
SEGMENT = {"segment_id": "x", "fields_to_export": ["email"], "output_format": "zip", "callback_endpoint": ""}
ITEM = {"id": "i", "title": "T", "price": 1, "released_at": WHEN, "dimensions": {"x": 1}}
AUDIENCE = {
    "AND": [
        {"custom_attribute": {"custom_attribute_name": "plan", "comparison": "less_than_x_days_ago", "value": 2}},
        {"OR": [{"push_subscription_status": {"comparison": "is", "value": "opted_in"}}]},
        {"last_used_app": {"comparison": "after", "value": WHEN}},
    ]
}
RECIPIENT = {"external_user_id": "a", "send_to_existing_only": False, "attributes": ATTRIBUTES, "context": {"x": 1}}
SCHEDULE = {"time": WHEN, "in_local_time": True, "at_optimal_time": False}
MESSAGE = {
    "external_user_ids": ["a"],
    "user_aliases": [ALIAS],
    "segment_id": key("segment", 0),
    "audience": AUDIENCE,
    "campaign_id": key("campaign", 2),
    "send_id": "s",
    "recipient_subscription_state": "all",
    "messages": {"sms": {"message_variation_id": key("campaign/2/sms", 0), "subscription_group_id": "x", "extra": {}}},
    "schedule": SCHEDULE,
}
TRIGGER = {
    "recipients": [RECIPIENT, {**EMAIL, "trigger_properties": {}}, {"user_alias": ALIAS}],
    "audience": AUDIENCE,
    "send_id": "s",
    "schedule": {"time": WHEN},
}


def triggers(kind: str) -> list[str]:
    """Return the paths that send a trigger or schedule one."""
    return [f"/{kind}/trigger/send", f"/{kind}/trigger/schedule/create"]


# One good request or more for each path that takes a body, to be spoiled in one place.
GOOD: dict[str, list[dict[str, Any]]] = {
    "/users/track": [TRACK],
    "/users/track/bulk": [TRACK],
    "/users/track/sync": [{"attributes": [ATTRIBUTES]}, {"events": [EVENT]}, {"purchases": [PURCHASE]}],
    "/users/alias/new": [{"user_aliases": [{"external_id": "a", **ALIAS}, {"user_alias": ALIAS}]}],
    "/users/alias/update": [{"alias_updates": [{"alias_label": "l", "old_alias_name": "n", "new_alias_name": "m"}]}],
    "/users/identify": [
        {
            "aliases_to_identify": [{"external_id": "a", "user_alias": ALIAS}],
            "emails_to_identify": [{"external_id": "a", **EMAIL}],
        }
    ],
    "/users/merge": [
        {
            "merge_updates": [
                {"identifier_to_merge": {"external_id": "a"}, "identifier_to_keep": {"user_alias": ALIAS}},
                {"identifier_to_merge": EMAIL, "identifier_to_keep": {"phone": "+12025550123"}},
            ]
        }
    ],
    "/users/delete": [{"external_ids": ["z"]}, {"user_aliases": [ALIAS]}, {"email_addresses": [EMAIL]}],
    "/users/external_ids/rename": [{"external_id_renames": [{"current_external_id": "a", "new_external_id": "b"}]}],
    "/users/external_ids/remove": [{"external_ids": ["a"]}],
    "/subscription/status/set": [{**GROUP, "external_id": ["a"]}, {**GROUP, "email": "a@b.example"}],
    "/v2/subscription/status/set": [{"subscription_groups": [{**GROUP, "phones": ["+12025550123"]}]}],
    "/email/status": [{"email": ["a@b.example"], "subscription_state": "unsubscribed"}],
    "/email/blocklist": [{"email": ["a@b.example"]}],
    "/email/bounce/remove": [{"email": "a@b.example"}],
    "/sms/invalid_phone_numbers/remove": [{"phone_numbers": ["12025550123"]}],
    "/users/export/ids": [EXPORT, {"device_id": "d", "fields_to_export": ["devices"]}],
    "/users/export/segment": [{**SEGMENT, "custom_attributes_to_export": ["plan"]}],
    "/users/export/global_control_group": [SEGMENT],
    "/catalogs": [{"catalogs": [{"name": "c", "description": "d", "fields": [{"name": "id", "type": "string"}]}]}],
    "/catalogs/{name}/fields": [{"fields": [{"name": "f", "type": "string"}]}],
    "/catalogs/{name}/items": [{"items": [ITEM, {**ITEM, "id": "j"}]}],
    "/catalogs/{name}/items/{item}": [{"items": [{key: value for key, value in ITEM.items() if key != "id"}]}],
    **{path: [MESSAGE] for path in ("/messages/send", "/messages/schedule/create")},
    **{path: [{**TRIGGER, "campaign_id": key("campaign", 2)}] for path in triggers("campaigns")},
    **{path: [{**TRIGGER, "canvas_id": key("canvas", 1)}] for path in triggers("canvas")},
    "/transactional/v1/campaigns/{campaign_id}/send": [{"recipient": RECIPIENT, "external_send_id": "x"}],
    "/sends/id/create": [{"campaign_id": key("campaign", 2), "send_id": "s"}],
    "/messages/live_activity/start": [
        {
            "app_id": key("app", "Shop iOS"),
            "activity_id": "x",
            "activity_attributes_type": "T",
            "activity_attributes": {},
            "content_state": {},
            "notification": {},
            "custom_audience": AUDIENCE,
        }
    ],
    "/templates/email/create": [{"template_name": "n", "subject": "s", "body": "b", "tags": ["seed"]}],
    "/templates/email/update": [{"email_template_id": key("template", 0), "body": "b", "should_inline_css": True}],
    "/content_blocks/create": [{"name": "n", "content": "c", "description": "d", "state": "draft", "tags": []}],
    "/content_blocks/update": [{"content_block_id": key("content block", 0), "content": "c", "state": "active"}],
    "/preference_center/v1": [
        {"name": "n", "preference_center_page_html": "p", "confirmation_page_html": "c", "options": {}}
    ],
    "/campaigns/translations": [
        {
            "campaign_id": key("campaign", 0),
            "message_variation_id": key("campaign/0/email", 0),
            "locale_id": key("locale", "es-MX"),
            "translation_map": {"id_0": "x"},
        }
    ],
    "/catalogs/{name}/selections": [
        {
            "selection": {
                "name": "s",
                "external_id": "s",
                "source": "custom",
                "filters": [{"field": "title", "operator": "equals", "value": "x"}],
                "results_limit": 5,
                "sort_field": "title",
                "sort_order": "asc",
            }
        }
    ],
    "/campaigns/duplicate": [{"campaign_id": key("campaign", 0), "name": "n", "tag_names": ["seed"]}],
    "/app_group/sdk_authentication/create": [
        {"app_id": key("app", "Shop iOS"), "rsa_public_key_str": "-----BEGIN PUBLIC KEY-----", "description": "d"}
    ],
    "/apps/push_credential/update": [{"app_id": key("app", "Shop iOS"), "firebase": {"credential": "e30="}}],
    "/media_library/create": [{"asset_url": "https://a.example/b.png", "name": "n"}],
    "/scim/v2/Users": [
        {
            "schemas": ["urn:ietf:params:scim:schemas:core:2.0:User"],
            "userName": "a@b.example",
            "name": {"givenName": "A", "familyName": "B"},
            "department": "d",
            "permissions": {},
        }
    ],
    "/data_objects/objects": [
        {"records": [{"type_name": "account", "object_id": "x", "attributes": {"name": "n", "since": WHEN}}]}
    ],
    "/data_objects/object_relationships": [
        {
            "records": [
                {
                    "type_name": "account",
                    "object_id": "acct-0",
                    "rel_kind": "subaccount",
                    "related_type_name": "account",
                    "related_object_id": "acct-1",
                    "attributes": {},
                }
            ]
        }
    ],
    "/data_objects/user_relationships": [
        {
            "records": [
                {
                    "type_name": "account",
                    "object_id": "acct-0",
                    "rel_kind": "account_user",
                    "user": {"alias": {"alias_label": "l", "alias_name": "n"}},
                    "attributes": {"role": "r"},
                }
            ]
        }
    ],
    "/data_objects/objects/{type}": [{"external_id": "x", "attributes": {"name": "n", "since": WHEN, "credits": 1}}],
    "/data_objects/objects/{type}/{id}": [{"attributes": {"name": "n"}, "display_name": "d"}],
    "/data_objects/objects/{type}/{id}/object_relationships": [
        {"rel_kind": "subaccount", "related_type_name": "account", "related_external_id": "acct-1", "anchor": "target"}
    ],
}


def spoiled(data: st.DataObject, value: Any) -> Any:
    """Return a copy of a value with something else in one place."""
    inside = (
        list(value.items()) if isinstance(value, dict) else list(enumerate(value)) if isinstance(value, list) else []
    )
    if not inside or data.draw(st.integers(0, 4)) == 0:
        return data.draw(VALUES)
    at, inner = data.draw(st.sampled_from(inside))
    copy = value.copy()
    if data.draw(st.integers(0, 9)) == 0:
        del copy[at]
    else:
        copy[at] = spoiled(data, inner)
    return copy


def body_for(data: st.DataObject, path: str) -> bytes:
    good = GOOD.get(path)
    if good and data.draw(st.integers(0, 3)):
        return json.dumps(spoiled(data, data.draw(st.sampled_from(good)))).encode()
    return data.draw(BODIES)


HEADERS = st.sampled_from(
    [
        {},
        {"content-type": "application/json; charset=utf-8"},
        {"content-type": "text/plain"},
        {"authorization": "Bearer"},
        {"authorization": "\xff"},
        {"range": "bytes=5-2"},
        {"range": "bytes=" + "9" * 5000 + "-"},
        {"host": "["},
        {"host": "\xff"},
        {"origin": "null"},
        {"x-request-origin": "x"},
    ]
)


class Direct:
    """Calls an application without a server in between, so that its exceptions reach the test."""

    def __init__(self, instance: Instance) -> None:
        self.instance = instance
        self._app = create_app(instance)
        self._loop = asyncio.new_event_loop()

    def call(self, method: str, path: str, query: str, headers: dict[str, str], body: bytes) -> tuple[int, bytes]:
        scope = {
            "type": "http",
            "asgi": {"version": "3.0"},
            "http_version": "1.1",
            "method": method,
            "path": path,
            "raw_path": path.encode("utf-8", "replace"),
            "root_path": "",
            "scheme": "http",
            "query_string": query.encode("latin-1"),
            "headers": [(name.encode(), value.encode("latin-1")) for name, value in headers.items()],
            "client": ("127.0.0.1", 1),
            "server": ("127.0.0.1", 80),
        }
        sent: list[dict[str, Any]] = []

        async def receive() -> dict[str, Any]:
            return {"type": "http.request", "body": body, "more_body": False}

        async def send(message: Any) -> None:
            sent.append(message)

        self._loop.run_until_complete(self._app(scope, receive, send))
        return sent[0]["status"], b"".join(message.get("body", b"") for message in sent[1:])

    def close(self) -> None:
        for task in asyncio.all_tasks(self._loop):
            task.cancel()
        self._loop.run_until_complete(asyncio.sleep(0))
        self._loop.close()


@pytest.fixture(scope="module")
def direct() -> Iterator[Direct]:
    instance = Instance(Options(seed="small", today=TODAY, export_seconds=0, unknown_groups="kept", users=3))
    instance.workspace.campaigns[key("campaign", 2)].transactional = True
    made = Direct(instance)
    yield made
    made.close()


KEY = {"authorization": "Bearer sandbox-key", "content-type": "application/json", "host": "localhost"}
QUERIES = st.lists(st.tuples(st.sampled_from(NAMES), TEXTS), max_size=5)


def ids(direct: Direct, data: st.DataObject) -> list[tuple[str, str]]:
    """Return what lets the series and the details pass their first checks."""
    if not data.draw(st.booleans()):
        return []
    workspace = direct.instance.workspace
    kinds: dict[str, Any] = {
        "campaign_id": workspace.campaigns,
        "canvas_id": workspace.canvases,
        "segment_id": workspace.segments,
        "card_id": workspace.cards,
        "send_id": workspace.sends,
        "email_template_id": workspace.templates,
        "content_block_id": workspace.content_blocks,
        "subscription_group_id": workspace.subscription_groups,
        "event": dict.fromkeys(workspace.events),
    }
    return [("length", "5"), *((name, next(iter(sorted(objects)))) for name, objects in kinds.items() if objects)]


def path_of(data: st.DataObject, template: str) -> str:
    names = st.one_of(TEXTS, st.sampled_from(["products", "item-000", "account", "acct-0", key("campaign", 2)]))
    return re.sub("{.*?}", lambda _: data.draw(names).replace("/", "").replace("\ud800", ""), template)


@settings(max_examples=500)
@given(data=st.data(), endpoint=st.sampled_from(ENDPOINTS), headers=HEADERS)
def test_no_request_is_answered_with_a_500(
    direct: Direct, data: st.DataObject, endpoint: Any, headers: dict[str, str]
) -> None:
    query = urlencode([*ids(direct, data), *data.draw(QUERIES)], errors="replace")
    body = body_for(data, endpoint.path) if endpoint.method != "GET" else b""
    status, answer = direct.call(endpoint.method, path_of(data, endpoint.path), query, KEY | headers, body)
    assert 200 <= status < 500 or status == 501
    assert status == 204 or answer.startswith((b"<?xml", b"PK")) or isinstance(json.loads(answer), dict)
    # What was taken in can be shown.
    body = json.dumps({"external_ids": ["a"], "fields_to_export": sorted(FIELDS)}).encode()
    assert direct.call("POST", "/users/export/ids", "", KEY, body)[0] in (201, 429)


@pytest.mark.parametrize(
    ("path", "query"),
    [
        ("/campaigns/list", "page=" + "9" * 5000),
        ("/content_blocks/list", "limit=" + "9" * 5000),
        ("/catalogs/products/items", "cursor=" + base64.b64encode(b"skip:" + b"9" * 5000).decode()),
        ("/a%0Ab", ""),
    ],
)
def test_a_number_of_thousands_of_digits_is_no_number(direct: Direct, path: str, query: str) -> None:
    status, answer = direct.call("GET", unquote(path), query, KEY, b"")
    assert status in (400, 404)
    assert json.loads(answer)["message"]


def test_an_alias_of_no_texts_is_refused(direct: Direct) -> None:
    body = {"user_aliases": [{"alias_label": [], "alias_name": "n"}], "fields_to_export": ["email"]}
    assert direct.call("POST", "/users/export/ids", "", KEY, json.dumps(body).encode())[0] == 400


@pytest.mark.parametrize("price", [10**400, 1e308])
def test_an_absurd_price_can_be_exported(sandbox: Sandbox, client: Client, price: float) -> None:
    client.post("/users/track", {"purchases": [{**PURCHASE, "price": price, "quantity": 100}]})
    answer = client.post("/users/export/ids", {"external_ids": ["a"], "fields_to_export": ["total_revenue"]})
    assert answer.status_code == 201
    assert "Infinity" not in answer.text
    assert client.get("/sandbox/users").status_code == 200
    assert len(sandbox.profiles()) <= 1


@settings(max_examples=300)
@given(body=BODIES, headers=HEADERS, then=st.sampled_from(["/users/track", "/segments/list"]))
@example(body=b'{"do":"status","path":5}', headers={}, then="/users/track")
@example(body=b'{"do":"status","status":"x"}', headers={}, then="/users/track")
@example(body=b'{"do":"status","status":99}', headers={}, then="/users/track")
@example(body=b'{"do":"status","headers":{"a b":"c\\nd"}}', headers={}, then="/users/track")
@example(body=b'{"do":"status","status":429,"reset_in":1e308}', headers={}, then="/users/track")
@example(body=b'{"do":"latency","latency_ms":"x"}', headers={}, then="/users/track")
@example(body=b'{"do":"partial_errors","errors":[{}]}', headers={}, then="/users/track")
@example(body=b'{"do":"partial_errors","errors":[{"input_array":"a","index":"x"}]}', headers={}, then="/users/track")
@example(body=b'{"do":"status","times":"x"}', headers={}, then="/users/track")
@example(body=b'{"do":"status","query":"x"}', headers={}, then="/users/track")
@example(body=b'{"do":"status","contains":5}', headers={}, then="/users/track")
@example(body=b'{"do":"garbage","body":"\\ud800"}', headers={}, then="/users/track")
@example(body=b"[5, null]", headers={}, then="/users/track")
def test_a_bad_fault_rule_is_refused_when_it_is_made(
    direct: Direct, body: bytes, headers: dict[str, str], then: str
) -> None:
    status, _ = direct.call("POST", "/sandbox/faults", "", {"host": "localhost", **headers}, body)
    assert 200 <= status < 500
    made = {"attributes": [{"external_id": "a", "plan": "x"}]}
    try:
        rules = json.loads(body)
        if (
            status == 200
            and isinstance(rules, dict)
            and rules.get("do") in ("drop_before", "drop_after", "drop_during")
        ):
            return
        status, _ = direct.call("POST" if then == "/users/track" else "GET", then, "", KEY, json.dumps(made).encode())
        assert 200 <= status < 600
    except (ValueError, RecursionError):
        return
    finally:
        direct.call("DELETE", "/sandbox/faults", "", {"host": "localhost"}, b"")


@settings(max_examples=200)
@given(
    method=st.sampled_from(["GET", "POST", "DELETE", "HEAD", "OPTIONS", "PATCH"]),
    path=st.one_of(
        st.sampled_from(
            ["users", "events", "purchases", "requests", "violations", "summary", "faults", "health", "nothing", ""]
        ),
        TEXTS.map(lambda text: "users/" + text.replace("\ud800", "")),
    ),
    body=BODIES,
)
def test_no_page_of_the_sandbox_is_a_500(direct: Direct, method: str, path: str, body: bytes) -> None:
    status, _ = direct.call(method, "/sandbox/" + path, "", {"host": "localhost"}, body)
    assert 200 <= status < 500


# Bodies without an end


def post_in_chunks(sandbox: Sandbox, path: str, size: int, *, end: bool) -> tuple[int, str | None]:
    """Send a body of one byte more than a size, and its end or not; return the status and the header Connection."""
    parts = urlsplit(sandbox.url)
    with closing(HTTPConnection(str(parts.hostname), parts.port, timeout=30)) as made:
        made.putrequest("POST", path)
        for name, value in (
            ("Authorization", f"Bearer {sandbox.api_key}"),
            ("Content-Type", "application/json"),
            ("Transfer-Encoding", "chunked"),
        ):
            made.putheader(name, value)
        made.endheaders()
        piece = b"x" * 500_000
        for part in (*[piece] * (size // len(piece)), b"x"):
            made.send(b"%x\r\n%s\r\n" % (len(part), part))
        if end:
            made.send(b"0\r\n\r\n")
        with made.getresponse() as answer:
            return answer.status, answer.getheader("connection")


@pytest.mark.parametrize(("path", "status"), [("/users/track", 413), ("/users/track/bulk", 400)])
def test_a_chunked_body_that_is_too_large_is_refused(sandbox: Sandbox, path: str, status: int) -> None:
    assert post_in_chunks(sandbox, path, 2 * BODY_BYTES, end=True) == (status, None)
    (request,) = sandbox.requests
    assert request.body_size == 2 * BODY_BYTES + 1
    assert len(request.raw or b"") == BODY_BYTES + 1


@pytest.mark.parametrize("path", ["/users/track", "/sandbox/faults"])
def test_a_body_that_never_ends_is_answered(sandbox: Sandbox, path: str) -> None:
    assert post_in_chunks(sandbox, path, READ_BYTES, end=False) == (413, "close")


# Web sites


def named(sandbox: Sandbox, path: str, method: str = "GET", **headers: str) -> int:
    return requests.request(method, sandbox.url + path, headers=headers, timeout=10).status_code


@pytest.mark.parametrize(
    "host", ["evil.example", "evil.example:8027", "127.0.0.1.evil.example", "localhost.evil.example"]
)
def test_a_foreign_host_is_refused(sandbox: Sandbox, client: Client, host: str) -> None:
    client.track(attributes=[{"external_id": "a"}])
    assert named(sandbox, "/sandbox/users", Host=host) == 403
    assert named(sandbox, "/sandbox/reset", "POST", Host=host) == 403
    assert sandbox.profile("a")


@pytest.mark.parametrize("origin", ["https://evil.example", "null", "http://localhost:3000", ""])
def test_a_foreign_origin_is_refused(sandbox: Sandbox, origin: str) -> None:
    assert named(sandbox, "/sandbox/reset", "POST", Origin=origin) == 403


@pytest.mark.parametrize(
    "host", ["localhost", "localhost:8027", "LOCALHOST", "127.0.0.1", "[::1]:8027", "braze", "host.docker.internal:80"]
)
def test_ones_own_hosts_are_let_in(sandbox: Sandbox, host: str) -> None:
    assert named(sandbox, "/sandbox/health", Host=host) == 200
    assert named(sandbox, "/sandbox/health", Host=host, Origin=f"http://{host}") == 200


def test_a_request_without_a_host_is_let_in(sandbox: Sandbox) -> None:
    with socket.create_connection(("127.0.0.1", int(sandbox.url.rpartition(":")[2])), timeout=10) as plain:
        plain.sendall(b"GET /sandbox/health HTTP/1.0\r\n\r\n")
        assert b" 200 " in plain.recv(100)


def test_the_api_is_the_same_for_all_hosts(sandbox: Sandbox) -> None:
    key = f"Bearer {sandbox.api_key}"
    assert named(sandbox, "/segments/list", Host="braze.shop.example", Authorization=key) == 200
    assert named(sandbox, f"/sandbox/exports/{quote('a b')}.zip", Host="braze.shop.example") == 403


def test_a_refused_body_with_half_a_surrogate_pair_can_be_looked_at(direct: Direct) -> None:
    direct.call("POST", "/users/track", "", KEY, b'{"attributes": [{"external_id": "\\ud800"}]}')
    status, answer = direct.call("GET", "/sandbox/requests", "", KEY, b"")
    assert status == 200
    assert json.loads(answer)["requests"][-1]["body"] == {"attributes": [{"external_id": "\ud800"}]}
