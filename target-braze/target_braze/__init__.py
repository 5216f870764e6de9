"""Load users, events and purchases into Braze: a Singer target, and a `Loader` for records of any source."""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from target_braze.braze.client import BrazeError
    from target_braze.delivery.dispatcher import RejectedError
    from target_braze.ledger.file import LedgerError
    from target_braze.loader.run import Loader
    from target_braze.loader.stream import LoaderStream
    from target_braze.outcome_log.grouped_sync import FencedError
    from target_braze.outcome_log.log import OutcomeLog
    from target_braze.outcome_log.storage import OutcomeLogError
    from target_braze.records import MappingError
    from target_braze.settings.validation import SettingsError

__all__ = [
    "BrazeError",
    "FencedError",
    "LedgerError",
    "Loader",
    "LoaderStream",
    "MappingError",
    "OutcomeLog",
    "OutcomeLogError",
    "RejectedError",
    "SettingsError",
]

_MODULES: Final = {
    "BrazeError": "braze.client",
    "FencedError": "outcome_log.grouped_sync",
    "LedgerError": "ledger.file",
    "Loader": "loader.run",
    "LoaderStream": "loader.stream",
    "MappingError": "records",
    "OutcomeLog": "outcome_log.log",
    "OutcomeLogError": "outcome_log.storage",
    "RejectedError": "delivery.dispatcher",
    "SettingsError": "settings.validation",
}


def __getattr__(name: str) -> Any:  # noqa: ANN401
    """Import what is asked for only then, so that importing the package stays cheap."""
    if name not in _MODULES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(f"{__name__}.{_MODULES[name]}"), name)


def __dir__() -> list[str]:
    return __all__
