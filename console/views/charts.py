"""Where things lie in a chart; the templates draw it as SVG, without styles of its own."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Protocol

TOP = 14


@dataclass(frozen=True, slots=True)
class Shape:
    """The size of a plot: intervals begin at `left`; a name has `name_width`, `above` its interval or beside it."""

    name: str
    width: int
    left: int
    right: int
    row: int
    name_width: int
    above: int


WIDE = Shape("wide", 720, 250, 40, 38, 236, 0)
SLIM = Shape("slim", 340, 24, 24, 52, 340, 20)


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
    text_y: float
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

    shape: Shape
    height: float
    base: float
    marks: tuple[Mark, ...]
    ticks: tuple[Tick, ...]
    told: str


def forest(lines: Sequence[Interval], smallest: float, shape: Shape = WIDE) -> Chart:
    """Return a forest plot of differences in points; the axis has room for zero and the `smallest` that matters."""
    known = [value for line in lines for value in (line.low, line.high, line.difference) if value is not None]
    low, high = min([-5.0, *known]), max([5.0, smallest, *known])
    step = _step(high - low)
    low, high = math.floor(low / step) * step, math.ceil(high / step) * step
    scale = (shape.width - shape.left - shape.right) / (high - low)

    def at(value: float) -> float:
        return round(shape.left + (value - low) * scale, 1)

    marks = tuple(_mark(line, TOP + shape.row * (place + 0.5), shape.above, at) for place, line in enumerate(lines))
    count = round((high - low) / step)
    values = [low + step * n for n in range(count + 1)]
    ticks = tuple(Tick(at(value), f"{value:+g}".replace("-", "−") if value else "0", value == 0) for value in values)
    base = TOP + shape.row * len(lines)
    told = "; ".join(mark.told for mark in marks) or "No variants yet"
    return Chart(shape, base + 26, base, marks, ticks, told)


def _mark(line: Interval, middle: float, above: int, place: Callable[[float], float]) -> Mark:
    y, text_y = middle + above / 2, middle + 4 - above / 2
    kind = "won" if line.winner else "" if line.live else "out"
    if line.difference is None or line.low is None or line.high is None:
        return Mark(line.name, text_y, y, None, 0, 0, kind, f"{line.name}: no score yet")
    told = f"{line.name}: {line.difference:+.1f} points, between {line.low:+.1f} and {line.high:+.1f}"
    return Mark(line.name, text_y, y, place(line.difference), place(line.low), place(line.high), kind, told)


def _step(span: float) -> float:
    rough = span / 6
    size = 10.0 ** math.floor(math.log10(rough))
    return next(size * factor for factor in (1, 2, 5, 10) if size * factor >= rough)
