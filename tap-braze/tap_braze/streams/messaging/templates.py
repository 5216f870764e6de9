"""Email templates and Content Blocks."""

from __future__ import annotations

from types import MappingProxyType
from typing import TYPE_CHECKING, Final

from singer_sdk import typing as th
from typing_extensions import override

from tap_braze.streams.base import columns
from tap_braze.streams.base.details import DetailsStream
from tap_braze.streams.base.lists import ChangesStream
from tap_braze.streams.base.paginators import Offset

if TYPE_CHECKING:
    from singer_sdk.helpers.types import Record

    from tap_braze.fetching.fetch import Document, Request


_EMAIL_TEMPLATE: Final = (
    columns.key("email_template_id", "API identifier of the template."),
    columns.moment("updated_at", "When the template last changed."),
    columns.moment("created_at", "When the template was created."),
    th.Property("template_name", th.StringType, description="Name of the template."),
)


class EmailTemplates(ChangesStream):
    """All email templates except those of the drag-and-drop editor, which Braze leaves out."""

    name = "email_templates"
    path = "/templates/email/list"
    permission = "templates.email.list"
    payload = "templates"
    paginator = Offset(1000)
    primary_keys = ("email_template_id",)
    unversioned = frozenset()
    replication_key = "updated_at"
    schema = columns.schema(
        *_EMAIL_TEMPLATE,
        columns.strings("tags", "Names of its tags."),
    )


class EmailTemplatesDetails(DetailsStream):
    """Subject and bodies of each email template that changed since the last run."""

    name = "email_templates_details"
    path = "/templates/email/info"
    permission = "templates.email.info"
    payload = "email_template_id"
    parent = EmailTemplates
    parent_key = "email_template_id"
    primary_keys = ("email_template_id",)
    replication_key = "updated_at"
    schema = columns.schema(
        *_EMAIL_TEMPLATE,
        th.Property("description", th.StringType, description="Description of the template."),
        th.Property("subject", th.StringType, description="Subject line."),
        th.Property("preheader", th.StringType, description="Preview text after the subject."),
        th.Property("body", th.StringType, description="Body as HTML."),
        th.Property("plaintext_body", th.StringType, description="Body as plain text."),
        th.Property(
            "should_inline_css",
            th.BooleanType,
            description="Whether Braze inlines the CSS; if missing, the setting of the workspace applies.",
        ),
        columns.strings("tags", "Names of its tags."),
    )

    @override
    def rows(self, request: Request, document: Document) -> list[Record]:
        # Documented as text here, while the list has an array.
        # https://www.braze.com/docs/api/endpoints/templates/email_templates/get_see_email_template_information/
        if isinstance(tags := document.get("tags"), str):
            document["tags"] = [tags] if tags else []
        return super().rows(request, document)


_CONTENT_BLOCK: Final = (
    columns.key("content_block_id", "API identifier of the Content Block."),
    columns.moment("last_edited", "When the Content Block was last edited."),
    columns.moment("created_at", "When the Content Block was created."),
    th.Property("name", th.StringType, description="Name of the Content Block."),
)


class ContentBlocks(ChangesStream):
    """All Content Blocks."""

    name = "content_blocks"
    path = "/content_blocks/list"
    permission = "content_blocks.list"
    payload = "content_blocks"
    paginator = Offset(999)  # its docs allow 1000 in one line and forbid it in another
    primary_keys = ("content_block_id",)
    unversioned = frozenset({"inclusion_count"})
    replication_key = "last_edited"
    schema = columns.schema(
        *_CONTENT_BLOCK,
        th.Property("content_type", th.StringType, description="`html` or `text`."),
        th.Property("liquid_tag", th.StringType, description="Liquid tag that inserts it into a message."),
        *columns.counts(inclusion_count="Messages that used it at the time of the request; changes without an edit."),
        columns.strings("tags", "Names of its tags."),
    )


class ContentBlocksDetails(DetailsStream):
    """Content of each Content Block that changed since the last run."""

    name = "content_blocks_details"
    path = "/content_blocks/info"
    permission = "content_blocks.info"
    payload = "content_block_id"
    params = MappingProxyType({"include_inclusion_data": "true"})
    parent = ContentBlocks
    parent_key = "content_block_id"
    primary_keys = ("content_block_id",)
    unversioned = frozenset({"inclusion_count", "inclusion_data"})
    replication_key = "last_edited"
    schema = columns.schema(
        *_CONTENT_BLOCK,
        th.Property("description", th.StringType, description="Description of the Content Block."),
        th.Property("content_type", th.StringType, description="`html` or `text`."),
        th.Property("content", th.StringType, description="Content that it inserts into a message."),
        *columns.counts(inclusion_count="Messages that used it at the time of the request; changes without an edit."),
        columns.open_array(
            "inclusion_data",
            "Message variations of active campaigns and Canvases that used it at the time of the request.",
        ),
        columns.strings("tags", "Names of its tags."),
    )
