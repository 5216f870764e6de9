"""Daily figures from a hash of the object and the day, so that all windows agree."""

from __future__ import annotations

import json
import zlib
from dataclasses import dataclass
from hashlib import blake2b
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence
    from datetime import date, datetime

_NOISE = 64


@dataclass(frozen=True, slots=True)
class Figure:
    """A number in a row, as a share of the day's volume."""

    share: float
    money: bool = False
    late: bool = False
    """Whether restating a day changes it."""


class Shape:
    """The form of a row: nested JSON with figures as leaves, compiled to a template that is filled per day."""

    def __init__(self, row: dict[str, Any]) -> None:
        self._figures: list[tuple[float, int, bool]] = []
        self._template = '{"time":"%s",' + self._compile(row, "")[1:]

    def _compile(self, node: object, path: str) -> str:
        if isinstance(node, Figure):
            # A figure's noise depends on its name, not its position, so that rows with and without breakdowns
            # agree on what they share.
            self._figures.append((node.share, zlib.crc32(path.encode()) % _NOISE, node.late))
            return "%.2f" if node.money else "%d"
        if isinstance(node, dict):
            inner = (f"{_text(key)}:{self._compile(value, f'{path}.{key}')}" for key, value in node.items())
            return "{" + ",".join(inner) + "}"
        if isinstance(node, list):
            return "[" + ",".join(self._compile(value, f"{path}.{at}") for at, value in enumerate(node)) + "]"
        return _text(node)

    def row(self, time: str, volume: float, noise: bytes, late: int) -> str:
        """Return a row's JSON."""
        if not volume and not late:
            return self._template % (time, *([0] * len(self._figures)))
        # A figure varies by at most an eighth: shares that are further apart keep their order (opens <= delivered).
        figures = [volume * share * (0.875 + noise[at] / 1024) for share, at, _ in self._figures]
        if late:
            moved = zip(figures, self._figures, strict=True)
            figures = [max(0.0, figure + late) if moves else figure for figure, (_, _, moves) in moved]
        return self._template % (time, *figures)


def _text(value: object) -> str:
    return json.dumps(value, ensure_ascii=False).replace("%", "%%")


HOURS = [1, 1, 1, 1, 2, 3, 4, 6, 8, 9, 9, 8, 9, 8, 7, 7, 8, 9, 11, 12, 11, 8, 4, 2]
_DAY = sum(HOURS)


class Line:
    """The daily volume of one object."""

    def __init__(self, key: str, *, quiet: int = 0, steady: bool = False) -> None:
        """`quiet`: how many of 256 days have no activity; `steady`: levels such as a segment's size."""
        self._key = key.encode()
        self._quiet = quiet
        self._steady = steady
        self._scale = 40 + int.from_bytes(blake2b(self._key, digest_size=2).digest(), "big") % 9000

    def day(self, number: int) -> tuple[float, bytes]:
        """Return the volume of a day (given by ordinal) and the noise for its figures."""
        noise = blake2b(self._key + b"%d" % number, digest_size=_NOISE).digest()
        if noise[0] < self._quiet:
            return 0.0, noise
        if self._steady:
            return self._scale * (1 + (number % 1000) / 2000), noise
        weekend = 0.7 if number % 7 in (6, 0) else 1.0
        return self._scale * weekend * (0.5 + noise[1] / 255), noise

    @property
    def scale(self) -> int:
        """Return the order of magnitude of a day's volume."""
        return self._scale


def fraction(*keys: str) -> float:
    """Return a fixed share between 0.1 and 0.5 for some keys, such as an app or a segment."""
    return 0.1 + blake2b("/".join(keys).encode(), digest_size=1).digest()[0] / 640


def by_day(
    shape: Shape,
    line: Line,
    days: Iterable[date],
    *,
    active: tuple[date, date] | None,
    late: dict[date, int],
    share: float = 1.0,
    zero_rows: bool = True,
) -> list[str]:
    """Return daily rows, oldest first. Only days within `active` have a volume; None means no days."""
    rows = []
    for day in days:
        inside = active is not None and active[0] <= day <= active[1]
        volume, noise = line.day(day.toordinal()) if inside else (0.0, bytes(_NOISE))
        moved = late.get(day, 0) if late else 0
        if volume or moved or zero_rows:
            rows.append(shape.row(day.isoformat(), volume * share, noise, moved))
    return rows


def by_hour(
    shape: Shape, line: Line, hours: Sequence[datetime], *, share: float = 1.0, zero_rows: bool = True
) -> list[str]:
    """Return hourly rows, oldest first, with timestamps in the company's offset (docs silent on the zone)."""
    rows = []
    for hour in hours:
        volume, noise = line.day(hour.toordinal())
        volume *= share * HOURS[hour.hour] / _DAY
        if volume or zero_rows:
            rows.append(shape.row(hour.isoformat(), volume, noise, 0))
    return rows
