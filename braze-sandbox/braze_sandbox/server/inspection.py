"""/sandbox/*: inspect the sandbox, set faults, and reset it, without a key."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from starlette.responses import Response
from starlette.routing import Route

from braze_sandbox.endpoints.sending.delivery import send_due
from braze_sandbox.model.profile import plain
from braze_sandbox.server.directory import apps, directory
from braze_sandbox.wire.answer import BODY_BYTES, READ_BYTES

if TYPE_CHECKING:
    from collections.abc import Iterator

    from starlette.requests import Request

    from braze_sandbox.state.instance import Instance


async def _body(request: Request) -> bytes | None:
    """Return a request's body, or None if it is too large for fault rules."""
    body, size = b"", 0
    async for chunk in request.stream():
        size += len(chunk)
        if size > READ_BYTES:
            break
        body = body + chunk if size <= BODY_BYTES else b""
    return body if size <= BODY_BYTES else None


def _json(value: object, status: int = 200) -> Response:
    # ASCII, because a refused request may contain a lone surrogate, which cannot be encoded.
    return Response(json.dumps(value, separators=(",", ":")), status, media_type="application/json")


class _Pages:
    """The handlers, one per route."""

    def __init__(self, instance: Instance) -> None:
        self._instance = instance

    async def users(self, _request: Request) -> Response:
        return _json({"users": [profile.as_json() for profile in self._instance.profiles]})

    async def user(self, request: Request) -> Response:
        profile = self._instance.profiles.find("external_id", request.path_params["external_id"])
        return _json(profile.as_json()) if profile else _json({"message": "no user has this external_id"}, 404)

    async def events(self, _request: Request) -> Response:
        return _json({"events": list(self._rows("events"))})

    async def purchases(self, _request: Request) -> Response:
        return _json({"purchases": list(self._rows("purchases"))})

    async def requests(self, _request: Request) -> Response:
        return _json({"requests": [request.as_json() for request in self._instance.recorder.requests]})

    async def violations(self, _request: Request) -> Response:
        return _json({"violations": list(self._instance.recorder.violations)})

    async def messages(self, _request: Request) -> Response:
        send_due(self._instance)
        return _json({"messages": [message.as_json() for message in self._instance.workspace.messages]})

    async def notes(self, _request: Request) -> Response:
        return _json({"notes": list(self._instance.recorder.notes)})

    async def summary(self, _request: Request) -> Response:
        return _json(summary(self._instance))

    async def workspace(self, _request: Request) -> Response:
        return _json(directory(self._instance.workspace))

    async def apps(self, _request: Request) -> Response:
        return _json({"apps": apps(self._instance.workspace)})

    async def faults(self, request: Request) -> Response:
        faults = self._instance.faults
        if request.method == "POST":
            try:
                body = await _body(request)
                if body is None:
                    answer = _json({"message": "Request Entity Too Large"}, 413)
                    answer.headers["connection"] = "close"
                    return answer
                rules = json.loads(body)
                for rule in rules if isinstance(rules, list) else [rules]:
                    faults.add(rule)
            except (ValueError, RecursionError) as error:
                return _json({"message": f"not a fault rule: {error}"}, 400)
        if request.method == "DELETE":
            faults.clear()
        return _json({"faults": len(faults.rules)})

    async def reset(self, _request: Request) -> Response:
        self._instance.reset()
        return _json({"message": "success"})

    async def health(self, _request: Request) -> Response:
        return _json({"message": "success", "seed": self._instance.options.seed})

    def _rows(self, name: str) -> Iterator[dict[str, Any]]:
        for profile in self._instance.profiles:
            for one in getattr(profile, name):
                yield {"external_id": profile.external_id, "braze_id": profile.braze_id, **plain(one)}


def summary(instance: Instance) -> dict[str, Any]:
    """Return counts of everything."""
    workspace, recorder = instance.workspace, instance.recorder
    return {
        "users": len(instance.profiles),
        "events": sum(len(profile.events) for profile in instance.profiles),
        "purchases": sum(len(profile.purchases) for profile in instance.profiles),
        "requests": sum(recorder.totals.values()),
        "requests_by_path": dict(recorder.totals),
        "violations": len(recorder.violations),
        "notes": len(recorder.notes),
        "messages": len(workspace.messages),
        "campaigns": len(workspace.campaigns),
        "canvases": len(workspace.canvases),
        "segments": len(workspace.segments),
        "cards": len(workspace.cards),
        "event_names": len(workspace.events),
        "products": len(workspace.products),
    }


def routes(instance: Instance) -> list[Route]:
    """Return the routes under /sandbox."""
    pages = _Pages(instance)
    return [
        Route("/users", pages.users),
        Route("/users/{external_id:path}", pages.user),
        Route("/events", pages.events),
        Route("/purchases", pages.purchases),
        Route("/requests", pages.requests),
        Route("/violations", pages.violations),
        Route("/notes", pages.notes),
        Route("/messages", pages.messages),
        Route("/summary", pages.summary),
        Route("/workspace", pages.workspace),
        Route("/apps", pages.apps),
        Route("/faults", pages.faults, methods=["GET", "POST", "DELETE"]),
        Route("/reset", pages.reset, methods=["POST"]),
        Route("/health", pages.health),
    ]
