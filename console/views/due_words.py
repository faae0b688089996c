"""When a schedule is due, in words where there are simple ones."""

from __future__ import annotations

from redraft.domain.schedules.cron import Ranges, Times

MOST_TIMES = 3
_DAYS = ("Sundays", "Mondays", "Tuesdays", "Wednesdays", "Thursdays", "Fridays", "Saturdays")
_EVERY_DAY, _EVERY_DATE, _EVERY_MONTH = set(range(7)), set(range(1, 32)), set(range(1, 13))


def in_words(times: Times) -> str:
    """Return some times of a day on some days of the week, or on one day of the month, in words; "" for others."""
    minutes = times.minutes_of_a_day()
    week, dates, months = (_values(field) for field in (times.day_of_week, times.day_of_month, times.month))
    if times.year or months != _EVERY_MONTH or len(minutes) > MOST_TIMES:
        return ""
    if dates == _EVERY_DATE:
        days = _weekdays(week)
    elif week == _EVERY_DAY and len(dates) == 1:
        days = f"on day {dates.pop()} of each month"
    else:
        return ""
    return f"{days} at {_list([f'{minute // 60:02}:{minute % 60:02}' for minute in minutes])}"


def _values(ranges: Ranges) -> set[int]:
    return {value for part in ranges for value in part.values()}


def _weekdays(week: set[int]) -> str:
    if week == _EVERY_DAY:
        return "every day"
    if week == {1, 2, 3, 4, 5}:
        return "Monday to Friday"
    return _list([_DAYS[day] for day in sorted(week, key=lambda day: day or 7)])


def _list(parts: list[str]) -> str:
    return " and ".join([", ".join(parts[:-1]), parts[-1]] if len(parts) > 1 else parts)
