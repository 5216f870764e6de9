"""The selection in an export request."""

from __future__ import annotations

from typing import TYPE_CHECKING

from braze_sandbox.model.user_object import FIELDS, SUBSCRIPTION_TIMES, Selection
from braze_sandbox.wire.answer import Refusal

if TYPE_CHECKING:
    from collections.abc import Iterable

    from braze_sandbox.request.endpoint import Call

EXPORTED = {True: 201, False: 200}
"""The status of an export, with or without recorded behavior."""


def selection_of(call: Call, custom_attributes: Iterable[str] = ()) -> Selection:
    """Return a request's selection; `fields_to_export` is required, as for every customer since August 2024."""
    fields = call.body.get("fields_to_export")
    if fields is None and not call.instance.options.fields_required:
        fields = list(FIELDS)
    if not isinstance(fields, list) or not fields:
        raise Refusal(400, "'fields_to_export' is required and must be an array of field names")
    if unknown := sorted(str(name) for name in fields if not isinstance(name, str) or name not in FIELDS):
        raise Refusal(400, f"'fields_to_export' names unknown fields: {', '.join(unknown)}")
    names = {*fields, *(time for name in fields for time in SUBSCRIPTION_TIMES.get(name, ()))}
    return Selection(
        frozenset(names),
        frozenset(custom_attributes),
        recorded=call.recorded,
        id_name="appboy_id" if call.fault == "export_appboy_id" else "braze_id",
    )
