"""`ProcessLoader`: a Loader whose records child processes deliver."""

from __future__ import annotations

import gc
import logging
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

from typing_extensions import override

from target_braze.braze.hosts import base_url
from target_braze.encode import encode
from target_braze.ledger.file import Claim
from target_braze.ledger.store import Ledger
from target_braze.loader.arrow_data import ArrowSchema
from target_braze.loader.run import Loader
from target_braze.mapping import compile_mapping
from target_braze.mapping.stream_kinds import taken_for
from target_braze.processes.children import Children
from target_braze.processes.dealing import Dealer, how_many, obstacles
from target_braze.processes.tally import Place, Totals
from target_braze.settings.validation import complete

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from target_braze.delivery.dispatcher import Dispatcher
    from target_braze.records import Record, Rejection

_log = logging.getLogger("target-braze")

# What the parent does for all children.
_PARENTS: dict[str, Any] = {
    "acknowledge_live_campaigns": True,
    "delivery_log_path": None,
    "dead_letter_path": None,
    "ledger_verify": 0,
    "max_dead_letters": None,
    "on_error": "fail",
    "processes": 1,
    "report_path": None,
}


def new_loader(settings: Mapping[str, Any], **options: Any) -> Loader:  # noqa: ANN401
    """Return a Loader for as many processes as setting `processes` says, where the other settings allow it.

    Args:
        settings: As for a Loader.
        options: Likewise.
    """
    config = complete(settings)
    count = how_many(config)
    if count > 1 and (reason := next(obstacles(config), None)):
        _log.warning("setting 'processes' is %s, but this run uses one process: %s", config["processes"], reason)
        count = 1
    return Loader(settings, **options) if count == 1 else ProcessLoader(settings, count, **options)


class ProcessLoader(Loader):
    """Deals records to child processes by user. Mapping and delivery are theirs; reading and reporting is its own.

    Args:
        config: As for a Loader.
        count: Number of children.
        options: As for a Loader.
    """

    def __init__(self, config: Mapping[str, Any], count: int, **options: Any) -> None:  # noqa: ANN401
        super().__init__(config, **options)
        self._count = count
        self._totals = Totals(self._summary, self._client)
        self._claim: Claim | None = None

    @property
    def _children(self) -> Children:
        return cast("Children", self._running.delivery)

    @override
    def open(self, name: str, schema: Any, keys: Sequence[str] = ()) -> Dealer:  # type: ignore[override]
        if isinstance(schema, ArrowSchema):
            raise TypeError("a ProcessLoader takes Singer records only")
        context = self._running
        at, entry = context.entries.of(name)
        # The children give the notices.
        mapping = compile_mapping(name, schema, entry, context.defaults, lambda _: None, key=at)
        _log.info("stream '%s': %s", name, taken_for(mapping, name, at, entry))
        if context.live_messages is not None:
            context.live_messages.check(name, mapping)
        self._summary.kinds[name] = mapping.to
        self._summary.identifier_rules[name] += mapping.identifier_rules
        rules = mapping.identifier_rules if mapping.dealing == "by user" else None
        number = self._children.open(name, encode(schema), tuple(keys), everywhere=rules is not None)
        return Dealer(self._children, name, number, self._summary.streams[name], rules)

    @override
    def hand_over(self) -> None:
        self._children.send()

    # What children report.

    def rejected(self, record: Record, why: Rejection) -> None:
        """See `Reports`."""
        if why.opted_out:
            self._summary.rejections.add(record, why)
            return
        counts = self._summary.streams[record.stream]
        counts.rejected += not why.in_doubt
        counts.in_doubt += why.in_doubt
        self._summary.rejections.add(record, why)
        self._set_aside(record, why)

    def rows(self, rows: list[bytes]) -> None:
        """See `Reports`."""
        self._summary.add_rows(rows)

    # Overridden parts of a Loader.

    @override
    def _open_ledger(self) -> Ledger | None:
        path = self._config.get("ledger_path")
        if not path:
            return None
        self._claim = Claim(Path(path))
        # Alone, to see that no run of one process uses it, and to begin the run.
        ledger = super()._open_ledger()
        if ledger is not None:
            ledger.close()
        workspace, synchronous = base_url(self._config["endpoint"]), self._config["ledger_synchronous"]
        return Ledger(Path(path), workspace, synchronous=synchronous, shared=True)

    @override
    def _new_delivery(self, ledger: Ledger | None) -> Dispatcher:
        stretch = 0 if ledger is None else ledger.stretch
        log, objects = bool(self._config.get("delivery_log_path")), gc.get_threshold()[0]
        places = [Place(number, self._count, self._run.run_id, stretch, log, objects) for number in range(self._count)]
        children = Children(
            [self._childs_config(place) for place in places],
            places,
            reports=self,
            totals=self._totals,
            emit=self._settled,
            failed=self._give_up,
            window=lambda pool: self._client.pool(pool).window,
            ledger=ledger,
        )
        return cast("Dispatcher", children)

    def _childs_config(self, place: Place) -> dict[str, Any]:
        share, more = divmod(self._config["concurrency"], place.of)
        return {
            **self._config,
            **_PARENTS,
            "concurrency": share + (place.number < more),
            # One child compares attributes with those in Braze.
            "preflight": self._config["preflight"] and place.number == 0,
        }

    @override
    def _conclude(self, kind: Any, error: BaseException | None, traceback: Any) -> None:
        try:
            super()._conclude(kind, error, traceback)
        finally:
            if self._claim is not None:
                self._claim.release()
