"""Import push tokens of people who have no profile yet."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, ClassVar, Final

from typing_extensions import override

from target_braze.braze import limits
from target_braze.braze.changes import Change, Semantics, always, free, latest
from target_braze.braze.endpoints import TRACK, TRACKING
from target_braze.mapping.base.named_objects import FieldMapping, ObjectField
from target_braze.mapping.values.scalars import to_id
from target_braze.mapping.values.times import show

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from target_braze.mapping.base.stream_mapping import Defaults
    from target_braze.mapping.columns import Columns

# Braze ignores a token that it has. Tokens cost no data points.
SEMANTICS: Final = Semantics(
    repeatable=always,
    counted=False,
    sends_messages=False,
    sets_attributes=False,
    moves_attributes=False,
    coalesce=latest,
    data_points=free,
    consent=None,
)


def _device_id(value: object) -> str | None:
    text = to_id(value)
    if text and len(text.encode()) not in limits.DEVICE_ID_BYTES:
        least, most = limits.DEVICE_ID_BYTES[0], limits.DEVICE_ID_BYTES[-1]
        raise ValueError(f"the device ID of a push token has {least} to {most} bytes, got {show(value)}")
    return text or None


class PushTokenImports(FieldMapping, to="push_token_imports"):
    """A token per record. Braze makes a temporary profile for it, until the app opens and names the user.

    https://www.braze.com/docs/api/objects_filters/user_attributes_object/#push-token-import. Tokens of known users are
    the attribute push_tokens.
    """

    settings: ClassVar[Mapping[str, Any]] = {}
    unsupported_keys = frozenset({"user"})
    identifier_types = frozenset()
    semantics = (SEMANTICS,)
    endpoints = TRACKING
    # Braze deletes temporary profiles that lost their token.
    on_delete_actions = ("nothing",)
    title = "push token"
    fields: ClassVar[Mapping[str, ObjectField]] = {
        "app_id": ObjectField(to_id),
        "token": ObjectField(to_id, required=True),
        "device_id": ObjectField(_device_id),
    }

    def __init__(self, columns: Columns, defaults: Defaults, notice: Callable[[str], None]) -> None:
        super().__init__(columns, defaults, notice)
        if "app_id" not in self._fields and not defaults.app_id:
            raise columns.error(
                "no column for 'app_id', which Braze requires: name it in 'rename', or set 'app_id' for all records - "
                f"at {columns.at}.rename"
            )

    @property
    @override
    def sources(self) -> Mapping[str, tuple[str, ...]]:
        return {"push_tokens": tuple(field.column for field in self._fields.values())}

    @property
    @override
    def named_by(self) -> str:
        return f"column '{self._fields['token'].column}'"

    @override
    def _changes(self, record: Mapping[str, Any]) -> list[Change]:
        token = self._values(record)
        if not token.get("app_id"):
            token["app_id"] = self._defaults.app_id or self._fields["app_id"].required(record)
        user = ("push_token", token["app_id"], token["token"])
        fields = {"push_token_import": True, "push_tokens": [token]}
        return [Change("attributes", user, fields, SEMANTICS, TRACK)]
