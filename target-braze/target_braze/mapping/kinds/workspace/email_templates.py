"""Create email templates, or update those that differ."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, ClassVar, Final

from target_braze.braze import limits
from target_braze.braze.changes import Endpoint
from target_braze.braze.objects.named_objects import ObjectType, OneObject
from target_braze.mapping.base.named_objects import (
    NamedObject,
    ObjectField,
    semantics_of,
    smaller_than,
    to_tags,
    to_text,
)
from target_braze.mapping.values.scalars import to_boolean

if TYPE_CHECKING:
    from collections.abc import Mapping

_TEMPLATES: Final = ("email_templates",)

# https://www.braze.com/docs/api/endpoints/templates/email_templates/
LIST: Final = Endpoint("/templates/email/list", "templates.email.list", "default", (), method="GET")
INFO: Final = Endpoint("/templates/email/info", "templates.email.info", "default", (), method="GET")
CREATE: Final = OneObject(
    "/templates/email/create",
    "templates.email.create",
    "default",
    _TEMPLATES,
    1,
    at_end_of_input=True,
    holds=True,
    success_key="email_template_id",
)
UPDATE: Final = OneObject(
    "/templates/email/update",
    "templates.email.update",
    "default",
    _TEMPLATES,
    1,
    at_end_of_input=True,
    success_key="email_template_id",
)
EMAIL_TEMPLATE: Final = ObjectType(
    "email template",
    LIST,
    INFO,
    CREATE,
    UPDATE,
    list_key="templates",
    id_key="email_template_id",
    name_key="template_name",
)


class EmailTemplates(NamedObject, to="email_templates"):
    """An email template per record, found by its name. Braze does not list those of the drag-and-drop editor."""

    settings: ClassVar[Mapping[str, Any]] = {}
    unsupported_keys = frozenset({"user"})
    identifier_types = frozenset()
    semantics = (semantics_of(EMAIL_TEMPLATE),)
    endpoints = (LIST, INFO, CREATE, UPDATE)
    # Braze's API deletes no template.
    on_delete_actions = ("nothing",)
    dealing = "together"
    object_type = EMAIL_TEMPLATE
    title = EMAIL_TEMPLATE.title
    fields: ClassVar[Mapping[str, ObjectField]] = {
        "template_name": ObjectField(to_text, required=True),
        "subject": ObjectField(to_text, required=True),
        "body": ObjectField(smaller_than(limits.EMAIL_TEMPLATE_BYTES, "body"), required=True),
        "plaintext_body": ObjectField(to_text),
        "preheader": ObjectField(to_text),
        "should_inline_css": ObjectField(to_boolean),
        "tags": ObjectField(to_tags),
    }
