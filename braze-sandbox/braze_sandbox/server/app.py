"""The Starlette application: Braze's API, plus /sandbox/* to inspect the sandbox."""

from __future__ import annotations

import asyncio
from contextlib import asynccontextmanager, suppress
from typing import TYPE_CHECKING

from starlette.applications import Starlette
from starlette.responses import JSONResponse
from starlette.routing import Mount, Route, Router

from braze_sandbox.endpoints.registry import ENDPOINTS
from braze_sandbox.pages.web import Web
from braze_sandbox.server import http as server
from braze_sandbox.server.api import Api
from braze_sandbox.server.guard import Guard
from braze_sandbox.server.inspection import routes
from braze_sandbox.server.openapi import describe

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable
    from pathlib import Path

    from starlette.requests import Request
    from starlette.types import ASGIApp

    from braze_sandbox.state.instance import Instance

SAVE_SECONDS = 1.0


def create_server(
    instance: Instance,
    http: type[server.Protocol] = server.Protocol,
    wrapped: Callable[[ASGIApp], ASGIApp] = lambda app: app,
    certificate: Path | None = None,
) -> server.Server:
    """Return an instance's server, optionally with another protocol or an outer application."""
    return server.make(wrapped(create_app(instance)), http, certificate)


def create_app(instance: Instance) -> Starlette:
    """Return an instance's application."""
    api, web = Api(instance), Web(instance)

    @asynccontextmanager
    async def lifespan(_app: Starlette) -> AsyncIterator[None]:
        saving = asyncio.create_task(_save(instance))
        try:
            yield
        finally:
            saving.cancel()
            with suppress(asyncio.CancelledError):
                await saving
            instance.exports.close()
            instance.write_lag.finish()
            instance.profiles.close()

    app = Starlette(
        routes=[
            # Downloads are requests of the client under test, so faults apply to them and they are recorded.
            Mount("/sandbox/exports", app=api),
            Route("/openapi.json", _openapi),
            Route("/", Guard(Router([web.root]))),
            Mount("/sandbox", app=Guard(Router([*routes(instance), *web.routes]))),
        ],
        lifespan=lifespan,
    )
    # Not a mount: its pattern would miss paths with a line break.
    app.router.default = api
    return app


async def _openapi(_request: Request) -> JSONResponse:
    return JSONResponse(describe(ENDPOINTS))


async def _save(instance: Instance) -> None:
    while True:
        await asyncio.sleep(SAVE_SECONDS)
        instance.profiles.save()
