"""Runs beside one real client: calls its methods as its documentation does, and prints what came of each as JSON.

Takes the client's name, the sandbox's URL and key, and ids to use. It needs the client and the standard library only.
"""

from __future__ import annotations

import asyncio
import json
import os
import sys
import urllib.request
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable

Calls = list[tuple[str, "Callable[[], Any]"]]
AT = "2026-03-04T09:00:00Z"
ATTRIBUTES = [{"external_id": "client-1", "plan": "plus"}]
EVENTS = [{"external_id": "client-1", "name": "opened", "time": AT}]
PURCHASES = [{"external_id": "client-1", "product_id": "sku-1", "currency": "USD", "price": 9.5, "time": AT}]
ALIAS = {"alias_label": "shop", "alias_name": "client-2"}


def braze_client(url: str, key: str, ids: dict[str, str]) -> Calls:
    """Braze's REST API by `braze.client.BrazeClient`."""
    # The tenacity that it pins is from before Python 3.11, which has no such function any more.
    vars(asyncio).setdefault("coroutine", lambda function: function)
    from braze.client import BrazeClient  # noqa: PLC0415 - each client has an environment of its own

    client = BrazeClient(key, url)
    return [
        ("user_track", lambda: client.user_track(attributes=ATTRIBUTES, events=EVENTS, purchases=PURCHASES)),
        ("user_export", lambda: client.user_export(external_ids=["client-1"], fields_to_export=["external_id"])),
        ("user_export, all fields", lambda: client.user_export(external_ids=["client-1"])),
        (
            "campaign_trigger_schedule_create",
            lambda: client.campaign_trigger_schedule_create(
                ids["campaign"], {"time": "2099-01-01T00:00:00Z"}, recipients=[{"external_user_id": ids["user"]}]
            ),
        ),
        ("user_delete", lambda: client.user_delete(["client-1"])),
    ]


def edx_braze_client(url: str, key: str, ids: dict[str, str]) -> Calls:
    """Braze's REST API by edX's `BrazeClient`."""
    from braze.client import BrazeClient  # noqa: PLC0415 - as above

    client: Any = BrazeClient(key, url, ids["app"])
    email = ids["email"]
    return [
        ("track_user", lambda: client.track_user(attributes=ATTRIBUTES, events=EVENTS, purchases=PURCHASES)),
        ("get_braze_external_id", lambda: client.get_braze_external_id(email)),
        ("get_braze_external_id_batch", lambda: client.get_braze_external_id_batch([email], "shop")),
        ("create_braze_alias", lambda: client.create_braze_alias(["client-2@example.com"], "shop")),
        (
            "identify_users",
            lambda: client.identify_users(
                [
                    {
                        "external_id": "client-3",
                        "user_alias": {"alias_label": "shop", "alias_name": "client-2@example.com"},
                    }
                ]
            ),
        ),
        ("create_recipients", lambda: client.create_recipients("shop", {"client-2@example.com": "client-3"})),
        ("send_email", lambda: client.send_email([email], "Hello", "<p>Hello</p>", "Shop <shop@example.com>")),
        (
            "send_campaign_message",
            lambda: client.send_campaign_message(ids["campaign"], recipients=[{"external_user_id": ids["user"]}]),
        ),
        (
            "send_canvas_message",
            lambda: client.send_canvas_message(ids["canvas"], recipients=[{"external_user_id": ids["user"]}]),
        ),
        ("unsubscribe_user_email", lambda: client.unsubscribe_user_email(email)),
        ("retrieve_unsubscribed_emails", lambda: client.retrieve_unsubscribed_emails("2020-01-01", "2099-01-01")),
    ]


def braze_sdk(url: str, key: str, _ids: dict[str, str]) -> Calls:
    """Braze's REST API by `braze_sdk`, whose endpoint is an attribute."""
    from braze_sdk.clients import ExportClient, UserDataClient  # noqa: PLC0415 - as above

    export, data = ExportClient(key), UserDataClient(key)
    export.end_point = data.end_point = url
    return [
        ("UserDataClient.add_custom_attributes_json", lambda: data.add_custom_attributes_json(ATTRIBUTES)),
        ("ExportClient.ids", lambda: export.ids(["client-1"])),
    ]


def braze_client_sdk(url: str, key: str, ids: dict[str, str]) -> Calls:
    """Braze's REST API by `braze.sdk.Braze`."""
    import braze  # noqa: F401, PLC0415 - puts its folder on the path
    from braze.sdk import Braze  # noqa: PLC0415 - as above

    client = Braze(url, key)
    block = {"name": "made_by_a_client", "content": "Hello"}
    return [
        ("users.track", lambda: client.users.track({"attributes": ATTRIBUTES, "events": EVENTS})),
        ("users.alias.new", lambda: client.users.alias.new({"user_aliases": [ALIAS]})),
        (
            "users.alias.update",
            lambda: client.users.alias.update(
                {"alias_updates": [{"alias_label": "shop", "old_alias_name": "client-2", "new_alias_name": "client-4"}]}
            ),
        ),
        (
            "users.identify",
            lambda: client.users.identify(
                {
                    "aliases_to_identify": [
                        {"external_id": "client-5", "user_alias": {"alias_label": "shop", "alias_name": "client-4"}}
                    ]
                }
            ),
        ),
        (
            "users.merge",
            lambda: client.users.merge(
                {
                    "merge_updates": [
                        {
                            "identifier_to_merge": {"external_id": "client-5"},
                            "identifier_to_keep": {"external_id": "client-1"},
                        }
                    ]
                }
            ),
        ),
        (
            "users.export.ids",
            lambda: client.users.export.ids({"external_ids": ["client-1"], "fields_to_export": ["external_id"]}),
        ),
        (
            "users.export.segment",
            lambda: client.users.export.segment({"segment_id": ids["segment"], "fields_to_export": ["external_id"]}),
        ),
        (
            "users.export.global_control_group",
            lambda: client.users.export.global_control_group({"fields_to_export": ["external_id"]}),
        ),
        ("users.delete", lambda: client.users.delete({"external_ids": ["client-1"]})),
        ("content_blocks.ls", client.content_blocks.ls),
        ("content_blocks.info", lambda: client.content_blocks.info(params={"content_block_id": ids["content_block"]})),
        ("content_blocks.create", lambda: client.content_blocks.create(block)),
        (
            "content_blocks.update",
            lambda: client.content_blocks.update({"content_block_id": ids["content_block"], "content": "Hi"}),
        ),
    ]


def braze_api_client(url: str, key: str, _ids: dict[str, str]) -> Calls:
    """Braze's REST API by `braze_api_client.client.Client`."""
    from braze_api_client.client import Client  # noqa: PLC0415 - as above

    client = Client(key, url)
    return [
        ("users.track.create_item", lambda: client.users.track.create_item({"attributes": ATTRIBUTES})),
        ("users.alias.new.create_item", lambda: client.users.alias.new.create_item({"user_aliases": [ALIAS]})),
    ]


def airflow_provider_braze(url: str, key: str, ids: dict[str, str]) -> Calls:
    """Cloud Data Ingestion by Airflow's `BrazeHook`."""
    connection = {"conn_type": "http", "host": url, "password": key}
    os.environ["AIRFLOW_CONN_BRAZE_DEFAULT"] = json.dumps(connection)
    from braze_provider.hooks.braze import BrazeHook  # noqa: PLC0415 - as above

    return [
        ("BrazeHook.trigger_cdi_job_sync", lambda: BrazeHook().trigger_cdi_job_sync(ids["integration"])),
        ("BrazeHook.get_cdi_job_sync_status", lambda: BrazeHook().get_cdi_job_sync_status(ids["integration"])),
    ]


def _requests(url: str) -> list[dict[str, Any]]:
    with urllib.request.urlopen(f"{url}/sandbox/requests", timeout=30) as answer:
        found: list[dict[str, Any]] = json.load(answer)["requests"]
    return found


def main() -> None:
    """Call every method; one line of JSON each."""
    name, url, key, ids = sys.argv[1:]
    calls: Calls = globals()[name](url, key, json.loads(ids))
    for method, call in calls:
        before = len(_requests(url))
        try:
            call()
            error = None
        except Exception as raised:  # noqa: BLE001 - whatever a client raises is what we came for
            error = type(raised).__name__
        made = [f"{one['method']} {one['path']} {one['status']}" for one in _requests(url)[before:]]
        # After whatever the client may have printed.
        print(f"\nRESULT {json.dumps({'method': method, 'requests': made, 'error': error})}")  # noqa: T201


if __name__ == "__main__":
    main()
