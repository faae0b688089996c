"""How close the due times of several cron expressions or calendars come to each other."""

from __future__ import annotations

import calendar
from collections.abc import Iterable, Iterator, Sequence

from redraft.domain.schedules.cron import Ranges, Times

DAY = 24 * 60
"""Minutes."""
_YEARS, _LAST_YEAR = 40, 2100
"""Every date falls on every day of the week within 40 years; 2100 is the last year that a calendar may name."""


def smallest_gap_together_s(found: Sequence[Times], since_year: int) -> int:
    """Return the least number of seconds between two due times from a year on, of whichever expression; a day at most.

    A moment that several share is one due time. Only days that do follow each other are looked at: nine on weekdays
    and half past nine on Sundays never meet.
    """
    minutes = [sum(1 << minute for minute in times.minutes_of_a_day()) for times in found]
    gap = DAY
    for before, after in {*_neighbours(found, since_year)}:
        gap = _smallest_gap(_union(minutes, before) | _union(minutes, after) << DAY, gap)
    return 60 * gap


def _neighbours(found: Sequence[Times], since_year: int) -> Iterator[tuple[int, int]]:
    """Yield which expressions are due on a day and on the next one, for each day; a bit for each expression."""
    years = range(since_year, max(since_year + _YEARS, _LAST_YEAR + 1))
    of_year = _due_at(years, (times.year or None for times in found))
    of_month = _due_at(range(1, 13), (times.month for times in found))
    of_day = _due_at(range(1, 32), (times.day_of_month for times in found))
    of_weekday = _due_at(range(7), (times.day_of_week for times in found))  # Sunday is 0
    before = 0
    for year in years:
        for month in range(1, 13):
            first, days = calendar.monthrange(year, month)  # Monday is 0 there
            for day in range(1, days + 1):
                after = of_year[year] & of_month[month] & of_day[day] & of_weekday[(first + day) % 7]
                yield before, after
                before = after


def _due_at(values: range, fields: Iterable[Ranges | None]) -> dict[int, int]:
    """Return which expressions each value of a field matches; None matches every value."""
    matches = dict.fromkeys(values, 0)
    for at, field in enumerate(fields):
        for value in values if field is None else {value for part in field for value in part.values()}:
            if value in matches:
                matches[value] |= 1 << at
    return matches


def _union(minutes: Sequence[int], which: int) -> int:
    union = 0
    for at, each in enumerate(minutes):
        if which >> at & 1:
            union |= each
    return union


def _smallest_gap(moments: int, at_most: int) -> int:
    """Return the least distance of two bits, if it is less than `at_most`, else that."""
    return next((gap for gap in range(1, at_most) if moments & moments >> gap), at_most)
