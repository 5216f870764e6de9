"""Receiver of one stream's records: the Loader's stream, or that of `explain`."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Protocol

if TYPE_CHECKING:
    import msgspec


class Receiver(Protocol):
    """Receives the records of one stream. `target_braze.loader.stream.LoaderStream` documents the methods."""

    @property
    def records(self) -> int: ...  # noqa: D102

    @property
    def fast_record(self) -> type[msgspec.Struct] | None: ...  # noqa: D102

    def receive_fast(self, columns: Any, line: bytes, schema: dict[str, Any]) -> bool: ...  # noqa: ANN401, D102

    def receive(self, record: dict[str, Any], message: dict[str, Any], schema: dict[str, Any], size: int) -> None: ...  # noqa: D102

    def reject(self, message: dict[str, Any], schema: dict[str, Any], size: int, reason: str) -> None: ...  # noqa: D102

    def activate_version(self, version: int, schema: dict[str, Any] | None = None) -> None: ...  # noqa: D102
