"""Exports of a segment's users or of the Global Control Group (docs: post_users_segment, post_users_global_…)."""

from __future__ import annotations

import re
from dataclasses import replace
from typing import TYPE_CHECKING

from braze_sandbox.endpoints.analytics.segments import UNKNOWN
from braze_sandbox.endpoints.exports.selection import EXPORTED, selection_of
from braze_sandbox.model.membership import members
from braze_sandbox.request.endpoint import Call, Endpoint
from braze_sandbox.wire.answer import Answer, Refusal, success

if TYPE_CHECKING:
    from braze_sandbox.model.user_object import Selection
    from braze_sandbox.model.workspace import Segment

CUSTOM_ATTRIBUTES = 500
NOT_OF_THE_CONTROL_GROUP = frozenset(
    {
        "campaigns_received",
        "canvases_received",
        "cards_clicked",
        "created_from",
        "email_subscribe",
        "push_subscribe",
        "push_tokens",
    }
)
"""Fields that the control group's page does not list; requests for them return nothing here (docs silent)."""


def export_segment(call: Call) -> Answer:
    """Start an export of a segment's users."""
    segment = call.instance.workspace.segments.get(str(call.body.get("segment_id")))
    if segment is None:
        raise Refusal(400, UNKNOWN)
    names = call.body.get("custom_attributes_to_export", [])
    if not isinstance(names, list) or not all(isinstance(name, str) for name in names):
        raise Refusal(400, "'custom_attributes_to_export' must be an array of strings")
    if len(names) > CUSTOM_ATTRIBUTES:
        raise Refusal(400, f"'custom_attributes_to_export' may have at most {CUSTOM_ATTRIBUTES} names")
    return _start(call, segment, selection_of(call, names))


def export_control_group(call: Call) -> Answer:
    """Start an export of the Global Control Group. A workspace without one: 400 (docs silent)."""
    group = call.instance.workspace.control_group
    if group is None:
        raise Refusal(400, "the workspace has no Global Control Group")
    for name in ("segment_id", "custom_attributes_to_export"):
        if name in call.body:
            call.report("a parameter that the export of the control group does not have is ignored", name, call.body)
    asked = selection_of(call)
    return _start(call, group, replace(asked, fields=asked.fields - NOT_OF_THE_CONTROL_GROUP))


def _start(call: Call, segment: Segment, selection: Selection) -> Answer:
    form = call.body.get("output_format", "zip")
    if form not in ("zip", "gzip"):
        raise Refusal(400, "'output_format' must be zip or gzip")
    callback = call.body.get("callback_endpoint") or None
    if callback is not None and not (isinstance(callback, str) and callback.startswith(("http://", "https://"))):
        raise Refusal(400, "'callback_endpoint' must be a URL")
    export = call.instance.exports.start(
        segment.id,
        members(segment, call.instance.profiles),
        selection,
        suffix="gz" if form == "gzip" else "zip",
        fault=call.fault,
        callback=callback,
        host=call.header(b"host"),
    )
    # With cloud storage there is no URL.
    return success(
        {"object_prefix": export.prefix, **({"url": export.url} if export.url else {})}, EXPORTED[call.recorded]
    )


def download(call: Call) -> Answer:
    """GET an export's file, as S3 serves a pre-signed URL."""
    if call.header(b"authorization"):
        call.report(
            "the API key was sent to a download URL, which is not Braze's", "Authorization", call.params["name"]
        )
        return _s3(400, "InvalidArgument", "Only one auth mechanism allowed")
    export = call.instance.exports.find(call.params["name"], call.query.get("X-Amz-Signature", ""))
    if export is None or export.content is None:
        return _s3(403, "AccessDenied", "Access Denied")
    if export.expired:
        return _s3(403, "ExpiredToken", "The provided token has expired.")
    return _part(export.content, call.header(b"range"))


def _part(content: bytes, wanted: str) -> Answer:
    """Return the file, or the part in a single-range `Range` header; other forms are ignored, as in S3."""
    headers = ((b"content-type", b"application/zip"), (b"accept-ranges", b"bytes"))
    match = re.fullmatch(r"bytes=(\d{1,18})-(\d{0,18})", wanted)
    if match is None:
        return Answer(content, headers=headers)
    size, first = len(content), int(match[1])
    if first >= size:
        return _s3(416, "InvalidRange", "The requested range is not satisfiable")
    last = min(int(match[2] or size), size - 1)
    told = f"bytes {first}-{last}/{size}".encode()
    return Answer(content[first : last + 1], 206, (*headers, (b"content-range", told)))


def _s3(status: int, code: str, message: str) -> Answer:
    error = f"<Error><Code>{code}</Code><Message>{message}</Message></Error>"
    body = f'<?xml version="1.0" encoding="UTF-8"?>\n{error}'
    return Answer(body.encode(), status, ((b"content-type", b"application/xml"),))


def cancel(call: Call) -> Answer:
    """POST /export/segment/cancel. A segment without an export is not an error (docs silent)."""
    segment = call.instance.workspace.segments.get(str(call.body.get("segment_id")))
    if segment is None:
        raise Refusal(400, UNKNOWN)
    call.instance.exports.cancel(segment.id)
    return success({})


ENDPOINTS = [
    Endpoint(method="POST", path="/export/segment/cancel", permission="segments.list", pool="a", handler=cancel),
    Endpoint(
        method="POST",
        path="/users/export/segment",
        permission="users.export.segment",
        pool="a",
        handler=export_segment,
    ),
    Endpoint(
        method="POST",
        path="/users/export/global_control_group",
        permission="users.export.global_control_group",
        pool="a",
        handler=export_control_group,
    ),
    Endpoint(method="GET", path="/sandbox/exports/{name}", permission=None, pool=None, handler=download),
]
