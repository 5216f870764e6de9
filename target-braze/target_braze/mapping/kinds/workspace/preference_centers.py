"""Create preference centers, or update those that differ."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any, ClassVar, Final

from target_braze.braze.changes import Endpoint
from target_braze.braze.objects.named_objects import ObjectType, OneObject
from target_braze.mapping.base.named_objects import NamedObject, ObjectField, semantics_of, to_state, to_text
from target_braze.mapping.values.json_text import from_json_text
from target_braze.mapping.values.times import show

if TYPE_CHECKING:
    from collections.abc import Mapping

_CENTERS: Final = ("preference_centers",)
_PATH: Final = "/preference_center/v1"
_ID: Final = "preference_center_api_id"
_NAME: Final = re.compile(r"[A-Za-z0-9_-]+\Z", re.ASCII)

# https://www.braze.com/docs/api/endpoints/preference_center/; creating one takes the permission to update, too.
LIST: Final = Endpoint(f"{_PATH}/list", "preference_center.list", "preference_centers", (), method="GET")
INFO: Final = Endpoint(f"{_PATH}/{{id}}", "preference_center.get", "preference_centers", (), method="GET")
CREATE: Final = OneObject(
    _PATH,
    "preference_center.update",
    "preference_center_writes",
    _CENTERS,
    1,
    at_end_of_input=True,
    holds=True,
    success_key=_ID,
)
UPDATE: Final = OneObject(
    f"{_PATH}/{{id}}",
    "preference_center.update",
    "preference_center_writes",
    _CENTERS,
    1,
    method="PUT",
    at_end_of_input=True,
    success_key=_ID,
    refusals=frozenset({400, 404}),
    path_key=_ID,
)
PREFERENCE_CENTER: Final = ObjectType(
    "preference center",
    LIST,
    INFO,
    CREATE,
    UPDATE,
    list_key="preference_centers",
    id_key=_ID,
    name_key="name",
    page=None,
    info_keys={"options": "preference_center_options"},
)


def _name(value: object) -> str:
    text = to_text(value)
    if text and not _NAME.match(text):
        raise ValueError("the name of a preference center may contain only letters, digits, '-' and '_'")
    return text


def _options(value: object) -> dict[str, Any] | None:
    value = from_json_text(value, "an object")
    if value is not None and not isinstance(value, dict):
        raise ValueError(f"expected an object, got {show(value)}")
    return value


class PreferenceCenters(NamedObject, to="preference_centers"):
    """A preference center per record, found by its name, which Braze does not change."""

    settings: ClassVar[Mapping[str, Any]] = {}
    unsupported_keys = frozenset({"user"})
    identifier_types = frozenset()
    semantics = (semantics_of(PREFERENCE_CENTER),)
    endpoints = (LIST, INFO, CREATE, UPDATE)
    # Braze's API deletes no preference center.
    on_delete_actions = ("nothing",)
    dealing = "together"
    object_type = PREFERENCE_CENTER
    title = PREFERENCE_CENTER.title
    fields: ClassVar[Mapping[str, ObjectField]] = {
        "name": ObjectField(_name, required=True),
        "preference_center_page_html": ObjectField(to_text, required=True),
        "confirmation_page_html": ObjectField(to_text, required=True),
        "preference_center_title": ObjectField(to_text),
        "state": ObjectField(to_state),
        "options": ObjectField(_options),
    }
