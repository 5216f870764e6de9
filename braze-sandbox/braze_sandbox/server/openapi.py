"""`/openapi.json`: the registered endpoints in OpenAPI 3.1."""

from __future__ import annotations

import re
from importlib.metadata import version
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterable

    from braze_sandbox.request.endpoint import Endpoint

_ABOUT = (
    "Endpoints of Braze's REST API that this sandbox serves. Paths, methods, path parameters and permissions come from "
    "the sandbox's own table; query parameters and bodies are documented by Braze."
)
_MESSAGE = {"type": "object", "properties": {"message": {"type": "string"}}}


def describe(endpoints: Iterable[Endpoint]) -> dict[str, Any]:
    """Return the OpenAPI document for some endpoints.

    `x-braze-permission` is an endpoint's permission; `x-rate-limit-pool` is its rate-limit pool, unless it depends on
    the request.
    """
    paths: dict[str, dict[str, Any]] = {}
    for endpoint in endpoints:
        path = paths.setdefault(endpoint.path, {})
        names = re.findall(r"{(\w+)}", endpoint.path)
        if names:
            path["parameters"] = [
                {"name": name, "in": "path", "required": True, "schema": {"type": "string"}} for name in names
            ]
        path[endpoint.method.lower()] = _operation(endpoint)
    return {
        "openapi": "3.1.0",
        "info": {"title": "braze-sandbox", "version": version("braze-sandbox"), "description": _ABOUT},
        "servers": [{"url": "/"}],
        "security": [{"key": []}],
        "paths": paths,
        "components": {"securitySchemes": {"key": {"type": "http", "scheme": "bearer"}}},
    }


def _operation(endpoint: Endpoint) -> dict[str, Any]:
    operation: dict[str, Any] = {
        "tags": [endpoint.path.split("/")[1]],
        "responses": {
            "default": {
                "description": "Braze's answer; `message` says what went wrong.",
                "content": {"application/json": {"schema": _MESSAGE}},
            }
        },
    }
    if endpoint.permission is None:
        operation["security"] = []
    else:
        operation["x-braze-permission"] = endpoint.permission
    if isinstance(endpoint.pool, str):
        operation["x-rate-limit-pool"] = endpoint.pool
    if endpoint.has_body and endpoint.method != "GET":
        operation["requestBody"] = {
            "required": True,
            "content": {"application/json": {"schema": {"type": "object"}}},
        }
    return operation
