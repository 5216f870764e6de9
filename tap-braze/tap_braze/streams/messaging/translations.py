"""Translations of messages, an early-access feature: not selected by default."""

from __future__ import annotations

from types import MappingProxyType
from typing import TYPE_CHECKING, Any, Final

from singer_sdk import typing as th
from typing_extensions import override

from tap_braze.braze.client import RefusedError
from tap_braze.settings.opt_in import INCLUDE_COSTLY_STREAMS
from tap_braze.streams.base import columns
from tap_braze.streams.base.lists import ListStream
from tap_braze.streams.base.stream import TRANSLATIONS
from tap_braze.streams.messaging.campaigns import CampaignMessageStream
from tap_braze.streams.messaging.canvases import CanvasMessageStream
from tap_braze.streams.messaging.templates import ContentBlocks, EmailTemplates

if TYPE_CHECKING:
    from collections.abc import Iterable

    from singer_sdk.helpers.types import Context, Record

    from tap_braze.braze.client import BrazeError
    from tap_braze.fetching.fetch import Document, Request

_BAD_REQUEST: Final = 400
_STEP_NAMES: Final = MappingProxyType({"canvas_id": "workflow_id", "canvas_step_id": "step_id"})
_TEMPLATE_NAMES: Final = MappingProxyType({"email_template_id": "template_id"})

_CAMPAIGN: Final = (
    columns.key("campaign_id", "API identifier of the campaign."),
    columns.key("message_variation_id", "API identifier of the message variation."),
)
_CANVAS: Final = (
    columns.key("canvas_id", "API identifier of the Canvas."),
    columns.key("canvas_step_id", "API identifier of the step."),
    columns.key("message_variation_id", "API identifier of the message variation."),
)
_TEMPLATE: Final = (columns.key("email_template_id", "API identifier of the template."),)
_BLOCK: Final = (columns.key("content_block_id", "API identifier of the Content Block."),)


def _texts(text: str) -> th.Property[Any]:
    return th.Property(
        "translation_map", th.ObjectType(additional_properties=th.StringType), description=f"{text}, by translation ID."
    )


_LOCALE: Final = (
    columns.key("locale_uuid", "UUID of the locale."),
    th.Property(
        "locale",
        th.ObjectType(
            th.Property("uuid", th.StringType, description="UUID of the locale."),
            th.Property("name", th.StringType, description="Name of the locale, such as `fr-CA`."),
            th.Property("country", th.StringType, description="Country of the locale."),
            th.Property("language", th.StringType, description="Language of the locale."),
            th.Property("locale_key", th.StringType, description="Name of the locale in lower case."),
        ),
        description="The locale.",
    ),
    _texts("Translated texts"),
)
_SOURCE: Final = (_texts("Source texts"),)


class _Translations(ListStream):
    """Translations; Braze refuses objects without any, which is not reported."""

    pool = TRANSLATIONS
    payload = "translations"
    selected_by_default = False
    opt_in = INCLUDE_COSTLY_STREAMS
    unversioned = frozenset()
    _without = 0

    @override
    def get_records(self, context: Context | None) -> Iterable[Record]:
        yield from super().get_records(context)
        self.logger.info("stream '%s': %d objects have no translations", self.name, self._without)

    @override
    def rows(self, request: Request, document: Document) -> list[Record]:
        translations = document[self.payload] or []
        if isinstance(translations, dict):  # a source has only one
            return [{**request.tags, **translations}]
        return [{**request.tags, "locale_uuid": row["locale"]["uuid"], **row} for row in translations]

    @override
    def pass_over(self, request: Request, error: BrazeError) -> None:
        if isinstance(error, RefusedError) and error.status == _BAD_REQUEST:
            self.lacks_rows = True  # the response is the same for objects without translations and other refusals
            self._without += 1
            self.logger.debug("stream '%s': %s", self.name, error)
        else:
            super().pass_over(request, error)


class CampaignsTranslations(_Translations, CampaignMessageStream):
    """Translated texts of each campaign message, by locale."""

    name = "campaigns_translations"
    path = "/campaigns/translations"
    permission = "campaigns.translations.get"
    primary_keys = ("campaign_id", "message_variation_id", "locale_uuid")
    schema = columns.schema(*_CAMPAIGN, *_LOCALE)


class CampaignsTranslationsSource(_Translations, CampaignMessageStream):
    """Source texts of the translations of each campaign message."""

    name = "campaigns_translations_source"
    path = "/campaigns/translations/source"
    permission = "campaigns.translations.get"
    primary_keys = ("campaign_id", "message_variation_id")
    schema = columns.schema(*_CAMPAIGN, *_SOURCE)


class CanvasesTranslations(_Translations, CanvasMessageStream):
    """Translated texts of each Canvas message, by locale."""

    name = "canvases_translations"
    path = "/canvas/translations"
    permission = "canvas.translations.get"
    parameter_names = _STEP_NAMES
    primary_keys = ("canvas_id", "canvas_step_id", "message_variation_id", "locale_uuid")
    schema = columns.schema(*_CANVAS, *_LOCALE)


class CanvasesTranslationsSource(_Translations, CanvasMessageStream):
    """Source texts of the translations of each Canvas message."""

    name = "canvases_translations_source"
    path = "/canvas/translations/source"
    permission = "canvas.translations.get"
    parameter_names = _STEP_NAMES
    primary_keys = ("canvas_id", "canvas_step_id", "message_variation_id")
    schema = columns.schema(*_CANVAS, *_SOURCE)


class EmailTemplatesTranslations(_Translations):
    """Translated texts of each email template, by locale."""

    name = "email_templates_translations"
    path = "/templates/email/translations"  # another docs page has /templates/translations/email
    permission = "templates.translations.get"
    parent = EmailTemplates
    parent_key = "email_template_id"
    parameter_names = _TEMPLATE_NAMES
    primary_keys = ("email_template_id", "locale_uuid")
    schema = columns.schema(*_TEMPLATE, *_LOCALE)


class EmailTemplatesTranslationsSource(_Translations):
    """Source texts of the translations of each email template."""

    name = "email_templates_translations_source"
    path = "/templates/email/translations/source"
    permission = "templates.email.info"
    parent = EmailTemplates
    parent_key = "email_template_id"
    parameter_names = _TEMPLATE_NAMES
    primary_keys = ("email_template_id",)
    schema = columns.schema(*_TEMPLATE, *_SOURCE)


class ContentBlocksTranslations(_Translations):
    """Translated texts of each Content Block, by locale."""

    name = "content_blocks_translations"
    path = "/content_blocks/translations"
    permission = "content_blocks.translations.get"
    parent = ContentBlocks
    parent_key = "content_block_id"
    primary_keys = ("content_block_id", "locale_uuid")
    schema = columns.schema(*_BLOCK, *_LOCALE)


class ContentBlocksTranslationsSource(_Translations):
    """Source texts of the translations of each Content Block."""

    name = "content_blocks_translations_source"
    path = "/content_blocks/translations/source"
    permission = "content_blocks.translations.get"
    parent = ContentBlocks
    parent_key = "content_block_id"
    primary_keys = ("content_block_id",)
    schema = columns.schema(*_BLOCK, *_SOURCE)
