"""Where things lie in a chart; the templates draw it as SVG, without styles of its own."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

WIDTH = 720
LABELS = 250
RIGHT = 40
ROW = 38
TOP = 14


class Interval(Protocol):
    """What is drawn on a line of a forest plot."""

    @property
    def name(self) -> str: ...
    @property
    def difference(self) -> float | None: ...
    @property
    def low(self) -> float | None: ...
    @property
    def high(self) -> float | None: ...
    @property
    def live(self) -> bool: ...
    @property
    def winner(self) -> bool: ...


@dataclass(frozen=True, slots=True)
class Mark:
    """A line: its label, and where its interval begins, ends, and has its middle; None before the first score."""

    label: str
    y: float
    x: float | None
    x1: float
    x2: float
    kind: str
    told: str


@dataclass(frozen=True, slots=True)
class Tick:
    """A place on the axis."""

    x: float
    label: str
    zero: bool


@dataclass(frozen=True, slots=True)
class Chart:
    """A forest plot of differences."""

    width: int
    height: float
    base: float
    left: int
    marks: tuple[Mark, ...]
    ticks: tuple[Tick, ...]
    told: str


def forest(lines: Sequence[Interval], smallest: float) -> Chart:
    """Return a forest plot of differences in points; the axis has room for zero and the `smallest` that matters."""
    known = [value for line in lines for value in (line.low, line.high, line.difference) if value is not None]
    low, high = min([-5.0, *known]), max([5.0, smallest, *known])
    step = _step(high - low)
    low, high = math.floor(low / step) * step, math.ceil(high / step) * step
    scale = (WIDTH - LABELS - RIGHT) / (high - low)

    def at(value: float) -> float:
        return round(LABELS + (value - low) * scale, 1)

    marks = tuple(_mark(line, TOP + ROW * (place + 0.5), at) for place, line in enumerate(lines))
    count = round((high - low) / step)
    values = [low + step * n for n in range(count + 1)]
    ticks = tuple(Tick(at(value), f"{value:+g}".replace("-", "−") if value else "0", value == 0) for value in values)
    base = TOP + ROW * len(lines)
    told = "; ".join(mark.told for mark in marks) or "No variants yet"
    return Chart(WIDTH, base + 26, base, LABELS, marks, ticks, told)


def _mark(line: Interval, y: float, at: object) -> Mark:
    place = at if callable(at) else float
    kind = "won" if line.winner else "" if line.live else "out"
    if line.difference is None or line.low is None or line.high is None:
        return Mark(line.name, y, None, 0, 0, kind, f"{line.name}: no score yet")
    told = f"{line.name}: {line.difference:+.1f} points, between {line.low:+.1f} and {line.high:+.1f}"
    return Mark(line.name, y, place(line.difference), place(line.low), place(line.high), kind, told)


def _step(span: float) -> float:
    rough = span / 6
    size = 10.0 ** math.floor(math.log10(rough))
    return next(size * factor for factor in (1, 2, 5, 10) if size * factor >= rough)
