"""Runs next to one real client: calls its methods as its documentation does, and prints the outcome of each as JSON.

Takes the client's name, the sandbox's URL and key, and ids to use. It needs the client and the standard library only.
"""

from __future__ import annotations

import asyncio
import json
import os
import subprocess
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


class FunctionError(Exception):
    """What the server of `braze_mcp_server` says of a function that failed."""


def braze_mcp_server(url: str, key: str, ids: dict[str, str]) -> Calls:
    """The functions of Braze's own server of the Model Context Protocol, called through its standard input."""
    server = subprocess.Popen(
        ["braze-mcp-server"],
        env={**os.environ, "BRAZE_API_KEY": key, "BRAZE_BASE_URL": url},
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
    )

    def send(message: dict[str, Any]) -> dict[str, Any]:
        """Send a message, and return the answer to it if it asks for one."""
        assert server.stdin
        assert server.stdout
        server.stdin.write(json.dumps({"jsonrpc": "2.0", **message}) + "\n")
        server.stdin.flush()
        while "id" in message:
            answer: dict[str, Any] = json.loads(server.stdout.readline())
            if answer.get("id") == message["id"]:
                return answer
        return {}

    def call(function: str, parameters: dict[str, Any]) -> None:
        tool = "call_write_function" if function.startswith(("create_", "update_")) else "call_function"
        arguments = {"function_name": function, "parameters": parameters}
        answer = send({"id": 1, "method": "tools/call", "params": {"name": tool, "arguments": arguments}})
        told = json.loads(answer["result"]["content"][0]["text"])
        if isinstance(told, dict) and "error" in told:
            raise FunctionError(told["error"])

    about = {"protocolVersion": "2025-03-26", "capabilities": {}, "clientInfo": {"name": "calls", "version": "1"}}
    send({"id": 0, "method": "initialize", "params": about})
    send({"method": "notifications/initialized"})
    campaign, canvas, segment = ({f"{kind}_id": ids[kind]} for kind in ("campaign", "canvas", "segment"))
    days = {"length": 7, "ending_at": ids["now"]}
    parts = {
        "include_variant_breakdown": True,
        "include_step_breakdown": True,
        "include_deleted_step_data": True,
    }
    group = {"subscription_group_id": ids["subscription_group"]}
    template = {"template_name": "Made", "subject": "Hello", "body": "<p>Hello</p>"}
    functions: list[tuple[str, dict[str, Any]]] = [
        ("get_campaign_list", {"include_archived": True}),
        ("get_campaign_details", campaign),
        ("get_campaign_dataseries", campaign | days),
        ("get_canvas_list", {}),
        ("get_canvas_details", canvas),
        ("get_canvas_data_series", canvas | days | parts),
        ("get_canvas_data_summary", canvas | days | parts),
        ("get_catalogs", {}),
        ("get_catalog_items", {"catalog_name": ids["catalog"]}),
        ("get_catalog_item", {"catalog_name": ids["catalog"], "item_id": ids["item"]}),
        ("get_custom_attributes", {}),
        ("get_events", {}),
        ("get_events_list", {}),
        ("get_events_data_series", {"event": ids["event"], **days}),
        ("list_integrations", {}),
        ("get_integration_job_sync_status", {"integration_id": ids["integration"]}),
        ("get_new_users_data_series", {"app_id": ids["app"], **days}),
        ("get_dau_data_series", days),
        ("get_mau_data_series", days),
        ("get_uninstalls_data_series", days),
        ("get_scheduled_broadcasts", {"end_time": "2099-01-01T00:00:00Z"}),
        ("get_preference_centers", {}),
        ("get_preference_center_details", {"preference_center_id": ids["preference_center"]}),
        ("get_product_list", {}),
        ("get_revenue_series", {"product": ids["product"], **days}),
        ("get_quantity_series", days),
        ("get_sdk_authentication_keys", {"app_id": ids["app"]}),
        ("get_segment_list", {}),
        ("get_segment_details", segment),
        ("get_segment_data_series", segment | days),
        ("get_send_data_series", {"campaign_id": ids["send_campaign"], "send_id": ids["send"], **days}),
        ("get_session_data_series", days),
        ("get_user_subscription_groups", {"external_id": ids["user"]}),
        ("get_subscription_group_status", {"external_id": ids["user"], **group}),
        ("get_content_blocks", {}),
        ("get_content_block_info", {"content_block_id": ids["content_block"], "include_inclusion_data": True}),
        ("create_content_block", {"name": "made_by_a_client", "content": "Hello"}),
        ("update_content_block", {"content_block_id": ids["content_block"], "content": "Hi"}),
        ("get_email_templates", {}),
        ("get_email_template_info", {"email_template_id": ids["email_template"]}),
        ("create_email_template", template),
        ("update_email_template", {"email_template_id": ids["email_template"], "subject": "Hi"}),
        ("create_media_library_asset", {"asset_url": "https://example.com/picture.png", "name": "picture.png"}),
    ]
    return [(function, lambda f=function, p=parameters: call(f, p)) for function, parameters in functions]  # type: ignore[misc]


def _requests(url: str) -> list[dict[str, Any]]:
    with urllib.request.urlopen(f"{url}/sandbox/requests", timeout=30) as answer:
        found: list[dict[str, Any]] = json.load(answer)["requests"]
    return found


def main() -> None:
    """Call every method; one line of JSON each."""
    name, url, key, ids, _version = sys.argv[1:]
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
