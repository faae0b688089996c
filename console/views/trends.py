"""What versions did over time, as charts that the template draws: success, cost, time, volume, day by day."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from datetime import date, timedelta

from redraft.domain.live.series import DayReport

WIDTH, HEIGHT = 560, 180
LEFT, RIGHT, TOP, BOTTOM = 62, 10, 10, 26
SHOWN = 5
"""Versions that a chart can tell apart."""


@dataclass(frozen=True, slots=True)
class Dot:
    """A day of a version; `told` says what it is."""

    x: float
    y: float
    told: str


@dataclass(frozen=True, slots=True)
class Bar:
    """The conversations of a version on a day."""

    x: float
    y: float
    width: float
    height: float
    told: str


@dataclass(frozen=True, slots=True)
class Curve:
    """A version in a chart; points as SVG takes them, "" where there is nothing to draw."""

    tone: int
    line: str = ""
    dashed: str = ""
    band: str = ""
    dots: tuple[Dot, ...] = ()
    bars: tuple[Bar, ...] = ()


@dataclass(frozen=True, slots=True)
class Panel:
    """One chart. Ticks are places with their labels."""

    title: str
    hint: str
    rows: tuple[tuple[float, str], ...]
    columns: tuple[tuple[float, str], ...]
    curves: tuple[Curve, ...]
    told: str

    @property
    def known(self) -> bool:
        """Whether there is anything to draw."""
        return any(curve.line or curve.dots or curve.bars for curve in self.curves)


@dataclass(frozen=True, slots=True)
class Trends:
    """The charts of a prompt over `days` days. `versions`: number and tone of each; `left_out` older ones."""

    days: int
    versions: tuple[tuple[int, int], ...]
    left_out: int
    panels: tuple[Panel, ...]


def trends_of(reports: dict[int, list[DayReport]], last: date, days: int) -> Trends | None:
    """Return the charts for the days up to `last`, None when no version was used on any of them."""
    shown = dict(sorted(reports.items(), reverse=True)[:SHOWN])
    if not shown:
        return None
    frame = Frame(last - timedelta(days=days - 1), days)
    panels = (_success(frame, shown), _cost(frame, shown), _time(frame, shown), _volume(frame, shown))
    tones = tuple((number, tone) for tone, number in enumerate(shown))
    return Trends(days, tones, len(reports) - len(shown), panels)


@dataclass(frozen=True, slots=True)
class Frame:
    """Where days lie: each in the middle of its share of the width."""

    first: date
    days: int

    @property
    def step(self) -> float:
        """The width of a day."""
        return (WIDTH - LEFT - RIGHT) / self.days

    def x(self, day: date) -> float:
        """Return the middle of a day."""
        return round(LEFT + ((day - self.first).days + 0.5) * self.step, 1)

    def columns(self) -> tuple[tuple[float, str], ...]:
        """Return the days that are named."""
        names = [self.first + timedelta(days=round(n * (self.days - 1) / 4)) for n in range(5)]
        return (*((self.x(day), f"{day.day} {day:%b}") for day in names[:-1]), (self.x(names[-1]), "today"))

    def bar(self, scale: Scale, day: date, low: float, high: float, told: str) -> Bar:
        """Return a day's bar from one value to another."""
        width = max(1.0, self.step - 2)
        y, below = scale.y(high), scale.y(low)
        return Bar(round(self.x(day) - width / 2, 1), y, round(width, 1), round(below - y, 1), told)


@dataclass(frozen=True, slots=True)
class Scale:
    """Values from 0 up to a round number not below `greatest`."""

    greatest: float
    show: Callable[[float], str]
    whole: bool = False

    @property
    def step(self) -> float:
        """The distance of two ticks."""
        rough = max(self.greatest, 1e-9) / 3
        size = 10.0 ** math.floor(math.log10(rough))
        step = next(size * factor for factor in (1, 2, 2.5, 5, 10) if size * factor >= rough * 0.999)
        return max(1.0, math.ceil(step)) if self.whole else step

    @property
    def top(self) -> float:
        """The value at the upper edge."""
        return math.ceil(self.greatest / self.step - 1e-9) * self.step or self.step

    def y(self, value: float) -> float:
        """Return where a value lies."""
        return round(TOP + (HEIGHT - TOP - BOTTOM) * (1 - value / self.top), 1)

    def rows(self) -> tuple[tuple[float, str], ...]:
        """Return the ticks."""
        return tuple((self.y(n * self.step), self.show(n * self.step)) for n in range(round(self.top / self.step) + 1))


def _success(frame: Frame, shown: dict[int, list[DayReport]]) -> Panel:
    scale = Scale(1.0, lambda value: f"{100 * value:.0f} %")
    curves, told = [], []
    for tone, (number, reports) in enumerate(shown.items()):
        known = [(report, report.rate_so_far) for report in reports if report.rate_so_far is not None]
        upper = [(frame.x(one.day), scale.y(one.interval_so_far[1])) for one, _ in known]
        lower = [(frame.x(one.day), scale.y(one.interval_so_far[0])) for one, _ in known]
        dots = _dots(number, frame, scale, [(one.day, one.success_rate) for one in reports])
        line = _points((frame.x(one.day), scale.y(rate)) for one, rate in known)
        curves.append(Curve(tone, line=line, band=_points([*upper, *reversed(lower)]), dots=dots))
        if known:
            last, rate = known[-1]
            low, high = last.interval_so_far
            told.append(f"version {number} {100 * rate:.0f} %, between {100 * low:.0f} and {100 * high:.0f}")
    hint = "so far, with its interval; dots are single days"
    return _panel("Success", hint, frame, scale, curves, told)


def _cost(frame: Frame, shown: dict[int, list[DayReport]]) -> Panel:
    values = {
        number: [(one.day, one.avg_cost_usd) for one in reports if one.avg_cost_usd is not None]
        for number, reports in shown.items()
    }
    scale = Scale(_greatest(values), short_usd)
    curves = [_curve(tone, number, frame, scale, values[number]) for tone, number in enumerate(shown)]
    told = [f"version {number} {short_usd(days[-1][1])} on its last day" for number, days in values.items() if days]
    return _panel("Cost", "mean of a conversation", frame, scale, curves, told)


def _time(frame: Frame, shown: dict[int, list[DayReport]]) -> Panel:
    half, most = (
        {
            number: [(one.day, value / 1000) for one in reports if (value := getattr(one, name)) is not None]
            for number, reports in shown.items()
        }
        for name in ("p50_latency_ms", "p95_latency_ms")
    )
    scale = Scale(_greatest(most), _seconds)
    curves = []
    for tone, number in enumerate(shown):
        upper = _points((frame.x(day), scale.y(value)) for day, value in most[number])
        curve = _curve(tone, number, frame, scale, half[number])
        curves.append(Curve(tone, line=curve.line, dashed=upper, dots=curve.dots))
    told = [
        f"version {number} {_seconds(half[number][-1][1])}, 95 % within {_seconds(days[-1][1])}"
        for number, days in most.items()
        if days
    ]
    return _panel("Time", "half are done within the line, 95 % within the dashed one", frame, scale, curves, told)


def _volume(frame: Frame, shown: dict[int, list[DayReport]]) -> Panel:
    sums: dict[date, int] = {}
    for reports in shown.values():
        for one in reports:
            sums[one.day] = sums.get(one.day, 0) + one.traces
    scale = Scale(max(sums.values()), lambda value: f"{value:,.0f}", whole=True)
    below = dict.fromkeys(sums, 0)
    curves = []
    for tone, (number, reports) in enumerate(shown.items()):
        bars = []
        for one in reports:
            low, high = below[one.day], below[one.day] + one.traces
            bars.append(frame.bar(scale, one.day, low, high, f"Version {number}, {one.day}: {one.traces:,}"))
            below[one.day] = high
        curves.append(Curve(tone, bars=tuple(bars)))
    told = [f"version {number} {sum(one.traces for one in reports):,}" for number, reports in shown.items()]
    return _panel("Conversations", "by the day they began, UTC", frame, scale, curves, told)


def _curve(tone: int, number: int, frame: Frame, scale: Scale, values: Sequence[tuple[date, float]]) -> Curve:
    line = _points((frame.x(day), scale.y(value)) for day, value in values)
    return Curve(tone, line=line, dots=_dots(number, frame, scale, values))


def _dots(number: int, frame: Frame, scale: Scale, values: Sequence[tuple[date, float | None]]) -> tuple[Dot, ...]:
    return tuple(
        Dot(frame.x(day), scale.y(value), f"Version {number}, {day}: {scale.show(value)}")
        for day, value in values
        if value is not None
    )


def _panel(title: str, hint: str, frame: Frame, scale: Scale, curves: Sequence[Curve], told: Sequence[str]) -> Panel:
    said = f"{title}: {'; '.join(told) or 'nothing is known'}"
    return Panel(title, hint, scale.rows(), frame.columns(), tuple(curves), said)


def _points(places: Iterator[tuple[float, float]] | Sequence[tuple[float, float]]) -> str:
    return " ".join(f"{x:g},{y:g}" for x, y in places)


def _greatest(values: dict[int, list[tuple[date, float]]]) -> float:
    return max((value for days in values.values() for _, value in days), default=1.0)


def short_usd(value: float) -> str:
    """Return an amount for a tick."""
    return f"${value:,.0f}" if value >= 10 else f"${value:.2g}" if value else "$0"


def _seconds(value: float) -> str:
    return f"{value:,.0f} s" if value >= 10 or not value else f"{value:.2g} s"
