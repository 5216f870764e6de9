"""Send transactional emails, one request for each."""

from __future__ import annotations

import re
from dataclasses import replace
from typing import TYPE_CHECKING, Any, ClassVar, Final

from typing_extensions import override

from target_braze.braze.messages.transactional import ENDPOINT
from target_braze.mapping.base.recipients import SEMANTICS, SETTINGS, WITH_ATTRIBUTES, Recipients, target_schema
from target_braze.mapping.base.settings import NAME, described
from target_braze.mapping.columns import Field
from target_braze.mapping.values.scalars import to_id
from target_braze.records import RecordError

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from target_braze.braze.messages.endpoints import MessageEndpoint
    from target_braze.braze.messages.times import Schedule
    from target_braze.mapping.base.stream_mapping import Defaults
    from target_braze.mapping.columns import Columns

# The id is in the path. Anything else than a documented id could name another endpoint.
_ID: Final = re.compile(r"[A-Za-z0-9-]+\Z", re.ASCII)
_REFERENCE: Final = re.compile(r"[a-zA-Z0-9\-_+/=]+\Z", re.ASCII)


class TransactionalEmails(Recipients, to="transactional_emails"):
    """See https://www.braze.com/docs/api/endpoints/messaging/send_messages/post_send_transactional_message/."""

    settings: ClassVar[Mapping[str, Any]] = {
        **{key: schema for key, schema in SETTINGS.items() if key != "prioritization"},
        "campaign": target_schema("campaign", "campaign_id"),
        "external_send_id_field": described(
            NAME,
            "Column of the external send ID",
            "Column with the `external_send_id`. Braze sends one email per ID in 24 hours, and repeats the ID in "
            "status postbacks. Default: an ID made from the record's key and the campaign.",
        ),
    }
    unsupported_keys = frozenset()
    identifier_types = frozenset({"external_id", "user_alias"})
    semantics = (SEMANTICS, WITH_ATTRIBUTES)
    endpoints = (ENDPOINT,)
    # A message cannot be called back.
    on_delete_actions = ("nothing",)

    target = "campaign"
    id_key = "campaign_id"
    properties_key = "trigger_properties"

    def __init__(self, columns: Columns, defaults: Defaults, notice: Callable[[str], None]) -> None:
        self._reference: Field | None = None
        column = columns.entry.get("external_send_id_field")
        if column is not None:
            columns.known(column, "external_send_id_field")
            columns.check_types(column, ("string", "integer"), "an external send ID")
            self._reference = Field(column, "external_send_id", columns.read_id(column, _to_reference))
        super().__init__(columns, defaults, notice)

    @property
    @override
    def sources(self) -> Mapping[str, tuple[str, ...]]:
        own = {} if self._reference is None else {"external_send_id": (self._reference.column,)}
        return {**super().sources, **own}

    @override
    def _endpoint(self, key: str, schedule: Schedule | None, send_id: str | None) -> MessageEndpoint:
        del send_id
        if not _ID.match(key):
            raise RecordError(f"'{self.id_key}' has only letters, digits and hyphens, got {key!r}")
        return replace(
            ENDPOINT,
            path=ENDPOINT.path.format(campaign_id=key),
            window=self._window,
            schedule=schedule,
            constants=self._common_fields,
            holds=self._holds,
        )

    @override
    def _own_fields(self, record: Mapping[str, Any]) -> dict[str, Any]:
        return {} if self._reference is None else {"external_send_id": self._reference.required(record)}


def _to_reference(value: object) -> str:
    text = to_id(value)
    if text and not _REFERENCE.match(text):
        raise ValueError("an external send ID has only letters, digits and the characters - _ + / =")
    return text
