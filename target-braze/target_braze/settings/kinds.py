"""Keys of a stream's mapping that are about other endpoints than /users/track, and about deletions in the source."""

from __future__ import annotations

from typing import Any, Final

from target_braze.settings.parts import IDENTIFIERS, NAME, NAMES, strict_object

_LIKE_USER: Final = "a list like `user`"

STEPS: Final[dict[str, Any]] = {
    "on_delete": {
        "oneOf": [
            {"enum": ["nothing", "unset", "unsubscribe", "remove", "delete_user"]},
            strict_object({"flag": NAME}, required=["flag"]),
        ],
        "description": "What a record does that the source has deleted (`_sdc_deleted_at`), or that its next version "
        "lists no more (docs/ledger.md): `nothing`; of attributes `unset` them, `{flag: name}` sets the attribute of "
        "this name to true (and to false while the record lives), `unsubscribe` (also of subscriptions and "
        "email_status), or `delete_user`; of catalog_items and cohorts `remove`, which is their default.",
    },
    "subscription": {
        **strict_object(
            {
                "group": NAME,
                "group_field": NAME,
                "state": NAME,
                "state_field": NAME,
                "double_opt_in": {"type": "boolean"},
            },
            minProperties=1,
        ),
        "not": {"anyOf": [{"required": ["group", "group_field"]}, {"required": ["state", "state_field"]}]},
        "description": "The id of the subscription `group` or its column `group_field`, and the `state` (subscribed or "
        "unsubscribed; of email_status also opted_in) or its column `state_field`, which may be boolean. Default: the "
        "columns subscription_group_id and subscription_state. email_status has no group. With `double_opt_in`, who is "
        "subscribed to an SMS group is asked first.",
    },
    "alias": {
        **strict_object({"name": NAME, "label": NAME, "label_field": NAME, "old_name": NAME}, minProperties=1),
        "not": {"required": ["label", "label_field"]},
        "description": "Columns of the alias' `name`, of its label (`label_field`, or the `label` itself) and of the "
        "`old_name` that the name replaces, where the record has one. Default: alias_name, alias_label and, if it is "
        "there, old_alias_name.",
    },
    "identify": {
        **IDENTIFIERS,
        "description": f"Which alias, email or phone belongs to the user: {_LIKE_USER}. Default: the columns "
        "alias_name with alias_label, email, phone.",
    },
    "merge": {**IDENTIFIERS, "description": f"The user who goes into another and vanishes: {_LIKE_USER}. Required."},
    "keep": {**IDENTIFIERS, "description": f"The user who stays: {_LIKE_USER}. Required."},
    "prioritization": {
        "type": "array",
        "minItems": 1,
        "items": {"enum": ["identified", "unidentified", "most_recently_updated", "least_recently_updated"]},
        "not": {"allOf": [{"contains": {"const": "identified"}}, {"contains": {"const": "unidentified"}}]},
        "description": "Which of several users is meant that have one email or phone, in Braze's words; where several "
        "are left, nothing happens. Default: `[unidentified]` of who is identified or merged, `[identified]` of who "
        "is kept or deleted.",
    },
    "external_ids": {
        **strict_object({"current": NAME, "new": NAME, "remove": NAME}, minProperties=1),
        "not": {"anyOf": [{"required": ["remove", "current"]}, {"required": ["remove", "new"]}]},
        "description": "Columns of the `current` external id and the `new` one, or of a deprecated one to `remove`. "
        "Default: current_external_id and new_external_id.",
    },
    "allow_deletions": {
        "type": "boolean",
        "description": "Has to be true for users to be deleted, which cannot be undone.",
    },
    "max_deletions": {
        "type": "integer",
        "minimum": 1,
        "description": "How many users a run may delete at most; one more, and the run ends and deletes nobody.",
    },
    "max_deleted_share": {
        "type": "number",
        "minimum": 0,
        "maximum": 1,
        "description": "Which share of the users that the run is about it may delete at most; else it deletes nobody.",
    },
    "catalog": {
        **strict_object(
            {"name": NAME, "id": NAME, "geo": NAMES, "partial": {"type": "boolean"}},
            minProperties=1,
        ),
        "description": "The catalog's `name` and the column of the items' `id`. Default: the name of the stream, id. "
        "Columns of `geo` hold a place, [longitude, latitude]. With `partial`, records change the fields that they "
        "have, of items that are there, instead of replacing items; on_delete is nothing then unless it is given.",
    },
    "cohort": {
        **strict_object(
            {"attribute": NAME, "array": NAME, "name": NAME, "name_field": NAME, "member_field": NAME},
            oneOf=[
                {"required": ["attribute"], "not": {"anyOf": [{"required": ["name"]}, {"required": ["name_field"]}]}},
                {"required": ["array"], "oneOf": [{"required": ["name"]}, {"required": ["name_field"]}]},
            ],
        ),
        "description": "What members have: the boolean `attribute` of this name; or, in the `array` of this name, the "
        "cohort's `name` or what the column `name_field` holds. The boolean column `member_field` says who is none. "
        "Required.",
    },
}
