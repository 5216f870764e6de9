"""The path of a request: faults, authentication, permission, limits, body, latency, handler, record."""

from __future__ import annotations

import asyncio
import json
import time
from contextlib import nullcontext
from dataclasses import replace
from math import isinf
from typing import TYPE_CHECKING
from urllib.parse import parse_qsl

from starlette.routing import compile_path

from braze_sandbox.endpoints.registry import ENDPOINTS
from braze_sandbox.endpoints.sending.delivery import send_due
from braze_sandbox.request.endpoint import Call
from braze_sandbox.request.forms import FORMS, form_fields
from braze_sandbox.request.numeric_ids import numeric_ids
from braze_sandbox.server.http import DROP
from braze_sandbox.state.instance import ALL
from braze_sandbox.state.recorder import Recorded
from braze_sandbox.wire.answer import BODY_BYTES, READ_BYTES, Answer, Refusal, encode, send_answer

if TYPE_CHECKING:
    from starlette.types import Receive, Scope, Send

    from braze_sandbox.request.endpoint import Endpoint
    from braze_sandbox.state.faults import Fault
    from braze_sandbox.state.instance import Instance
    from braze_sandbox.wire.answer import Json

_NO_LIMITS = tuple((name, b"") for name in (b"x-ratelimit-limit", b"x-ratelimit-remaining", b"x-ratelimit-reset"))
"""Headers of the response to an invalid key: recorded as present but empty."""

DEPTH = 100
"""Maximum nesting of arrays and objects. Braze's limit is not documented."""


class Api:
    """The API as an ASGI application."""

    def __init__(self, instance: Instance, endpoints: list[Endpoint] = ENDPOINTS) -> None:
        self._instance = instance
        self._exact: dict[str, dict[str, Endpoint]] = {}
        patterns: dict[str, dict[str, Endpoint]] = {}
        for endpoint in endpoints:
            paths = patterns if "{" in endpoint.path else self._exact
            paths.setdefault(endpoint.path, {})[endpoint.method] = endpoint
        self._patterns = [(compile_path(path)[0], methods) for path, methods in patterns.items()]

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Handle a request, or drop it."""
        instance = self._instance
        started = time.monotonic()
        method, path = scope["method"], scope["path"]
        pairs = parse_qsl(scope["query_string"].decode("latin-1"), keep_blank_values=True)
        query = dict(pairs)
        raw, size, complete = await _read(receive) if method != "GET" else (b"", 0, True)
        fault, latency = instance.faults.match(method, path, query, raw)
        wait = (latency + instance.options.latency_ms) / 1000
        headers: tuple[tuple[bytes, bytes], ...] = ()
        answer: Answer | None = None
        if fault and fault.do in ("status", "refuse_if", "drop_before"):
            await asyncio.sleep(wait)
            answer = None if fault.do == "drop_before" else fault.answer()
        else:
            answer, headers = await self._work(scope, pairs, raw, fault, wait)
            if fault and fault.do in ("garbage", "drop_after"):
                answer = fault.answer() if fault.do == "garbage" else None
            elif fault and fault.do == "headers":
                answer = replace(answer, headers=answer.headers + fault.given_headers)
        request = Recorded(
            method=method,
            path=path,
            query=query,
            status=answer.status if answer else None,
            started=started,
            finished=time.monotonic(),
            body_size=size,
            raw=raw or None,
            raw_headers=scope["headers"],
        )
        # Record before sending the response: the client may look for the record at once.
        instance.recorder.add(request)
        instance.hooks.run(request)
        if not complete:
            headers += ((b"connection", b"close"),)
        if answer is None:
            await _drop(scope, receive)
        elif fault and fault.do == "drop_during":
            await send_answer(send, answer, headers, len(answer.body) // 2)
            await _drop(scope, receive)
        else:
            await send_answer(send, answer, headers)

    async def _work(
        self, scope: Scope, pairs: list[tuple[str, str]], raw: bytes, fault: Fault | None, wait: float
    ) -> tuple[Answer, tuple[tuple[bytes, bytes], ...]]:
        """Return what Braze would: the response and its rate-limit headers."""
        instance = self._instance
        headers: tuple[tuple[bytes, bytes], ...] = ()
        waited = False
        call = Call(instance, dict(pairs), pairs=pairs, raw_headers=scope["headers"])
        try:
            endpoint = self._route(scope, call)
            self._authorise(call, endpoint)
            refusal = _decode(scope, raw, call, endpoint) if endpoint.method != "GET" and endpoint.has_body else None
            if fault:
                call.rejects, call.fault = fault.rejects(call.body), fault.do
            name = endpoint.pool(call) if callable(endpoint.pool) else endpoint.pool
            if name is not None:
                pool = instance.limits[name]
                allowed = pool.take()
                form = instance.options.track_reset if name.startswith("track") else instance.options.reset
                # On MAU contracts, a 429 has only the wait (docs: api_limits).
                headers = pool.headers("retry-after" if form == "seconds" and not allowed else form)
                if not allowed:
                    raise Refusal(429, "Rate Limited")  # noqa: TRY301 - one way out for all refusals
            if refusal:
                # Not earlier: every response needs its pool's headers.
                raise refusal
            self._note_numeric_ids(raw, call)
            send_due(instance)
            call.users = endpoint.touches(call) if endpoint.touches else set()
            with instance.recorder.under_way(endpoint.path, call.users) if call.users else nullcontext():
                waited = True
                await asyncio.sleep(wait)
                return endpoint.handler(call), headers
        except Refusal as why:
            if wait and not waited:
                await asyncio.sleep(wait)
            return why.answer(), headers

    def _route(self, scope: Scope, call: Call) -> Endpoint:
        path: str = scope["path"]
        methods = self._exact.get(path)
        if methods is None:
            for pattern, candidates in self._patterns:
                if match := pattern.match(path):
                    methods, call.params = candidates, match.groupdict()
                    break
        if methods is None and path.rstrip("/") in self._exact:
            raise Refusal(403, "Forbidden", ["no slash at the end of the path"])
        if methods is None or scope["method"] not in methods:
            # Wrong method: docs silent.
            raise Refusal(404, "Not Found")
        return methods[scope["method"]]

    def _note_numeric_ids(self, raw: bytes, call: Call) -> None:
        """Note whole-number ids: documented as text, but recorded as accepted and stored as text."""
        recorder = self._instance.recorder
        for path, value in numeric_ids(raw, call.body):
            if call.recorded:
                recorder.note("an id that is a whole number is kept as text", path, value)
            else:
                recorder.violation("an id must be text: a whole number is kept as text", path, value)

    def _authorise(self, call: Call, endpoint: Endpoint) -> None:
        if endpoint.permission is None:
            return
        word, _, key = call.header(b"authorization").partition(" ")
        permissions = self._instance.keys.get(key) if word.lower() == "bearer" else None
        if permissions is None:
            if self._instance.options.behavior == "recorded":
                raise Refusal(401, "Invalid API key", headers=_NO_LIMITS)
            raise Refusal(401, "Unauthorized", ["the API key is missing, unknown or quoted"])
        if permissions is not ALL and "*" not in permissions and endpoint.permission not in permissions:
            raise Refusal(403, "Access Denied", [f"the API key lacks the permission {endpoint.permission}"])


async def _read(receive: Receive) -> tuple[bytes, int, bool]:
    """Read a body; return its kept part, its size, and whether it is complete."""
    message = await receive()
    kept: bytes = message.get("body", b"")
    size = len(kept)
    if not message.get("more_body"):
        return kept, size, True
    chunks = [kept]
    while message.get("more_body") and size <= READ_BYTES:
        message = await receive()
        chunk: bytes = message.get("body", b"")
        # One byte over the highest limit of any endpoint is enough to refuse it.
        chunks.append(chunk[: max(0, BODY_BYTES + 1 - size)])
        size += len(chunk)
    return b"".join(chunks), size, not message.get("more_body")


def _decode(scope: Scope, raw: bytes, call: Call, endpoint: Endpoint) -> Refusal | None:
    """Set the call's body, or return why it cannot be set."""
    content_type = next((value for name, value in scope["headers"] if name == b"content-type"), b"")
    kind = content_type.partition(b";")[0].strip().lower()
    form = endpoint.takes_forms and kind in FORMS
    if not form and kind != b"application/json":
        return Refusal(415, "Unsupported Media Type", ["Content-Type must be application/json"])
    if len(raw) > endpoint.body_bytes:
        return Refusal(endpoint.too_large, "Request Entity Too Large")
    if not form:
        return _decode_json(raw, call)
    call.body = form_fields(content_type, raw)
    return None


def _decode_json(raw: bytes, call: Call) -> Refusal | None:
    try:
        body = json.loads(raw.decode("utf-8"), parse_constant=_no_constant, parse_float=_finite)
        if b"\\ud" in raw or b"\\uD" in raw:
            encode(body)
    except (ValueError, RecursionError) as error:
        # A lone surrogate is not valid text, which shows only when it is encoded.
        return Refusal(400, "Bad Request", [f"the body is not JSON: {error}"])
    if not isinstance(body, dict):
        return Refusal(400, "Bad Request", ["the body must be a JSON object"])
    if raw.count(b"[") + raw.count(b"{") > DEPTH and _too_deep(body):
        return Refusal(400, "Bad Request", [f"the body is nested more than {DEPTH} levels deep"])
    call.body = body
    return None


def _finite(text: str) -> float:
    number = float(text)
    if isinf(number):
        raise ValueError(f"{text[:20]} is beyond a double")
    return number


def _too_deep(value: Json) -> bool:
    level = [value]
    for _ in range(DEPTH):
        level = [
            inner
            for one in level
            if isinstance(one, (dict, list))
            for inner in (one.values() if isinstance(one, dict) else one)
        ]
        if not level:
            return False
    return any(isinstance(one, (dict, list)) for one in level)


def _no_constant(name: str) -> None:
    raise ValueError(f"{name} is not JSON")


async def _drop(scope: Scope, receive: Receive) -> None:
    """Close the connection without a response."""
    drop = scope.get(DROP)
    if drop is None:
        raise RuntimeError("only braze-sandbox's own server can drop connections")
    drop()
    # Returning earlier would make the server send its own 500.
    while (await receive())["type"] != "http.disconnect":
        pass
