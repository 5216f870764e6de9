"""Create send IDs, under which Braze counts the messages of API campaigns. Sends no message."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any, ClassVar, Final

from typing_extensions import override

from target_braze.braze.changes import Change, Semantics, free, never
from target_braze.braze.objects.named_objects import OneObject
from target_braze.mapping.base.named_objects import FieldMapping, ObjectField
from target_braze.mapping.values.scalars import to_id
from target_braze.mapping.values.times import show

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from target_braze.mapping.base.stream_mapping import Defaults
    from target_braze.mapping.columns import Columns

# https://www.braze.com/docs/api/endpoints/messaging/send_messages/post_create_send_ids/ and, for the form of an ID,
# https://www.braze.com/docs/api/identifier_types/#send-identifier
ENDPOINT: Final = OneObject("/sends/id/create", "sends.id.create", "send_ids", ("sends",), 1, holds=True)
_SEND_ID: Final = re.compile(r"[ -~]{1,64}\Z", re.ASCII)
# Braze does not document what it does with an ID that exists. The ledger remembers those that it created.
SEMANTICS: Final = Semantics(
    repeatable=never,
    counted=True,
    sends_messages=False,
    sets_attributes=False,
    moves_attributes=False,
    coalesce=None,
    data_points=free,
    consent=None,
)


def _send_id(value: object) -> str:
    text = to_id(value)
    if text and not _SEND_ID.match(text):
        raise ValueError(f"a send ID has 1 to 64 printable ASCII characters, got {show(value)}")
    return text


class Sends(FieldMapping, to="sends"):
    """A send ID of an API campaign per record, which names it: nothing could return an ID that Braze made."""

    settings: ClassVar[Mapping[str, Any]] = {}
    unsupported_keys = frozenset({"user"})
    identifier_types = frozenset()
    semantics = (SEMANTICS,)
    endpoints = (ENDPOINT,)
    # Braze's API deletes no send ID.
    on_delete_actions = ("nothing",)
    title = "send ID"
    fields: ClassVar[Mapping[str, ObjectField]] = {
        "campaign_id": ObjectField(to_id, required=True),
        "send_id": ObjectField(_send_id, required=True),
    }

    def __init__(self, columns: Columns, defaults: Defaults, notice: Callable[[str], None]) -> None:
        super().__init__(columns, defaults, notice)
        self._seen: set[str] = set()

    @property
    @override
    def named_by(self) -> str:
        return f"column '{self._fields['send_id'].column}'"

    @override
    def _changes(self, record: Mapping[str, Any]) -> list[Change]:
        fields = self._values(record)
        if fields["send_id"] in self._seen:
            self._notice("send IDs that several records name are created once")
            return []
        self._seen.add(fields["send_id"])
        return [Change("sends", ("send_id", fields["send_id"]), fields, SEMANTICS, ENDPOINT)]
