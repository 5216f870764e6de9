"""The bulk endpoints of Data Objects, which the sandbox does not implement: 501.

The path of the user relationships is inferred from its siblings.
"""

from __future__ import annotations

from braze_sandbox.request.endpoint import Call, Endpoint
from braze_sandbox.wire.answer import Answer, NotInSandbox


def lacking(_call: Call) -> Answer:
    """Report that the sandbox does not implement the endpoint."""
    raise NotInSandbox("the bulk endpoints of Data Objects")


ENDPOINTS = [
    Endpoint(
        method=method,
        path=f"/data_objects/{path}",
        permission=f"data_objects.{right}bulk_{action}",
        pool="data_objects_bulk",
        handler=lacking,
    )
    for path, right in (
        ("objects", ""),
        ("object_relationships", "object_relationships."),
        ("user_relationships", "user_relationships."),
    )
    for method, action in (("PUT", "upsert"), ("DELETE", "delete"))
]
