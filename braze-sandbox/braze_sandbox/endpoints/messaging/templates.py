"""Read, create, and update email templates (docs: the email_templates pages)."""

from __future__ import annotations

from datetime import datetime, timezone
from typing import Any
from uuid import uuid4

from braze_sandbox.model.objects import Template
from braze_sandbox.request.endpoint import Call, Endpoint
from braze_sandbox.request.paging import by_offset
from braze_sandbox.request.query import lookup, moment
from braze_sandbox.wire.answer import Answer, Refusal, encode, success

LIMIT = 1_000
BODY = 400_000
UNKNOWN = "Invalid Email Template ID"


def zoneless(when: datetime) -> str:
    """Format a moment in UTC with microseconds and no zone, as in the samples of templates and Content Blocks."""
    return when.astimezone(timezone.utc).strftime("%Y-%m-%dT%H:%M:%S.%f")


def list_(call: Call) -> Answer:
    """GET /templates/email/list: by creation time (docs silent), both bounds inclusive; no `message` (sample)."""
    after, before = moment(call, "modified_after"), moment(call, "modified_before")
    kept = [
        template
        for template in call.instance.workspace.templates.values()
        if not template.drag_and_drop
        and (after is None or template.updated_at >= after)
        and (before is None or template.updated_at <= before)
    ]
    kept.sort(key=lambda template: (template.created_at, template.id))
    rows = [
        {
            "email_template_id": template.id,
            "template_name": template.name,
            "created_at": zoneless(template.created_at),
            "updated_at": zoneless(template.updated_at),
            "tags": template.tags,
        }
        for template in by_offset(call, kept, LIMIT)
    ]
    return Answer(encode({"count": len(rows), "templates": rows}))


def info(call: Call) -> Answer:
    """GET /templates/email/info.

    Docs silent: a drag-and-drop editor template is a 400. `tags` is an array, as everywhere else, although its page
    calls it a string.
    """
    template = lookup(call, "email_template_id", call.instance.workspace.templates, UNKNOWN)
    if template.drag_and_drop:
        raise Refusal(400, "Email templates of the drag-and-drop editor are not supported")
    return success(
        {
            "email_template_id": template.id,
            "template_name": template.name,
            "description": template.description,
            "subject": template.subject,
            "preheader": template.preheader,
            "body": template.body,
            "plaintext_body": template.plaintext_body,
            "should_inline_css": template.should_inline_css,
            "tags": template.tags,
            "created_at": zoneless(template.created_at),
            "updated_at": zoneless(template.updated_at),
        }
    )


_TEXTS = {"template_name": "name", "subject": "subject", "body": "body"}
_OPTIONAL = {"plaintext_body": "plaintext_body", "preheader": "preheader"}


def checked_tags(call: Call) -> list[str]:
    """Return the `tags` of a body; all of them must exist."""
    tags = call.body.get("tags", [])
    if not isinstance(tags, list):
        raise Refusal(400, "Tags must be an array")
    if not all(isinstance(tag, str) for tag in tags):
        raise Refusal(400, "All tags must be strings")
    if set(tags) - call.instance.workspace.tags:
        raise Refusal(400, "Some tags could not be found")
    return tags


def _changes(call: Call) -> dict[str, Any]:
    """Return the validated template fields in a body."""
    body = call.body
    changes: dict[str, Any] = {}
    for given, name in {**_TEXTS, **_OPTIONAL}.items():
        if given in body:
            if not isinstance(body[given], str):
                raise Refusal(400, f"'{given}' must be a string")
            changes[name] = body[given]
    if changes.get("name") == "":
        raise Refusal(400, "Template name is required")
    if len(changes.get("body", "").encode()) > BODY:
        raise Refusal(400, "'body' is over 400 KB")
    if "should_inline_css" in body:
        if not isinstance(body["should_inline_css"], bool):
            raise Refusal(400, "Invalid value for should_inline_css. One of true or false was expected")
        changes["should_inline_css"] = body["should_inline_css"]
    if "tags" in body:
        changes["tags"] = checked_tags(call)
    return changes


def create(call: Call) -> Answer:
    """POST /templates/email/create. Status 201 (docs silent)."""
    changes = _changes(call)
    if "name" not in changes:
        raise Refusal(400, "Template name is required")
    for name in ("subject", "body"):
        if name not in changes:
            raise Refusal(400, f"'{name}' is required")
    now = call.instance.clock.utc_now()
    made = Template(id=str(uuid4()), created_at=now, updated_at=now, **changes)
    call.instance.workspace.templates[made.id] = made
    return success({"email_template_id": made.id}, 201)


def update(call: Call) -> Answer:
    """POST /templates/email/update: requires the id and at least one field."""
    template = call.instance.workspace.templates.get(str(call.body.get("email_template_id")))
    if template is None:
        raise Refusal(400, UNKNOWN)
    changes = _changes(call)
    if not changes:
        raise Refusal(400, "at least one field to update is required")
    call.instance.workspace.edit("templates", template.id, **changes)
    return success({"email_template_id": template.id}, 201)


ENDPOINTS = [
    *(
        Endpoint(
            method="POST",
            path=f"/templates/email/{handler.__name__}",
            permission=f"templates.email.{handler.__name__}",
            pool="a",
            handler=handler,
        )
        for handler in (create, update)
    ),
    Endpoint(method="GET", path="/templates/email/list", permission="templates.email.list", pool="a", handler=list_),
    Endpoint(method="GET", path="/templates/email/info", permission="templates.email.info", pool="a", handler=info),
]
