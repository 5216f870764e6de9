"""Routes and rendering of the web UI: autoescaped templates, and polls that return 204 if nothing changed."""

from __future__ import annotations

import json
from hashlib import sha256
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import parse_qsl, urlencode

from jinja2 import Environment, FileSystemLoader, StrictUndefined
from markupsafe import Markup
from starlette.responses import RedirectResponse, Response
from starlette.routing import Route

from braze_sandbox.model.profile import plain
from braze_sandbox.pages.views import Views, name_of
from braze_sandbox.wire.answer import encode

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from starlette.requests import Request

    from braze_sandbox.pages.views import Content, View
    from braze_sandbox.state.instance import Instance

_HERE = Path(__file__).parent
_FORM_BYTES = 100_000
_SHOWN = 100_000
"""Maximum characters shown of one value."""

_HEADERS = {
    "cache-control": "no-store",
    "content-security-policy": (
        "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; img-src data:; "
        "form-action 'self'; base-uri 'none'; frame-ancestors 'none'"
    ),
    # Not "no-referrer", which would turn the Origin of our own forms into null.
    "referrer-policy": "same-origin",
    "x-content-type-options": "nosniff",
}
_STATIC = {"htmx.min.js": "text/javascript", "style.css": "text/css"}

NAVIGATION = [
    ("/", "Overview"),
    ("/sandbox/pages/users", "Users"),
    ("/sandbox/pages/events", "Events"),
    ("/sandbox/pages/requests", "Requests"),
    ("/sandbox/pages/violations", "Violations"),
    ("/sandbox/pages/messages", "Messages"),
    ("/sandbox/pages/catalogs", "Catalogs"),
    ("/sandbox/pages/limits", "Rate limits"),
    ("/sandbox/pages/faults", "Faults"),
]


def _json(value: object) -> str:
    try:
        text = json.dumps(plain(value), indent=2, ensure_ascii=False, default=str)
    except RecursionError:
        return "too deeply nested to show"
    return text if len(text) <= _SHOWN else text[:_SHOWN] + "\n… and more"


class Web:
    """The pages of one instance; the caller must put the guard in front of them."""

    def __init__(self, instance: Instance) -> None:
        self._instance = instance
        self._views = Views(instance)
        self._templates = Environment(
            loader=FileSystemLoader(_HERE / "templates"),
            autoescape=True,
            undefined=StrictUndefined,
            trim_blocks=True,
            lstrip_blocks=True,
        )
        self._templates.filters["json"] = _json
        self._templates.filters["name"] = name_of
        self._templates.globals["navigation"] = NAVIGATION

    @property
    def root(self) -> Route:
        """Return the page at `/`."""
        return Route("/", self._page(self._views.overview))

    @property
    def routes(self) -> list[Route]:
        """Return the routes under /sandbox."""
        views = self._views
        return [
            Route("/pages/users", self._page(views.users)),
            Route("/pages/users/{braze_id}", self._page(views.user)),
            Route("/pages/events", self._page(views.events)),
            Route("/pages/requests", self._page(views.requests)),
            Route("/pages/requests/{number:int}", self._page(views.request)),
            Route("/pages/violations", self._page(views.violations)),
            Route("/pages/messages", self._page(views.messages)),
            Route("/pages/messages/{number:int}", self._page(views.message)),
            Route("/pages/catalogs", self._page(views.catalogs)),
            Route("/pages/catalogs/{name:path}", self._page(views.catalog)),
            Route("/pages/limits", self._page(views.limits)),
            Route("/pages/faults", self._page(views.faults)),
            Route("/pages/faults", self._switch, methods=["POST"]),
            Route("/pages/static/{name}", _static),
        ]

    def _page(self, view: View) -> Callable[[Request], Awaitable[Response]]:
        async def handler(request: Request) -> Response:
            content = view(dict(request.query_params), request.path_params)
            return self._render(request, content) if content else Response("Not found", 404, _HEADERS)

        return handler

    def _render(self, request: Request, content: Content, status: int = 200, error: str = "") -> Response:
        inner = Markup(self._templates.get_template(content.template).render(content.values))  # noqa: S704 - escaped
        digest = sha256(inner.encode("utf-8", "replace")).hexdigest()
        query = {name: value for name, value in request.query_params.items() if name != "seen"}
        is_poll = "hx-request" in request.headers and "hx-history-restore-request" not in request.headers
        if is_poll and request.query_params.get("seen") == digest:
            return Response(status_code=204, headers=_HEADERS)
        page = self._templates.get_template("live.html" if is_poll else "layout.html").render(
            title=content.title,
            content=inner,
            # JSON, as htmx reads it.
            seen=encode({"seen": digest}).decode(),
            here=request.url.path + (f"?{urlencode(query, errors='replace')}" if query else ""),
            path=request.url.path,
            search=content.search,
            query=query.get("q", ""),
            form=content.form,
            error=error,
            instance=self._instance,
        )
        # Text from requests may contain a lone surrogate, which cannot be encoded.
        return Response(page.encode("utf-8", "replace"), status, _HEADERS, media_type="text/html")

    async def _switch(self, request: Request) -> Response:
        """Toggle faults from a form; the guard has already checked any `Origin`."""
        if "origin" not in request.headers:
            return Response("A form of another origin? Programs use /sandbox/faults.", 403, _HEADERS)
        body = b""
        async for chunk in request.stream():
            body += chunk
            if len(body) > _FORM_BYTES:
                return Response("Too large", 413, {**_HEADERS, "connection": "close"})
        try:
            self._views.switch(dict(parse_qsl(body.decode("utf-8", "replace"))))
        except ValueError as error:
            return self._render(request, self._views.faults({}, {}), 400, f"Not a fault rule: {error}.")
        return RedirectResponse("/sandbox/pages/faults", 303, _HEADERS)


async def _static(request: Request) -> Response:
    name: str = request.path_params["name"]
    if name not in _STATIC:
        return Response("Not found", 404, _HEADERS)
    headers: dict[str, Any] = {**_HEADERS, "cache-control": "no-cache"}
    return Response((_HERE / "static" / name).read_bytes(), headers=headers, media_type=_STATIC[name])
