"""Translations of messages, templates, and Content Blocks (docs: the translation endpoints, early access)."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Any
from uuid import UUID

from braze_sandbox.request.endpoint import Call, Endpoint
from braze_sandbox.request.query import flag
from braze_sandbox.wire.answer import Answer, Refusal, encode, success

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from braze_sandbox.model.objects import Locale, Translation

CHANNELS = frozenset({"email", "ios_push", "android_push", "web_push", "kindle_push", "in_app_message"})
"""Translatable channels: email, push, and in-app messages."""


class TranslationRefusal(Refusal):
    """A refusal in the format of these endpoints: objects in `errors`, and no `message`."""

    def answer(self) -> Answer:  # type: ignore[explicit-override] # typing has no override on 3.10
        """Return the response for the refusal."""
        return Answer(encode({"errors": [{"message": self.message}]}), self.status)


def _given(call: Call, name: str, error: str) -> str:
    value = (call.query if call.body is None else call.body).get(name)
    if not isinstance(value, str) or not value:
        raise TranslationRefusal(400, error)
    return value


def _message(call: Call, messages: Mapping[str, dict[str, Any]]) -> str:
    key = _given(call, "message_variation_id", "INVALID_MESSAGE_VARIATION_ID")
    if key not in messages:
        raise TranslationRefusal(404, "MESSAGE_NOT_FOUND")
    if messages[key]["channel"] not in CHANNELS:
        raise TranslationRefusal(400, "UNSUPPORTED_CHANNEL")
    return key


def _of_campaign(call: Call) -> str:
    campaign = call.instance.workspace.campaigns.get(_given(call, "campaign_id", "INVALID_CAMPAIGN_ID"))
    if campaign is None:
        raise TranslationRefusal(400, "INVALID_CAMPAIGN_ID")
    return _message(call, campaign.messages)


def _of_canvas(call: Call) -> str:
    # The Canvas pages mention a campaign id, too.
    canvas = call.instance.workspace.canvases.get(_given(call, "workflow_id", "INVALID_CAMPAIGN_ID"))
    if canvas is None:
        raise TranslationRefusal(400, "INVALID_CAMPAIGN_ID")
    wanted = _given(call, "step_id", "MESSAGE_NOT_FOUND")
    step = next((step for step in canvas.steps if step["id"] == wanted), None)
    if step is None:
        raise TranslationRefusal(404, "MESSAGE_NOT_FOUND")
    return _message(call, step["messages"])


def _of_template(call: Call) -> str:
    key = _given(call, "template_id", "MESSAGE_NOT_FOUND")
    if key not in call.instance.workspace.templates:
        raise TranslationRefusal(404, "MESSAGE_NOT_FOUND")
    return key


def _of_content_block(call: Call) -> str:
    key = _given(call, "content_block_id", "MESSAGE_NOT_FOUND")
    block = call.instance.workspace.content_blocks.get(key)
    if block is None or block.deleted:
        raise TranslationRefusal(404, "MESSAGE_NOT_FOUND")
    return key


def _find(call: Call, owner: Callable[[Call], str]) -> Translation:
    """Return the requested translation, or a refusal.

    The error tables have ids and the samples have prose: use both samples, and ids where there is no sample. Which
    errors are 400 and which are 404 is not documented: anything not found is a 404, except the locale, whose sample is
    a 400.
    """
    workspace = call.instance.workspace
    if not workspace.multi_language:
        raise TranslationRefusal(400, "MULTI_LANGUAGE_NOT_ENABLED")
    translation = workspace.translations.get(owner(call))
    if translation is None:
        raise TranslationRefusal(400, "This message does not support multi-language.")
    return translation


def _wanted(call: Call, translation: Translation) -> str | None:
    wanted = call.query.get("locale_id")
    if wanted is None:
        return None
    try:
        UUID(wanted)
    except ValueError:
        raise TranslationRefusal(400, "INVALID_LOCALE_ID") from None
    if wanted not in call.instance.workspace.locales or wanted not in translation.locales:
        raise TranslationRefusal(400, "The provided locale code does not exist.")
    return wanted


def _shown(locale: Locale) -> dict[str, str]:
    return {
        "uuid": locale.uuid,
        "name": locale.name,
        "country": locale.country,
        "language": locale.language,
        "locale_key": locale.name.lower(),
    }


def translations(call: Call, owner: Callable[[Call], str]) -> Answer:
    """Return all locales or that of `locale_id`, always optional here: its pages disagree. No `message` (samples)."""
    flag(call, "post_launch_draft_version")
    translation = _find(call, owner)
    wanted = _wanted(call, translation)
    locales = call.instance.workspace.locales
    rows = [
        {"translation_map": texts, "locale": _shown(locales[uuid])}
        for uuid, texts in translation.locales.items()
        if wanted in (None, uuid)
    ]
    return Answer(encode({"translations": rows}))


def source(call: Call, owner: Callable[[Call], str]) -> Answer:
    """Return the source texts: an object, not an array."""
    flag(call, "post_launch_draft_version")
    translation = _find(call, owner)
    _wanted(call, translation)
    return success({"translations": {"translation_map": translation.source}})


def update(call: Call, owner: Callable[[Call], str]) -> Answer:
    """Merge texts into a locale; ids missing from the message are a 400 (text: docs silent).

    The template page calls the map `translations_map` in its table and `translation_map` in its sample.
    """
    translation = _find(call, owner)
    wanted = _given(call, "locale_id", "INVALID_LOCALE_ID")
    if wanted not in call.instance.workspace.locales:
        raise TranslationRefusal(400, "The provided locale code does not exist.")
    texts = call.body.get("translation_map", call.body.get("translations_map"))
    if not isinstance(texts, dict) or not texts or not all(isinstance(text, str) for text in texts.values()):
        raise TranslationRefusal(400, "'translation_map' must be an object of strings")
    if texts.keys() - translation.source.keys():
        raise TranslationRefusal(400, "The provided translations yielded errors when parsing.")
    translation.locales.setdefault(wanted, {}).update(texts)
    return success({})


def _endpoint(path: str, permission: str, handler: Callable[..., Answer], owner: Callable[[Call], str]) -> Endpoint:
    return Endpoint(
        method="GET", path=path, permission=permission, pool="translations", handler=partial(handler, owner=owner)
    )


ENDPOINTS = [
    *(
        Endpoint(
            method="PUT",
            path=path + end,
            permission=permission,
            pool="translations",
            handler=partial(update, owner=owner),
        )
        for path, permission, owner in (
            ("/campaigns/translations", "campaigns.translations.update", _of_campaign),
            ("/canvas/translations", "canvas.translations.update", _of_canvas),
            ("/templates/email/translations", "templates.translations.update", _of_template),
            ("/content_blocks/translations", "content_blocks.translations.update", _of_content_block),
        )
        for end in ([""] if owner is _of_content_block else ["", "/"])
    ),
    # Some pages end these paths with a slash; others do not.
    *(
        _endpoint(path + end, permission, translations, owner)
        for path, permission, owner in (
            ("/campaigns/translations", "campaigns.translations.get", _of_campaign),
            ("/canvas/translations", "canvas.translations.get", _of_canvas),
            ("/templates/email/translations", "templates.translations.get", _of_template),
        )
        for end in ("", "/")
    ),
    # The other path for templates.
    _endpoint("/templates/translations/email", "templates.translations.get", translations, _of_template),
    _endpoint("/content_blocks/translations", "content_blocks.translations.get", translations, _of_content_block),
    _endpoint("/campaigns/translations/source", "campaigns.translations.get", source, _of_campaign),
    _endpoint("/canvas/translations/source", "canvas.translations.get", source, _of_canvas),
    _endpoint("/templates/email/translations/source", "templates.email.info", source, _of_template),
    _endpoint("/content_blocks/translations/source", "content_blocks.translations.get", source, _of_content_block),
]
