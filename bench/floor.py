"""The least that the same work takes: requests with nothing but sockets and json, as a process of its own.

python -m bench.floor http://127.0.0.1:8027 32 < requests.jsonl

It sends each line of its input, `{"method": ..., "path": ..., "body": ...}`, over as many connections as given, decodes
each answer, and writes its rows as lines. It checks nothing, retries nothing, and keeps no order.
"""

from __future__ import annotations

import json
import os
import socket
import sys
import threading
from queue import Empty, SimpleQueue
from typing import TYPE_CHECKING, Any, Final
from urllib.parse import urlencode, urlsplit

if TYPE_CHECKING:
    from collections.abc import Iterable

_HEADERS: Final = "Host: bench\r\nAuthorization: Bearer sandbox-key\r\nContent-Type: application/json\r\n"
_CHUNK: Final = 1_048_576


def lines(requests: Iterable[dict[str, Any]]) -> bytes:
    """Return the input of the floor for requests that a sandbox recorded."""
    found = []
    for request in requests:
        query = urlencode(request["query"], doseq=True)
        path = request["path"] + (f"?{query}" if query else "")
        found.append(json.dumps({"method": request["method"], "path": path, "body": request.get("body")}))
    return "\n".join(found).encode()


def main() -> None:
    """Send the requests of standard input."""
    parts = urlsplit(sys.argv[1])
    todo: SimpleQueue[bytes] = SimpleQueue()
    for line in sys.stdin.buffer:
        request = json.loads(line)
        body = b"" if request["body"] is None else json.dumps(request["body"]).encode()
        start = f"{request['method']} {request['path']} HTTP/1.1\r\n{_HEADERS}Content-Length: {len(body)}\r\n\r\n"
        todo.put(start.encode() + body)
    address = (parts.hostname or "", parts.port or 80)
    threads = [threading.Thread(target=_send, args=(address, todo)) for _ in range(int(sys.argv[2]))]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()


def _send(address: tuple[str, int], todo: SimpleQueue[bytes]) -> None:
    with socket.create_connection(address) as connection:
        while True:
            try:
                connection.sendall(todo.get_nowait())
            except Empty:
                return
            answer = json.loads(_body(connection))
            rows = answer.get("data") if isinstance(answer, dict) else None
            if isinstance(rows, dict):
                rows = rows.get("stats")
            written = b"".join(json.dumps(row).encode() + b"\n" for row in rows or ())
            os.write(sys.stdout.fileno(), written)


def _body(connection: socket.socket) -> bytes:
    received = bytearray()
    while (end := received.find(b"\r\n\r\n")) < 0:
        received += connection.recv(_CHUNK)
    head = received[:end].lower()
    _, _, length = head.partition(b"content-length:")
    size = end + 4 + int(length.split(b"\r\n")[0])
    while len(received) < size:
        received += connection.recv(_CHUNK)
    return bytes(received[end + 4 :])


if __name__ == "__main__":
    main()
