"""Which timings are allowed: those that Temporal takes, that are due at some time, and not too often."""

from __future__ import annotations

from collections.abc import Callable
from functools import lru_cache
from typing import TypeVar
from zoneinfo import available_timezones

from redraft.domain.errors import invalid
from redraft.domain.schedules.cron import Times, parse_calendar, parse_cron
from redraft.domain.schedules.records import Interval, Timing
from redraft.domain.schedules.together import smallest_gap_together_s
from redraft.store.tables.base import now

T = TypeVar("T")

GREATEST_EXPRESSIONS = 20
"""Cron expressions, or calendars, of one schedule."""
GREATEST_INTERVAL_S = 366 * 24 * 3_600
GREATEST_JITTER_S = 24 * 3_600
LEAST_CATCHUP_S, GREATEST_CATCHUP_S = 10, 366 * 24 * 3_600
_OF_THE_MACHINE = {"localtime", "Factory", "posixrules"}


def times_of(timing: Timing) -> list[Times]:
    """Return the times of the cron expressions or calendars. Raises INVALID naming the field."""
    crons = [_named(f"cron.{at}", parse_cron, text) for at, text in enumerate(timing.cron)]
    calendars: list[Times] = [_named(f"calendar.{at}", parse_calendar, each) for at, each in enumerate(timing.calendar)]
    return crons + calendars


def check_timing(timing: Timing, least_interval_s: int) -> None:
    """Refuse a timing that Temporal would refuse, that is never due, or more often than allowed. Raises INVALID."""
    given = [name for name in ("cron", "interval", "calendar") if getattr(timing, name)]
    if len(given) != 1:
        said = f"{' and '.join(given)} are given" if given else "none is given"
        raise invalid("cron", f"a schedule has either cron, interval or calendar; {said}")
    if timing.interval is not None:
        gap = _interval_gap(timing.interval, least_interval_s)
    else:
        gap = _times_gap(timing, least_interval_s)
    if not 0 <= timing.jitter_s <= GREATEST_JITTER_S:
        raise invalid("jitterSeconds", f"must be from 0 to {GREATEST_JITTER_S:,}")
    if timing.jitter_s > gap:
        raise invalid("jitterSeconds", f"must not be larger than the {gap:,} seconds between two due times")
    if not LEAST_CATCHUP_S <= timing.catchup_window_s <= GREATEST_CATCHUP_S:
        raise invalid("catchupWindowSeconds", f"must be from {LEAST_CATCHUP_S} to {GREATEST_CATCHUP_S:,}")
    _check_zone(timing)


def _interval_gap(interval: Interval, least_interval_s: int) -> int:
    if not least_interval_s <= interval.every_s <= GREATEST_INTERVAL_S:
        raise invalid("interval.everySeconds", f"must be from {least_interval_s:,} to {GREATEST_INTERVAL_S:,}")
    if not 0 <= interval.offset_s < interval.every_s:
        raise invalid("interval.offsetSeconds", f"must be from 0 to {interval.every_s - 1:,}, less than the interval")
    return interval.every_s


def _times_gap(timing: Timing, least_interval_s: int) -> int:
    field = "cron" if timing.cron else "calendar"
    found = times_of(timing)
    if len(found) > GREATEST_EXPRESSIONS:
        raise invalid(field, f"has {len(found)} entries; at most {GREATEST_EXPRESSIONS} are allowed")
    this_year = now().year
    for at, times in enumerate(found):
        if not times.falls_due(this_year):
            raise invalid(f"{field}.{at}", "is never due: no day from now on matches all its fields")
        if times.smallest_gap_s() < least_interval_s:
            raise invalid(f"{field}.{at}", f"is due more often than every {least_interval_s:,} seconds")
    gap = min(times.smallest_gap_s() for times in found)
    if len(found) > 1:
        gap = min(gap, smallest_gap_together_s(found, this_year))
    if gap < least_interval_s:
        said = f"the {len(found)} entries together are due more often than every {least_interval_s:,} seconds"
        raise invalid(field, said)
    return gap


def _check_zone(timing: Timing) -> None:
    if timing.interval is not None and timing.time_zone != "UTC":
        raise invalid("timeZone", "an interval counts seconds and follows no clock; leave the time zone out")
    if timing.time_zone not in _zones():
        raise invalid("timeZone", "is not a time zone of the IANA database; use one such as UTC or Europe/Berlin")


@lru_cache(maxsize=1)
def _zones() -> frozenset[str]:
    return frozenset(available_timezones() | {"UTC"}) - _OF_THE_MACHINE


def _named(field: str, parse: Callable[[T], Times], text: T) -> Times:
    try:
        return parse(text)
    except ValueError as error:
        raise invalid(field, str(error)) from error
