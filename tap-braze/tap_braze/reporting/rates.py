"""What a run did over time: samples of its totals, and their rates as plots."""

from __future__ import annotations

import time
from dataclasses import dataclass
from itertools import pairwise
from typing import TYPE_CHECKING, ClassVar, Final

if TYPE_CHECKING:
    from collections.abc import Sequence

# Seconds between two samples at first. When there are too many, every second one goes, and the interval doubles.
INTERVAL: Final = 0.5
_SAMPLES: Final = 300
_LEAST_SPAN: Final = 1e-3


@dataclass(frozen=True)
class Plot:
    """A rate over time: its peak and average per second, and its line as points of an SVG polyline.

    The drawing is `WIDTH` by `HEIGHT`; the line's highest point touches the top.
    """

    WIDTH: ClassVar[int] = 600
    HEIGHT: ClassVar[int] = 120

    title: str
    points: str
    peak: float
    average: float
    seconds: float


class Rates:
    """Samples of totals that only grow. One thread samples; afterwards any thread may plot."""

    def __init__(self, *titles: str) -> None:
        self._titles = titles
        self._interval = INTERVAL
        self._started = time.monotonic()
        self._samples: list[tuple[float, tuple[int, ...]]] = [(0.0, (0,) * len(titles))]

    def sample(self, *totals: int, last: bool = False) -> None:
        """Keep a sample, one total for each title, if the last one is long enough ago; `last` is always kept."""
        at = time.monotonic() - self._started
        samples = self._samples
        since = at - samples[-1][0]
        if last and since < self._interval / 2 and len(samples) > 1:
            samples.pop()  # a rate over a moment would be mostly noise
        elif since < self._interval and not last:
            return
        samples.append((at, totals))
        if len(samples) > _SAMPLES:
            del samples[1:-1:2]
            self._interval *= 2

    def plots(self) -> list[Plot]:
        """Return a plot for each title."""
        return [
            _plot(title, [(at, totals[place]) for at, totals in self._samples])
            for place, title in enumerate(self._titles)
        ]


def _plot(title: str, totals: Sequence[tuple[float, int]]) -> Plot:
    spans = [
        (begin, end, (after - before) / (end - begin))
        for (begin, before), (end, after) in pairwise(totals)
        if end - begin > _LEAST_SPAN
    ]
    seconds, total = totals[-1]
    peak = max((rate for *_, rate in spans), default=0.0)
    points = [
        f"{Plot.WIDTH * at / seconds:.1f},{Plot.HEIGHT - (Plot.HEIGHT * rate / peak if peak else 0.0):.1f}"
        for begin, end, rate in spans
        for at in (begin, end)
    ]
    return Plot(title, " ".join(points), peak, total / seconds if seconds > _LEAST_SPAN else 0.0, seconds)
