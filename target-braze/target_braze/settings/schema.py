"""The target's settings as JSON Schema: what `--about` shows, Meltano asks for and the SDK checks at the start."""

from __future__ import annotations

from typing import Any, Final

from singer_sdk import typing as th

from target_braze.braze import limits
from target_braze.mapping.cdp.layouts import METHODS
from target_braze.mapping.identifiers import PLACEHOLDERS
from target_braze.mapping.values.schemas import TYPES
from target_braze.settings.kinds import STEPS
from target_braze.settings.parts import IDENTIFIERS
from target_braze.settings.parts import NAME as _NAME
from target_braze.settings.parts import NAMES as _NAMES
from target_braze.settings.parts import strict_object as _object

_CALLS: Final = _object(
    {
        "method": {
            "type": "string",
            "enum": list(METHODS),
            "description": "Which call all records are. Default: what the name of a warehouse table says (identifies, "
            "users, tracks, pages, screens, groups, aliases), else the column `type`, else track.",
        },
        "method_field": {**_NAME, "description": "Column that says which call a record is."},
        "anonymous_label": {
            "type": ["string", "null"],
            "minLength": 1,
            "description": "Label of the alias that an anonymous id becomes, where `user` says nothing else; null "
            "leaves calls of anonymous users out. Default: anonymous_id, of Amplitude device_id.",
        },
        "previous_id": {
            "type": "string",
            "enum": ["external_id", "user_alias"],
            "description": "What the previous id of an alias call is in Braze, an alias being that of an anonymous id. "
            "Default: user_alias if it is the anonymous id of the call, else external_id.",
        },
        "events": _object(
            {"only": _NAMES, "except": _NAMES},
            description="Events by name or glob: `only` these are sent, those of `except` are not.",
        ),
        "page": {**_NAME, "description": "The event's name of a page call. Default: Viewed {name} Page."},
        "screen": {**_NAME, "description": "The event's name of a screen call. Default: Viewed {name} Screen."},
        "orders": _object(
            {
                "to": {"type": "string", "enum": ["purchases", "ecommerce", "events"]},
                "currency": _NAME,
                "source": _NAME,
            },
            description="What `Order Completed` is `to` become: `purchases`, one for each product; with `ecommerce` it "
            "and its likes become Braze's recommended events; with `events` nothing special. `currency` is that of "
            "orders without one, `source` what the recommended events name as such. Default: purchases.",
        ),
        "group": _object(
            {"attribute": _NAME, "subscription_state": _NAME},
            minProperties=1,
            maxProperties=1,
            description="What a group call sets: the `attribute` of this name to the group's id; or the state of the "
            "subscription group whose id it is, to what the trait named by `subscription_state` says. Default: "
            "the attribute group_id.",
        ),
    },
    **{"not": {"required": ["method", "method_field"]}},
)

STREAM: Final = _object(
    {
        "to": {
            "type": "string",
            "enum": [
                "attributes",
                "events",
                "purchases",
                "calls",
                "subscriptions",
                "email_status",
                "aliases",
                "identifications",
                "merges",
                "external_ids",
                "deletions",
                "catalog_items",
                "cohorts",
            ],
            "description": "What a record is in Braze. Default: the last part of the stream's name, in any "
            "case, if it is attributes, events or purchases, as in public-events; else attributes.",
        },
        "user": {
            **IDENTIFIERS,
            "description": "List of an identifier and its column each: `external_id`, `braze_id`, `email`, `phone`, or "
            "`user_alias` with the column of its `name` and either a literal `label` or its column `label_field`. The "
            "first that is valid is sent. Default: the columns external_id, braze_id, alias_name with "
            "alias_label or user_alias_name with user_alias_label, email, phone. The log says which ones a stream has.",
        },
        "fields": {
            **_NAMES,
            "description": "Columns and globs sent as attributes or fields of items. Default: all but the identifiers, "
            "which no glob takes.",
        },
        "spread": {
            **_NAMES,
            "description": "Columns of objects, or of their JSON, whose members are attributes or properties of their "
            "own. Default: the column properties of events and purchases where it holds objects, unless the key "
            "properties says which columns are.",
        },
        "operators": {
            "type": "object",
            "additionalProperties": {
                "oneOf": [
                    {"enum": ["inc", "add", "remove", "$add"]},
                    _object({"$update": _NAME, "$remove": _NAME}, minProperties=1, maxProperties=1),
                ]
            },
            "description": "Column to how it changes what Braze has instead of replacing it: `inc` adds a whole "
            "number, `add` and `remove` take elements of an array, `$add` takes objects for an array of objects, and "
            "`{$update: key}` and `{$remove: key}` take objects that Braze finds by their `key`.",
        },
        "merge_objects": {
            "type": "boolean",
            "description": "Whether objects are merged into those that Braze has, key by key, and `$update` likewise. "
            "Default: they replace them.",
        },
        "vanished": {
            "type": "string",
            "enum": ["keep", "unset"],
            "description": "What becomes of an attribute that an earlier run has sent, if the user's record has no "
            "such column any more: `keep` it, or `unset` it, which needs `ledger_path` and whole rows. Default: keep.",
        },
        "rename": {
            "type": "object",
            "additionalProperties": _NAME,
            "description": "Column to its name in Braze.",
        },
        "types": {
            "type": "object",
            "additionalProperties": {"type": "string", "enum": list(TYPES)},
            "description": "Column to the type it has in Braze, for columns that arrive as text or are "
            f"numbers that stand for times: {', '.join(f'`{name}`' for name in TYPES)}.",
        },
        "event": _object(
            {
                "name": {**_NAME, "description": "The event's name itself."},
                "name_field": {**_NAME, "description": "Column of the event's name. Default: name."},
            },
            minProperties=1,
            maxProperties=1,
        ),
        "time_field": {
            **_NAME,
            "description": "Column that says when the event or purchase happened. Default: time.",
        },
        "properties": {
            **_NAMES,
            "description": "Columns and globs sent as properties of the event or purchase. Default: all that have no "
            "other part.",
        },
        "calls": _CALLS,
        "purchase": _object(
            dict.fromkeys(("product_id", "price", "currency", "quantity"), _NAME),
            description="Columns of the purchase's `product_id`, `price`, `currency` and `quantity`. Default: the "
            "columns of these names; the quantity may be missing and is 1 then.",
        ),
        **STEPS,
    }
)

CONFIG: Final[dict[str, Any]] = th.PropertiesList(
    th.Property(
        "api_key",
        th.StringType(nullable=False, min_length=1),
        required=True,
        secret=True,
        title="API key",
        description="REST API key of the workspace. Attributes, events and purchases need the permission "
        "users.track; the README lists the others.",
    ),
    th.Property(
        "endpoint",
        th.StringType(nullable=False, min_length=1),
        required=True,
        title="REST endpoint",
        description="Instance of the workspace (US-01, EU-02), or the host or URL of its REST API. Plain http:// is "
        "accepted for localhost only.",
    ),
    th.Property(
        "streams",
        th.CustomType({"type": "object", "additionalProperties": STREAM}),
        default={},
        title="Streams",
        description="Maps each stream to a Braze object, by the stream's name or a glob. A name or glob also matches "
        "the last part of a stream's name, ignoring case: orders matches public-Orders.",
    ),
    th.Property(
        "app_id",
        th.StringType,
        title="App identifier",
        description="App identifier of events and purchases without a column app_id.",
    ),
    th.Property(
        "time_zone",
        th.StringType(nullable=False),
        default="UTC",
        title="Time zone",
        description="Time zone of dates and times without an offset, as an IANA name such as Europe/Berlin.",
    ),
    th.Property(
        "nulls",
        th.StringType(nullable=False, allowed_values=["skip", "unset"]),
        default="skip",
        title="Null columns",
        description="How to handle a null column: skip leaves the attribute as it is, unset removes it from the "
        "profile.",
    ),
    th.Property(
        "long_strings",
        th.StringType(nullable=False, allowed_values=["reject", "cut"]),
        default="reject",
        title="Long text",
        description="How to handle text longer than Braze stores: reject the record, or cut the text and report it.",
    ),
    th.Property(
        "date_like_text",
        th.StringType(nullable=False, allowed_values=["send", "reject"]),
        default="send",
        title="Date-like text",
        description="How to handle text such as 12/1/2021 in a text attribute, which Braze would store as a time: "
        "send it and report it, or reject the record.",
    ),
    th.Property(
        "on_bad_value",
        th.StringType(nullable=False, allowed_values=["reject", "drop_field"]),
        default="reject",
        title="On invalid value",
        description="How to handle an attribute or property that Braze would not take, such as the date 9999-12-31 "
        "or an unknown country: reject the record, or send it without the field (drop_field) and report "
        "it. An invalid identifier, operator, catalog item or required part of an event or purchase "
        "always rejects the record.",
    ),
    th.Property(
        "placeholder_ids",
        th.ArrayType(th.StringType(nullable=False), nullable=False),
        default=list(PLACEHOLDERS),
        title="Placeholder IDs",
        description="Values never used as an identifier (case-insensitive).",
    ),
    th.Property(
        "preflight",
        th.BooleanType(nullable=False),
        default=False,
        title="Preflight check",
        description="Before the first record, compare attributes with those in Braze and report what Braze would "
        "drop silently (permission custom_attributes.get). In a dry run, also count new users "
        "(users.export.ids).",
    ),
    th.Property(
        "update_existing_only",
        th.BooleanType(nullable=False),
        default=False,
        title="Update existing users only",
        description="Never create a profile: Braze drops records of unknown users.",
    ),
    th.Property(
        "on_error",
        th.StringType(nullable=False, allowed_values=["fail", "dead_letter"]),
        default="fail",
        title="On rejected record",
        description="How to handle a rejected record: fail stops the run, dead_letter writes the record to "
        "dead_letter_path and continues.",
    ),
    th.Property(
        "dead_letter_path",
        th.StringType,
        title="Dead-letter file",
        description="File for rejected records, appended as Singer messages with the reason. Pipe it in to retry them.",
    ),
    th.Property(
        "max_dead_letters",
        th.CustomType({"type": ["number", "null"], "minimum": 0}),
        title="Dead-letter limit",
        description="Stop the run when more records than this go to the dead-letter file: a number of records, or a "
        "share below 1 of the records read (at least 100 are assumed). Default: no limit.",
    ),
    th.Property(
        "ledger_path",
        th.StringType,
        title="Ledger file",
        description="SQLite file that remembers what Braze has accepted, so that only changes are sent, and no event "
        "or purchase twice. Use one file for each workspace.",
    ),
    th.Property(
        "ledger_verify",
        th.IntegerType(nullable=False, minimum=0, maximum=10_000),
        default=0,
        title="Users to verify",
        description="Number of users from the ledger to compare with Braze before a run. The run stops if Braze has "
        "other values: the ledger is an older copy, or another program changes them. Needs the "
        "permission users.export.ids; one request reads 50 users. Default: none.",
    ),
    th.Property(
        "ledger_synchronous",
        th.StringType(nullable=False, allowed_values=["full", "normal"]),
        default="full",
        title="Ledger durability",
        description="When the ledger is flushed to disk: full flushes before each request, so that a power loss "
        "loses nothing; normal waits less on a slow disk, but after a crash of the machine the ledger "
        "can lag behind Braze, and an attribute that returns to an older value is then not sent.",
    ),
    th.Property(
        "on_unknown_outcome",
        th.StringType(nullable=False, allowed_values=["resend", "hold"]),
        default="resend",
        title="On unknown outcome",
        description="How to handle an event, purchase or increment whose request got no answer: resend it, which may "
        "count it twice, or hold it, which rejects it as in doubt.",
    ),
    th.Property(
        "max_objects_per_request",
        th.IntegerType(nullable=False, minimum=1, maximum=1_000),
        default=limits.OBJECTS_PER_REQUEST,
        title="Objects per request",
        description="Maximum number of attributes, events and purchases in one request, together. Default with "
        "track_endpoint bulk: 1,000. The target lowers it if the account allows fewer.",
    ),
    th.Property(
        "track_endpoint",
        th.StringType(nullable=False, allowed_values=["track", "bulk"]),
        default="track",
        title="Track endpoint",
        description="Endpoint for attributes, events and purchases: track (/users/track), or bulk "
        "(/users/track/bulk) for backfills, which is in a limited beta and needs the permission "
        "users.track.bulk.",
    ),
    th.Property(
        "concurrency",
        th.IntegerType(nullable=False, minimum=1, maximum=256),
        default=16,
        title="Concurrent requests",
        description="Maximum number of requests in flight. The target uses fewer if Braze answers slowly or "
        "rate-limits it.",
    ),
    th.Property(
        "dependency_delay",
        th.CustomType({"type": "number", "minimum": 0, "maximum": limits.DEPENDENCY_DELAY}),
        default=limits.DEPENDENCY_DELAY,
        title="Delay between dependent changes",
        description="Seconds between two changes of a user if the second depends on the first, such as attributes "
        "and a deletion. Braze recommends five minutes; a shorter delay risks that Braze applies them "
        "out of order.",
    ),
    th.Property(
        "rate_limit_reserve",
        th.CustomType({"type": "number", "minimum": 0, "maximum": 0.9}),
        default=0.2,
        title="Rate-limit reserve",
        description="Share of each rate limit, from 0 to 0.9, to leave to other programs that use the workspace.",
    ),
    th.Property(
        "request_timeout",
        th.NumberType(nullable=False, minimum=1),
        default=60,
        title="Request timeout",
        description="Maximum number of seconds for one request, including its response.",
    ),
    th.Property(
        "dry_run",
        th.BooleanType(nullable=False),
        default=False,
        title="Dry run",
        description="Map and check everything, but send nothing and write no STATE. The log shows what would be sent "
        "and what it would cost.",
    ),
).to_dict()
