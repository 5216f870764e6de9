"""Create Content Blocks, or update those that differ."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any, ClassVar, Final

from target_braze.braze import limits
from target_braze.braze.changes import Endpoint
from target_braze.braze.objects.named_objects import ObjectType, OneObject
from target_braze.mapping.base.named_objects import (
    NamedObject,
    ObjectField,
    semantics_of,
    shorter_than,
    smaller_than,
    to_state,
    to_tags,
)

if TYPE_CHECKING:
    from collections.abc import Mapping

_BLOCKS: Final = ("content_blocks",)
_NAME: Final = re.compile(r"[A-Za-z0-9_-]+\Z", re.ASCII)

# https://www.braze.com/docs/api/endpoints/templates/content_blocks_templates/
LIST: Final = Endpoint("/content_blocks/list", "content_blocks.list", "default", (), method="GET")
INFO: Final = Endpoint("/content_blocks/info", "content_blocks.info", "default", (), method="GET")
CREATE: Final = OneObject(
    "/content_blocks/create",
    "content_blocks.create",
    "default",
    _BLOCKS,
    1,
    at_end_of_input=True,
    holds=True,
    success_key="content_block_id",
)
UPDATE: Final = OneObject(
    "/content_blocks/update",
    "content_blocks.update",
    "default",
    _BLOCKS,
    1,
    at_end_of_input=True,
    success_key="content_block_id",
)
CONTENT_BLOCK: Final = ObjectType(
    "Content Block", LIST, INFO, CREATE, UPDATE, list_key="content_blocks", id_key="content_block_id", name_key="name"
)


def _name(value: object) -> str:
    text: str = shorter_than(limits.CONTENT_BLOCK_NAME_LENGTH, "name of a Content Block")(value)
    if text and not _NAME.match(text):
        raise ValueError("the name of a Content Block may contain only letters, digits, '-' and '_'")
    return text


def _description(value: object) -> str | None:
    # Braze refuses a blank one.
    return shorter_than(limits.CONTENT_BLOCK_DESCRIPTION_LENGTH, "description of a Content Block")(value) or None


class ContentBlocks(NamedObject, to="content_blocks"):
    """A Content Block per record, found by its name.

    Braze does not show the state, so a record with one is always sent.
    """

    settings: ClassVar[Mapping[str, Any]] = {}
    unsupported_keys = frozenset({"user"})
    identifier_types = frozenset()
    semantics = (semantics_of(CONTENT_BLOCK),)
    endpoints = (LIST, INFO, CREATE, UPDATE)
    # Braze's API deletes no Content Block.
    on_delete_actions = ("nothing",)
    dealing = "together"
    object_type = CONTENT_BLOCK
    title = CONTENT_BLOCK.title
    fields: ClassVar[Mapping[str, ObjectField]] = {
        "name": ObjectField(_name, required=True),
        "content": ObjectField(smaller_than(limits.CONTENT_BLOCK_BYTES, "content"), required=True),
        "description": ObjectField(_description),
        "state": ObjectField(to_state),
        "tags": ObjectField(to_tags),
    }
