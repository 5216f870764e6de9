"""POST /users/external_ids/rename and /remove (docs: post_external_ids_rename, post_external_ids_remove)."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from braze_sandbox.request.bodies import array
from braze_sandbox.request.endpoint import Call, Endpoint
from braze_sandbox.rules.identity import EXTERNAL_ID_BYTES, Rejected, as_text
from braze_sandbox.wire.answer import Answer, success

if TYPE_CHECKING:
    from collections.abc import Callable

    from braze_sandbox.wire.answer import Json


def _each(call: Call, name: str, work: Callable[[Call, Json], Json]) -> tuple[list[Json], list[list[Any]]]:
    """Process each object separately. An error is an array of index and reason (the docs show only the index)."""
    done: list[Json] = []
    errors: list[list[Any]] = []
    for index, obj in enumerate(array(call, name)):
        try:
            if (name, index) in call.rejects:
                raise Rejected(call.rejects[name, index])  # noqa: TRY301 - as any other refusal
            done.append(work(call, obj))
        except Rejected as why:  # noqa: PERF203 - each object stands alone
            errors.append([index, str(why)])
    return done, errors


def rename(call: Call) -> Answer:
    """Give users a new external ID and deprecate the old one.

    `external_ids` was recorded with the objects of the request; the documentation has strings and does not specify
    which ones.
    """
    done, errors = _each(call, "external_id_renames", _rename)
    return success({"external_ids": done, "rename_errors": errors}, 201)


def _rename(call: Call, obj: Json) -> Json:
    old = as_text(obj.get("current_external_id")) if isinstance(obj, dict) else None
    new = as_text(obj.get("new_external_id")) if isinstance(obj, dict) else None
    if not isinstance(old, str) or not isinstance(new, str) or not new:
        raise Rejected("'current_external_id' and 'new_external_id' are required and must be strings")
    if len(new.encode()) > EXTERNAL_ID_BYTES:
        raise Rejected("EXTERNAL_USER_ID_TOO_LARGE")
    if old == new:
        raise Rejected("'current_external_id' and 'new_external_id' cannot be the same")
    profiles = call.instance.profiles
    profile = profiles.find("external_id", old)
    if profile is None:
        raise Rejected("'current_external_id' does not exist")
    if profile.external_id != old:
        raise Rejected("'current_external_id' is deprecated")
    if profiles.find("external_id", new):
        raise Rejected("'new_external_id' is already in use")
    profiles.name(profile, new)
    return {"current_external_id": old, "new_external_id": new} if call.recorded else new


def remove(call: Call) -> Answer:
    """Remove deprecated external IDs."""
    done, errors = _each(call, "external_ids", _remove)
    return success({"removed_ids": done, "removal_errors": errors}, 201)


def _remove(call: Call, external_id: Json) -> Json:
    external_id = as_text(external_id)
    if not isinstance(external_id, str):
        raise Rejected("an external id must be a string")
    profile = call.instance.profiles.find("external_id", external_id)
    if profile is None:
        raise Rejected("the external id does not exist")
    if profile.external_id == external_id:
        raise Rejected("the external id is not deprecated")
    call.instance.profiles.forget(profile, external_id)
    return external_id


ENDPOINTS = [
    Endpoint(
        method="POST",
        path="/users/external_ids/rename",
        permission="users.external_ids.rename",
        pool="external_ids_rename",
        handler=rename,
    ),
    Endpoint(
        method="POST",
        path="/users/external_ids/remove",
        permission="users.external_ids.remove",
        pool="external_ids_remove",
        handler=remove,
    ),
]
