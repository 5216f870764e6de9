"""Recognize Arrow data without importing pyarrow."""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any, Protocol, runtime_checkable

if TYPE_CHECKING:
    from types import ModuleType


@runtime_checkable
class ArrowData(Protocol):
    """Tables, batches and streams of batches: those of pyarrow, polars, DuckDB and others."""

    def __arrow_c_stream__(self, requested_schema: Any = None) -> object:  # noqa: ANN401
        """Return a PyCapsule with a stream of batches."""


@runtime_checkable
class ArrowSchema(Protocol):
    """Schemas: those of pyarrow and others."""

    def __arrow_c_schema__(self) -> object:
        """Return a PyCapsule with the schema."""


def arrow_module() -> ModuleType:
    """Return the module that reads Arrow data.

    Raises:
        ImportError: pyarrow is not installed.
    """
    try:
        return import_module("target_braze.loader.arrow")
    except ModuleNotFoundError as error:
        raise ImportError(f"{error}: Arrow data needs pyarrow; run: pip install 'target-braze[arrow]'") from None
