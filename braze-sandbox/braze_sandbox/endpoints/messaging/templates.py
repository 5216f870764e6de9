"""Email templates (docs: get_list_email_templates, get_see_email_template_information)."""

from __future__ import annotations

from datetime import datetime, timezone

from braze_sandbox.request.endpoint import Call, Endpoint
from braze_sandbox.request.paging import by_offset
from braze_sandbox.request.query import lookup, moment
from braze_sandbox.wire.answer import Answer, Refusal, encode, success

LIMIT = 1_000
UNKNOWN = "Invalid Email Template ID"


def zoneless(when: datetime) -> str:
    """A moment with microseconds and without a zone, the form of the samples of templates and Content Blocks: UTC."""
    return when.astimezone(timezone.utc).strftime("%Y-%m-%dT%H:%M:%S.%f")


def list_(call: Call) -> Answer:
    """GET /templates/email/list: by time of creation (docs silent), both bounds included; no `message` (sample)."""
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

    Docs silent: a template of the drag-and-drop editor is a 400. `tags` is an array, as everywhere else, though its
    page calls it a string.
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


ENDPOINTS = [
    Endpoint(method="GET", path="/templates/email/list", permission="templates.email.list", pool="a", handler=list_),
    Endpoint(method="GET", path="/templates/email/info", permission="templates.email.info", pool="a", handler=info),
]
