"""Objects of the workspace: lists, details, catalogs, Data Objects."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tests.e2e.matrix.tables import Row, Table, table

if TYPE_CHECKING:
    from tests.e2e.matrix.api import Api


TRANSLATABLE = {"include_has_translatable_content": "true"}
DETAILS: dict[str, tuple[str, str, str, dict[str, str]]] = {
    "campaigns_details": ("campaigns", "campaign_id", "/campaigns/details", TRANSLATABLE),
    "canvases_details": ("canvases", "canvas_id", "/canvas/details", TRANSLATABLE),
    "cards_details": ("cards", "card_id", "/feed/details", {}),
    "segments_details": ("segments", "segment_id", "/segments/details", {}),
    "content_blocks_details": (
        "content_blocks",
        "content_block_id",
        "/content_blocks/info",
        {"include_inclusion_data": "true"},
    ),
    "email_templates_details": ("email_templates", "email_template_id", "/templates/email/info", {}),
}
"""List, name of the id, path and query of what is read object by object."""


def details(api: Api) -> dict[str, Table]:
    found = {}
    for stream, (parent, name, path, query) in DETAILS.items():
        rows = [{name: key, **api.details(path, **{name: key}, **query)} for key in api.ids(parent)]
        found[stream] = table(rows, name, kept=True)
    centers = [api.details(f"/preference_center/v1/{key}") for key in api.ids("preference_centers")]
    found["preference_centers_details"] = table(centers, "preference_center_api_id", kept=True)
    return found


def drafts(api: Api) -> dict[str, Table]:
    """Read the drafts of what has one besides what is live."""
    found = {}
    for kind, name, path in (
        ("campaigns", "campaign_id", "/campaigns/details"),
        ("canvases", "canvas_id", "/canvas/details"),
    ):
        having = [key for key in api.ids(kind) if api.get(path, **{name: key})["has_post_launch_draft"]]
        query = {**TRANSLATABLE, "post_launch_draft_version": "true"}
        rows = [{name: key, **api.details(path, **{name: key}, **query)} for key in having]
        found[f"{kind}_drafts"] = table(rows, name)
    return found


def data_objects(api: Api) -> dict[str, Table]:
    kinds = api.get("/data_objects/types")["items"]
    of_kind: dict[str, list[Row]] = {"": [], "/user_relationship_types": [], "/object_relationship_types": []}
    objects, users, links = [], [], []
    for kind in kinds:
        name = kind["type_name"]
        path = f"/data_objects/types/{name}"
        of_kind[""].append(api.get(path)["data_object_type"])
        of_kind["/user_relationship_types"] += [
            {"type_name": name, **row} for row in api.get(f"{path}/user_relationship_types")["items"]
        ]
        of_kind["/object_relationship_types"] += [
            {"type_name": name, **row} for row in api.get(f"{path}/object_relationship_types")["items"]
        ]
        for one in api.get(f"/data_objects/objects/{name}")["items"]:
            objects.append(one)
            key = {"type_name": name, "object_id": one["object_id"]}
            path_of_one = f"/data_objects/objects/{name}/{one['object_id']}"
            users += [
                {**row.pop("user"), **row, **key} for row in api.get(f"{path_of_one}/user_relationships")["items"]
            ]
            for row in api.get(f"{path_of_one}/object_relationships")["items"]:
                end = row["to_data_object"]
                ends = {"to_type_name": end["type_name"], "to_object_id": end["object_id"]}
                links.append({**row, **key, **ends})
    return {
        "data_object_types": table(kinds, "type_name"),
        "data_object_types_details": table(of_kind[""], "type_name"),
        "data_object_user_relationship_types": table(of_kind["/user_relationship_types"], "type_name", "rel_kind"),
        "data_object_relationship_types": table(
            of_kind["/object_relationship_types"], "type_name", "rel_kind", "to_type_name"
        ),
        "data_objects": table(objects, "type_name", "object_id"),
        "data_object_user_relationships": table(users, "type_name", "object_id", "rel_kind", "braze_id"),
        "data_object_relationships": table(links, "type_name", "object_id", "rel_kind", "to_type_name", "to_object_id"),
    }


def rest(api: Api) -> dict[str, Table]:
    items = [
        {
            "catalog_name": name,
            "id": item["id"],
            "item": {key: value for key, value in item.items() if key != "id"},
        }
        for name in api.ids("catalogs")
        for item in api.get(f"/catalogs/{name}/items")["items"]
    ]
    runs = [
        {"integration_id": key, **run}
        for key in api.ids("cdi_integrations")
        for run in api.get(f"/cdi/integrations/{key}/job_sync_status")["results"]
    ]
    broadcasts = api.get("/messages/scheduled_broadcasts", end_time="2099-01-01T00:00:00Z")
    keys = [
        {"app_id": app, **key}
        for app in api.scope.apps
        for key in api.get("/app_group/sdk_authentication/keys", app_id=app)["keys"]
    ]
    names = [{"event_name": name} for name in api.get("/events/list")["events"]]
    products = [{"product_id": name} for name in api.get("/purchases/product_list")["products"]]
    return {
        "events": table(names, "event_name"),
        "products": table(products, "product_id"),
        "catalog_items": table(items, "catalog_name", "id"),
        "cdi_sync_runs": table(runs, "integration_id", "sync_start_time", kept=True),
        "scheduled_broadcasts": table(broadcasts["scheduled_broadcasts"], "type", "id", "next_send_time"),
        "sdk_authentication_keys": table(keys, "app_id", "id"),
    }
