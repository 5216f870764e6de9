"""The target's settings as JSON Schema, which `--about` shows, Meltano asks for and every run is checked against."""

from __future__ import annotations

from typing import Any, Final

from target_braze.braze import limits
from target_braze.mapping.identifiers import PLACEHOLDERS
from target_braze.settings.streams import STREAM


def _setting(json_type: str, title: str, description: str, *, required: bool = False, **more: Any) -> dict[str, Any]:  # noqa: ANN401
    types = [json_type] if required else [json_type, "null"]
    return {"type": types, "title": title, "description": description, **more}


_SETTINGS: Final[dict[str, dict[str, Any]]] = {
    "api_key": _setting(
        "string",
        "API key",
        "REST API key of the workspace. Attributes, events and purchases need the permission "
        "users.track; the README lists the others.",
        required=True,
        minLength=1,
        secret=True,
        writeOnly=True,
    ),
    "endpoint": _setting(
        "string",
        "REST endpoint",
        "Instance of the workspace (US-01, EU-02), or the host or URL of its REST API. Plain http:// "
        "is accepted for localhost only.",
        required=True,
        minLength=1,
    ),
    "streams": _setting(
        "object",
        "Streams",
        "Maps each stream to a Braze object, by the stream's name or a glob. A name or glob also "
        "matches the last part of a stream's name, ignoring case: orders matches public-Orders.",
        additionalProperties=STREAM,
        default={},
    ),
    "app_id": _setting(
        "string",
        "App identifier",
        "App identifier of events and purchases without a column app_id.",
    ),
    "time_zone": _setting(
        "string",
        "Time zone",
        "Time zone of dates and times without an offset, as an IANA name such as Europe/Berlin.",
        default="UTC",
    ),
    "nulls": _setting(
        "string",
        "Null columns",
        "How to handle a null column: skip leaves the attribute as it is, unset removes it from the profile.",
        enum=["skip", "unset"],
        default="skip",
    ),
    "long_strings": _setting(
        "string",
        "Long text",
        "How to handle text longer than Braze stores: reject the record, or truncate the text and report it.",
        enum=["reject", "truncate"],
        default="reject",
    ),
    "large_quantities": _setting(
        "string",
        "Large quantities",
        f"How to handle a quantity over {limits.PURCHASE_QUANTITY}, which Braze refuses: reject the record, or split "
        f"it into purchases of at most {limits.PURCHASE_QUANTITY} with the same total. Each purchase counts as one in "
        f"Braze and costs a data point. Quantities over {limits.SPLIT_QUANTITY:,} are always rejected.",
        enum=["reject", "split"],
        default="reject",
    ),
    "date_like_text": _setting(
        "string",
        "Date-like text",
        "How to handle text such as 12/1/2021 in a text attribute, which Braze would store as a time: "
        "send it and report it, or reject the record.",
        enum=["send", "reject"],
        default="send",
    ),
    "on_bad_value": _setting(
        "string",
        "On invalid value",
        "How to handle an attribute or property that Braze does not accept, such as the date 9999-12-31 "
        "or an unknown country: reject the record, or send it without the field (drop_field) and "
        "report it. An invalid identifier, operator, catalog item or required part of an event or "
        "purchase always rejects the record.",
        enum=["reject", "drop_field"],
        default="reject",
    ),
    "placeholder_ids": _setting(
        "array",
        "Placeholder IDs",
        "Values never used as an identifier (case-insensitive).",
        items={"type": ["string"]},
        default=list(PLACEHOLDERS),
    ),
    "preflight": _setting(
        "boolean",
        "Preflight check",
        "Before the first record, compare attributes with those in Braze and report what Braze would "
        "drop silently (permission custom_attributes.get). In a dry run, also count new users "
        "(users.export.ids), and show how Content Blocks, templates and preference centers differ from those in Braze.",
        default=False,
    ),
    "update_existing_only": _setting(
        "boolean",
        "Update existing users only",
        "Never create a profile: Braze drops records of unknown users.",
        default=False,
    ),
    "consent": _setting(
        "string",
        "Consent",
        "What to do with an opt-in (`email_subscribe`, `push_subscribe`, subscription groups, email status) of a "
        "person who has opted out in Braze since: respect_later_opt_out sends the record without the opt-in and "
        "reports a conflict; send sends it unchecked. The check needs the permissions users.export.ids, "
        "email.unsubscribe and subscription.status.get; a warning names those that the key lacks (docs/consent.md).",
        enum=["respect_later_opt_out", "send"],
        default="respect_later_opt_out",
    ),
    "acknowledge_live_campaigns": _setting(
        "boolean",
        "Acknowledge live campaigns",
        "Set to true to let the first load of a stream start live campaigns and Canvases. Otherwise the run names "
        "those that start when users change or do something, and stops before the stream's first record. Without "
        "`ledger_path`, each run is a first load. Needs the permissions campaigns.list, campaigns.details, canvas.list "
        "and canvas.details; a warning names a missing one (docs/live-campaigns.md).",
        default=False,
    ),
    "canary": _setting(
        "string",
        "Canary",
        "Send the first records of each stream, compare their users with Braze, and send the rest only if that looks "
        "right. Set a share such as 1%, or a number of records, at least 20. A share is of the input's size if it is a "
        "file; otherwise, it means 1,000 records. Needs the permission users.export.ids (docs/canary.md). Default: no "
        "canary.",
        pattern=r"^([1-9][0-9]*|[0-9]*\.?[0-9]+%)$",
    ),
    "canary_max_new_profiles": _setting(
        "number",
        "New profiles in the canary",
        "Largest share of the canary's users, from 0 to 1, that may be new in Braze. Set it to 1 to load new users.",
        minimum=0,
        maximum=1,
        default=0.5,
    ),
    "canary_max_drift": _setting(
        "number",
        "Drift in the canary",
        "Largest share of the canary's users, from 0 to 1, whose attributes in Braze may differ from what was sent.",
        minimum=0,
        maximum=1,
        default=0.05,
    ),
    "canary_max_rejected": _setting(
        "number",
        "Rejected records in the canary",
        "Largest share of the canary's records, from 0 to 1, that may be rejected. With `on_error: fail`, the first "
        "rejected record ends the run anyway.",
        minimum=0,
        maximum=1,
        default=0.05,
    ),
    "on_error": _setting(
        "string",
        "On rejected record",
        "How to handle a rejected record: fail stops the run, dead_letter writes the record to "
        "dead_letter_path and continues.",
        enum=["fail", "dead_letter"],
        default="fail",
    ),
    "dead_letter_path": _setting(
        "string",
        "Dead-letter file",
        "File for rejected records, appended as Singer messages with the reason. Pipe it in to retry them.",
    ),
    "max_dead_letters": _setting(
        "number",
        "Dead-letter limit",
        "Stop the run when more records than this go to the dead-letter file: a number of records, or "
        "a share below 1 of the records read (at least 100 are assumed). Default: no limit.",
        minimum=0,
    ),
    "delivery_log_path": _setting(
        "string",
        "Delivery log",
        "File or pipe, such as delivery-log.singer or /dev/fd/3, for one row per record, as a Singer stream: key, "
        "user, outcome, Braze's text, data points, request and time. Each run appends to it. Keys and users are "
        "personal data.",
    ),
    "report_path": _setting(
        "string",
        "Run report",
        "HTML file, such as reports/load.html, for a report of each run: what was read, sent and rejected, why, and "
        "how fast. Each run replaces it and appends a line of JSON to a history next to it, reports/load.jsonl.",
    ),
    "report_values": _setting(
        "boolean",
        "Values in the report",
        "Show the values of rejected records in the report's examples, which makes it personal data. Default: only "
        "their types and lengths.",
        default=False,
    ),
    "ledger_path": _setting(
        "string",
        "Ledger file",
        "SQLite file that remembers what Braze has accepted, so that only changes are sent, and no "
        "event or purchase twice. Use one file for each workspace.",
    ),
    "ledger_verify": _setting(
        "integer",
        "Users to verify",
        "Number of users from the ledger to compare with Braze before a run. The run stops if Braze "
        "has other values: the ledger is an older copy, or another program changes them. Needs the "
        "permission users.export.ids; one request reads 50 users. Default: none.",
        minimum=0,
        maximum=10000,
        default=0,
    ),
    "ledger_synchronous": _setting(
        "string",
        "Ledger durability",
        "When the ledger is flushed to disk: full flushes before each request, so that a power loss "
        "loses nothing; normal waits less on a slow disk, but after a crash of the machine the ledger "
        "can lag behind Braze, and an attribute that returns to an older value is then not sent.",
        enum=["full", "normal"],
        default="full",
    ),
    "on_unknown_outcome": _setting(
        "string",
        "On unknown outcome",
        "How to handle an event, purchase or increment whose request got no answer: resend it, which "
        "may count it twice, or hold it, which rejects it as in doubt.",
        enum=["resend", "hold"],
        default="resend",
    ),
    "max_objects_per_request": _setting(
        "integer",
        "Objects per request",
        "Maximum number of attributes, events and purchases in one request, together. Default with "
        "track_endpoint bulk: 1,000. The target lowers it if the account allows fewer.",
        minimum=1,
        maximum=1000,
        default=limits.OBJECTS_PER_REQUEST,
    ),
    "track_endpoint": _setting(
        "string",
        "Track endpoint",
        "Endpoint for attributes, events and purchases: track (/users/track), or bulk "
        "(/users/track/bulk) for backfills, which is in a limited beta and needs the permission "
        "users.track.bulk.",
        enum=["track", "bulk"],
        default="track",
    ),
    "concurrency": _setting(
        "integer",
        "Concurrent requests",
        "Maximum number of requests in flight. The target uses fewer if Braze answers slowly or rate-limits it.",
        minimum=1,
        maximum=256,
        default=16,
    ),
    "processes": {
        "type": ["integer", "string", "null"],
        "pattern": "^([1-9][0-9]*|auto)$",
        "minimum": 1,
        "maximum": 64,
        "title": "Processes",
        "description": "Number of processes that map and deliver records, or auto for one per CPU, up to 4. Each "
        "handles the changes of its share of the users. A run uses one process, with a warning, if a "
        "stream cannot be divided or a setting counts for the whole run (docs/processes.md). A Loader always uses one.",
        "default": 1,
    },
    "dependency_delay": _setting(
        "number",
        "Delay between dependent changes",
        "Seconds between two changes of a user if the second depends on the first, such as attributes "
        "and a deletion. Braze recommends five minutes; a shorter delay risks that Braze applies them "
        "out of order.",
        minimum=0,
        maximum=limits.DEPENDENCY_DELAY,
        default=limits.DEPENDENCY_DELAY,
    ),
    "rate_limit_reserve": _setting(
        "number",
        "Rate-limit reserve",
        "Share of each rate limit, from 0 to 0.9, to leave to other programs that use the workspace.",
        minimum=0,
        maximum=0.9,
        default=0.2,
    ),
    "rate_limit_share": _setting(
        "number",
        "Rate-limit share",
        "Share of what rate_limit_reserve leaves that this program may use, such as 0.5 for each of two programs that "
        "run at the same time. A broker (braze_broker) divides it as needed instead.",
        exclusiveMinimum=0,
        maximum=1,
        default=1,
    ),
    "braze_broker": _setting(
        "string",
        "Broker",
        "URL of a broker, such as http://127.0.0.1:8765, that counts the requests of several programs to this "
        "workspace together. Start it with `target-braze broker`. Default: this program counts only its own.",
    ),
    "braze_broker_token": _setting(
        "string",
        "Broker token",
        "Token of the broker. Required for a broker on another machine.",
        secret=True,
        writeOnly=True,
    ),
    "request_timeout": _setting(
        "number",
        "Request timeout",
        "Maximum number of seconds for one request, including its response.",
        minimum=1,
        default=60,
    ),
    "dry_run": _setting(
        "boolean",
        "Dry run",
        "Map and check everything, but send nothing and write no STATE. The log shows what would be "
        "sent and what it would cost. Reads all input and counts what would be rejected, whatever `on_error` says, "
        "and exits with 0. Needs no `api_key` and no `endpoint`, unless `preflight` is on.",
        default=False,
    ),
}

CONFIG: Final[dict[str, Any]] = {
    "type": "object",
    "properties": _SETTINGS,
    "required": ["api_key", "endpoint"],
    "$schema": "https://json-schema.org/draft/2020-12/schema",
}
