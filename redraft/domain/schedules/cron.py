"""Cron expressions and calendars, read as Temporal's server reads them, into the ranges that it is told.

What Temporal gets is always the ranges, never the text, so that there is one reading of an expression: this one.
It follows the server's (service/worker/scheduler/calendar.go) and refuses the few things that mean something else there
than in a crontab. As there, a time has to match every field: `0 0 13 * fri` is Friday the 13th.
"""

from __future__ import annotations

import calendar
import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import NamedTuple

from redraft.domain.schedules.records import Calendar

_SHORTHANDS = {
    "@yearly": "0 0 1 1 *",
    "@annually": "0 0 1 1 *",
    "@monthly": "0 0 1 * *",
    "@weekly": "0 0 * * 0",
    "@daily": "0 0 * * *",
    "@midnight": "0 0 * * *",
    "@hourly": "0 * * * *",
}
_MONTHS = dict(jan=1, feb=2, mar=3, apr=4, may=5, jun=6, jul=7, aug=8, sep=9, oct=10, nov=11, dec=12)  # noqa: C408
_WEEKDAYS = {"sun": 0, "mon": 1, "tue": 2, "wed": 3, "thu": 4, "fri": 5, "sat": 6}
_NUMBER = re.compile(r"[0-9]{1,4}")
GREATEST_PARTS = 60
"""Ranges that one field may list."""


class Range(NamedTuple):
    """Every `step`-th value from `start` to `end`, both included."""

    start: int
    end: int
    step: int = 1

    def values(self) -> range:
        """Return the values."""
        return range(self.start, self.end + 1, self.step)


Ranges = tuple[Range, ...]


@dataclass(frozen=True, slots=True)
class _Kind:
    label: str
    least: int
    greatest: int
    names: dict[str, int]
    example: str


_KINDS = {
    "minute": _Kind("minute", 0, 59, {}, "0, */15 or 0,30"),
    "hour": _Kind("hour", 0, 23, {}, "9, 9-17 or */2"),
    "day_of_month": _Kind("day of month", 1, 31, {}, "1, 1-7 or */10"),
    "month": _Kind("month", 1, 12, _MONTHS, "1, jan-mar or */3"),
    "day_of_week": _Kind("day of week", 0, 6, _WEEKDAYS, "1, mon-fri or sun"),
    "year": _Kind("year", 2000, 2100, {}, "2027 or 2027-2029"),
}
_CRON_FIELDS = ("minute", "hour", "day_of_month", "month", "day_of_week")


@dataclass(frozen=True, slots=True)
class Times:
    """The times that match every field. An empty `year` is every year; day 0 of a week is Sunday."""

    minute: Ranges
    hour: Ranges
    day_of_month: Ranges
    month: Ranges
    day_of_week: Ranges
    year: Ranges = ()

    def minutes_of_a_day(self) -> list[int]:
        """Return the minutes of a day on which a due time can fall, ascending."""
        return sorted({60 * hour + minute for hour in _values(self.hour) for minute in _values(self.minute)})

    def smallest_gap_s(self) -> int:
        """Return the least number of seconds from one due time to the next, if every day matched."""
        minutes = self.minutes_of_a_day()
        following = [*minutes[1:], minutes[0] + 24 * 60]
        return 60 * min(after - before for before, after in zip(minutes, following, strict=True))

    def falls_due(self, since_year: int) -> bool:
        """Return whether any day from the start of a year on matches."""
        years = [year for year in _values(self.year) if year >= since_year]
        if not self.year:
            years = list(range(since_year, since_year + 40))  # every date falls on every day of the week within them
        return any(self._matches(year, month) for year in years for month in _values(self.month))

    def _matches(self, year: int, month: int) -> bool:
        first, days = calendar.monthrange(year, month)  # Monday is 0 there
        weekdays = _values(self.day_of_week)
        return any(day <= days and (first + day) % 7 in weekdays for day in _values(self.day_of_month))


def _values(ranges: Ranges) -> set[int]:
    return {value for part in ranges for value in part.values()}


def parse_cron(expression: str) -> Times:
    """Return the times of five cron fields, or of a shorthand such as @daily. Raises ValueError with what is wrong."""
    text = expression.strip().lower()
    fields = _SHORTHANDS.get(text, text).split()
    if text.startswith("@") and text not in _SHORTHANDS:
        known = ", ".join(sorted(_SHORTHANDS))
        raise ValueError(f"{_quoted(expression)} is no shorthand; use five fields or one of {known}")
    if "=" in text:
        raise ValueError("a time zone is a field of its own, timeZone; write the five fields alone")
    if len(fields) != len(_CRON_FIELDS):
        raise ValueError(
            f"has {len(fields)} fields; five are needed: minute, hour, day of month, month, day of week,"
            " for example 0 9 * * mon-fri"
        )
    return Times(*(_parse(kind, field) for kind, field in zip(_CRON_FIELDS, fields, strict=True)))


def parse_calendar(calendar: Calendar) -> Times:
    """Return the times of a calendar. Raises ValueError naming the field."""
    parsed = {}
    for kind in _KINDS:
        field = getattr(calendar, kind).strip().lower()
        parsed[kind] = () if kind == "year" and field == "*" else _parse(kind, field)
    return Times(**parsed)


def _parse(name: str, field: str) -> Ranges:
    kind, parts = _KINDS[name], field.split(",")
    if len(parts) > GREATEST_PARTS:
        raise ValueError(f"the {kind.label} lists {len(parts)} parts; at most {GREATEST_PARTS} are allowed")
    return tuple(found for part in parts for found in _parse_part(kind, part))


def _parse_part(kind: _Kind, part: str) -> Iterator[Range]:
    body, slash, step_text = part.partition("/")
    step = 1
    if slash:
        if not _NUMBER.fullmatch(step_text) or not 1 <= int(step_text) <= kind.greatest:
            raise ValueError(f"the {kind.label} {_quoted(part)} has no step from 1 to {kind.greatest} after the slash")
        step = int(step_text)
    if body == "*":
        yield Range(kind.least, kind.greatest, step)
        return
    if kind.names is _WEEKDAYS and part == "7":
        yield Range(0, 0)  # Sunday has two numbers in crontabs
        return
    first, dash, last = body.partition("-")
    if kind.names is _WEEKDAYS and slash and not dash:
        # Temporal counts such a step up to 7, which is Sunday again.
        raise ValueError(f"the day of week {_quoted(part)} has no end; write a range, for example mon-fri/2")
    start = _value(kind, first, part)
    end = _value(kind, last, part) if dash else kind.greatest if slash else start
    if end < start:
        raise ValueError(f"the {kind.label} {_quoted(part)} ends before it starts; list the two parts with a comma")
    yield Range(start, end, step)


def _value(kind: _Kind, text: str, part: str) -> int:
    value = int(text) if _NUMBER.fullmatch(text) else kind.names.get(text)
    if kind.names is _WEEKDAYS and value == 7:
        raise ValueError("the day of week 7 can't be part of a range; Sunday is 0 or sun, for example fri-sat,sun")
    if value is None or not kind.least <= value <= kind.greatest:
        raise ValueError(
            f"the {kind.label} {_quoted(part)} is not understood; use {kind.least} to {kind.greatest},"
            f" for example {kind.example}"
        )
    return value


def _quoted(text: str) -> str:
    """Return what was sent, short enough to be repeated."""
    text = text.strip()
    return repr(text if len(text) <= 30 else text[:30] + "…")
