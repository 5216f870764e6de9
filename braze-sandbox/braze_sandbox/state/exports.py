"""Running and finished exports: one at a time per segment, written file by file, available until they expire."""

from __future__ import annotations

import asyncio
import time
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import datetime, timezone
from hashlib import blake2b
from http.client import HTTPException
from typing import TYPE_CHECKING
from urllib.parse import urlencode
from urllib.request import Request, urlopen

from braze_sandbox.model.ids import key
from braze_sandbox.state.export_files import Archive, Bucket, packed, truncated, with_a_broken_line
from braze_sandbox.wire.answer import Refusal, encode

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from braze_sandbox.model.clock import Clock
    from braze_sandbox.model.profile import Profile
    from braze_sandbox.model.user_object import Selection
    from braze_sandbox.state.options import Options
    from braze_sandbox.state.recorder import Recorder

RUNNING = 100
"""Maximum concurrent exports of a company."""


@dataclass(slots=True, kw_only=True)
class Export:
    """An export of a segment's users."""

    id: str
    segment_id: str
    users: list[Profile]
    selection: Selection
    suffix: str
    """Format of objects in a bucket: `zip` or `gz`. A download is always a zip (docs: post_users_segment)."""
    fault: str | None
    """How a fault rule breaks it: `export_fails`, `export_truncated`, or `export_bad_line`."""
    callback: str | None
    url: str = ""
    """Download URL of the single file; empty with cloud storage."""
    started: int = field(default_factory=lambda: int(time.time()))
    content: bytes | None = None
    """That file, once ready."""
    expires: float = 0.0
    """When the file expires, on the monotonic clock."""

    @property
    def prefix(self) -> str:
        """Return the `object_prefix` of the response."""
        return f"{self.id}-{self.started}"

    @property
    def expired(self) -> bool:
        """Return whether the file was ready and has expired."""
        return self.content is not None and time.monotonic() >= self.expires


class Exports:
    """All exports since the start or the last reset. They take real time, even if the clock is frozen."""

    def __init__(self, options: Options, clock: Clock, recorder: Recorder) -> None:
        self._options = options
        self._clock = clock
        self._recorder = recorder
        self._bucket = Bucket(options.export_to, options.export_storage) if options.export_to else None
        self._tasks: set[asyncio.Task[None]] = set()
        self.reset()

    def reset(self) -> None:
        """Forget all exports; running ones end before their next file."""
        self._exports: dict[str, Export] = {}
        self._started = 0
        self._running: dict[str, Export] = {}
        """By segment id."""

    def close(self) -> None:
        """Stop running exports."""
        for task in self._tasks:
            task.cancel()

    def start(
        self,
        segment_id: str,
        users: list[Profile],
        selection: Selection,
        *,
        suffix: str,
        fault: str | None,
        callback: str | None,
        host: str,
    ) -> Export:
        """Begin an export; refuse with 429 if the segment has one, or the company too many (code: docs silent)."""
        if segment_id in self._running:
            raise Refusal(429, "An export of this segment is already running")
        if len(self._running) >= RUNNING:
            raise Refusal(429, f"{RUNNING} exports are already running")
        export = Export(
            id=key("export", self._started),
            segment_id=segment_id,
            # Braze splits by random bucket.
            users=sorted(users, key=lambda user: (user.random_bucket, user.braze_id)),
            selection=selection,
            suffix=suffix,
            fault=fault,
            callback=callback,
        )
        if self._bucket is None:
            export.url = self._signed(export, host)
        self._started += 1
        self._exports[export.id] = self._running[segment_id] = export
        task = asyncio.get_running_loop().create_task(self._run(export))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        return export

    def cancel(self, segment_id: str) -> None:
        """Stop the segment's running export, if there is one, before its next file."""
        if export := self._running.pop(segment_id, None):
            del self._exports[export.id]

    def find(self, name: str, signature: str) -> Export | None:
        """Return the export with a download name, if the signature of the URL is correct."""
        export = self._exports.get(name.partition(".")[0])
        return export if export and export.url and signature == _signature(export) else None

    def _signed(self, export: Export, host: str) -> str:
        query = {
            "X-Amz-Algorithm": "AWS4-HMAC-SHA256",
            "X-Amz-Date": datetime.fromtimestamp(export.started, timezone.utc).strftime("%Y%m%dT%H%M%SZ"),
            "X-Amz-Expires": f"{self._options.export_url_seconds:.0f}",
            "X-Amz-SignedHeaders": "host",
            "X-Amz-Signature": _signature(export),
        }
        return f"{'https' if self._options.tls else 'http'}://{host}/sandbox/exports/{export.id}.zip?{urlencode(query)}"

    async def _run(self, export: Export) -> None:
        try:
            done = await (self._to_bucket(export, self._bucket) if self._bucket else self._to_download(export))
        except Exception as error:  # noqa: BLE001 - whatever a storage raises; Braze would write an email
            self._recorder.violation(f"an export failed: {error}", "/users/export", export.segment_id)
            done = False
        if self._running.get(export.segment_id) is export:
            del self._running[export.segment_id]
        if done and export.callback:
            await asyncio.to_thread(_call_back, export.callback, export.url)

    async def _to_download(self, export: Export) -> bool:
        archive = Archive()
        async for name, lines, last in self._files(export):
            await asyncio.to_thread(archive.add, name, lines)
            if last:
                content = await asyncio.to_thread(archive.close)
                export.content = truncated(content) if export.fault == "export_truncated" else content
                export.expires = time.monotonic() + self._options.export_url_seconds
        return export.content is not None

    async def _to_bucket(self, export: Export, bucket: Bucket) -> bool:
        done = False
        folder = f"segment-export/{export.segment_id}/{self._clock.utc_now().date()}/{export.prefix}"
        async for name, lines, done in self._files(export):
            content = await asyncio.to_thread(packed, name, lines, export.suffix)
            if done and export.fault == "export_truncated":
                content = truncated(content)
            await asyncio.to_thread(bucket.put, f"{folder}/{name}.{export.suffix}", content)
        return done

    async def _files(self, export: Export) -> AsyncIterator[tuple[str, bytes, bool]]:
        """Yield an export's files when they are due: name, JSON lines, and whether it is the last one.

        Users are exported in their state at that moment. A segment without users has one empty file (docs silent).
        """
        size, users = self._options.export_file_users, export.users
        starts = range(0, max(len(users), 1), size)
        for number, start in enumerate(starts):
            await asyncio.sleep(self._options.export_seconds / len(starts))
            failed = export.fault == "export_fails" and number >= len(starts) // 2
            if failed or self._exports.get(export.id) is not export:
                return
            now = self._clock.now()
            lines = b"".join(encode(export.selection.show(user, now)) + b"\n" for user in users[start : start + size])
            if number == 0 and export.fault == "export_bad_line":
                lines = with_a_broken_line(lines)
            yield key(f"export/{export.id}", number), lines, number == len(starts) - 1


def _signature(export: Export) -> str:
    return blake2b(export.prefix.encode(), digest_size=32).hexdigest()


def _call_back(url: str, download: str) -> None:
    body = encode({"success": True, **({"url": download} if download else {})})
    with suppress(OSError, HTTPException):
        urlopen(Request(url, body, {"Content-Type": "application/json"}), timeout=5).close()  # noqa: S310 - checked
