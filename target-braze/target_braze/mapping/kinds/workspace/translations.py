"""Update translations of messages, email templates and Content Blocks."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, ClassVar, Final

from typing_extensions import override

from target_braze.braze.changes import Change, Endpoint, Semantics, always, free
from target_braze.braze.objects.named_objects import OneObject
from target_braze.mapping.base.actions import Action
from target_braze.mapping.base.named_objects import to_text
from target_braze.mapping.base.settings import described
from target_braze.mapping.columns import Field
from target_braze.mapping.values.json_text import from_json_text
from target_braze.mapping.values.times import show

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from target_braze.mapping.base.stream_mapping import Defaults
    from target_braze.mapping.columns import Columns
    from target_braze.mapping.identifiers import IdentifierRule
    from target_braze.mapping.values.scalars import Convert


def _endpoint(path: str, permission: str) -> Endpoint:
    return OneObject(
        path,
        permission,
        "translations",
        ("translations",),
        1,
        method="PUT",
        at_end_of_input=True,
        refusals=frozenset({400, 404}),
    )


# By the setting `translations_of`: https://www.braze.com/docs/api/endpoints/translations/. The page on templates ends
# the path with a slash, which Braze's general pages warn against.
ENDPOINTS: Final[Mapping[str, Endpoint]] = {
    "campaigns": _endpoint("/campaigns/translations", "campaigns.translations.update"),
    "canvases": _endpoint("/canvas/translations", "canvas.translations.update"),
    "email_templates": _endpoint("/templates/email/translations", "templates.translations.update"),
    "content_blocks": _endpoint("/content_blocks/translations", "content_blocks.translations.update"),
}
# The ids of what is translated.
_IDS: Final[Mapping[str, tuple[str, ...]]] = {
    "campaigns": ("campaign_id", "message_variation_id"),
    "canvases": ("workflow_id", "step_id", "message_variation_id"),
    "email_templates": ("template_id",),
    "content_blocks": ("content_block_id",),
}
# The page on templates calls it `translations_map` in its table, and like the others in its example.
_MAP: Final = "translation_map"


def _merged(earlier: dict[str, Any], later: dict[str, Any]) -> dict[str, Any]:
    return {**later, _MAP: {**earlier[_MAP], **later[_MAP]}}


# Braze replaces the texts that a request has and keeps the others.
SEMANTICS: Final = Semantics(
    repeatable=always,
    counted=False,
    sends_messages=False,
    sets_attributes=False,
    moves_attributes=False,
    coalesce=_merged,
    data_points=free,
    consent=None,
)


def _texts(value: object) -> dict[str, str] | None:
    value = from_json_text(value, "an object of texts")
    if value is None:
        return None
    if not isinstance(value, dict) or not value or not all(isinstance(text, str) for text in value.values()):
        raise ValueError(f"expected an object of texts, got {show(value)}")
    return value


class Translations(Action, to="translations"):
    """Texts of one locale per record. What they belong to is set for the stream and named by its ids."""

    settings: ClassVar[Mapping[str, Any]] = {
        "translations_of": described(
            {"type": "string", "enum": list(ENDPOINTS)},
            "Translations of",
            f"What the texts belong to: {', '.join(f'`{name}`' for name in ENDPOINTS)}. Required for translations.",
        )
    }
    unsupported_keys = frozenset({"user"})
    identifier_types = frozenset()
    semantics = (SEMANTICS,)
    endpoints = tuple(ENDPOINTS.values())
    # Braze's API deletes no translation.
    on_delete_actions = ("nothing",)
    dealing = "together"

    @classmethod
    @override
    def endpoints_for(cls, entry: Mapping[str, Any]) -> tuple[Endpoint, ...]:
        return (ENDPOINTS[entry["translations_of"]],) if "translations_of" in entry else cls.endpoints

    def __init__(self, columns: Columns, defaults: Defaults, notice: Callable[[str], None]) -> None:
        super().__init__(columns, defaults, notice)
        of: str | None = columns.entry.get("translations_of")
        if of is None:
            raise columns.error(
                f"translations of what? Set translations_of to {' or '.join(ENDPOINTS)} - at "
                f"{columns.at}.translations_of"
            )
        self._endpoint = ENDPOINTS[of]
        self._ids = [self._named(name, to_text) for name in (*_IDS[of], "locale_id")]
        self._texts = self._named(_MAP, _texts)
        self._report_unused(field.column for field in (*self._ids, self._texts))

    @override
    def _compile_user(self) -> list[IdentifierRule]:
        return []

    @property
    @override
    def sources(self) -> Mapping[str, tuple[str, ...]]:
        return {field.name: (field.column,) for field in (*self._ids, self._texts)}

    @property
    @override
    def named_by(self) -> str:
        return ", ".join(f"column '{field.column}'" for field in self._ids)

    @override
    def _changes(self, record: Mapping[str, Any]) -> list[Change]:
        ids = {field.name: field.required(record) for field in self._ids}
        fields = {**ids, _MAP: self._texts.required(record)}
        user = ("translation", self._endpoint.path, *ids.values())
        return [Change("translations", user, fields, SEMANTICS, self._endpoint)]

    def _named(self, name: str, convert: Convert) -> Field:
        """Return the field from the column that `rename` gives this name, or else has it."""
        columns = self._columns
        renames: Mapping[str, str] = columns.entry.get("rename", {})
        found = [column for column in columns.names if renames.get(column, column) == name]
        if len(found) != 1:
            what = f"columns {' and '.join(map(repr, found))} would both be" if found else "no column for"
            raise columns.error(f"{what} '{name}': name one in 'rename' - at {columns.at}.rename")
        return Field(found[0], name, convert)
