"""Cron expressions and calendars mean here what they mean to Temporal's server."""

from __future__ import annotations

import random
import re
from collections.abc import Callable
from contextlib import suppress

import pytest
from hypothesis import given
from hypothesis import strategies as st
from temporalio.api.schedule.v1 import CalendarSpec, ScheduleSpec, StructuredCalendarSpec
from temporalio.api.schedule.v1 import Schedule as ScheduleProto
from temporalio.api.workflowservice.v1 import CreateScheduleRequest, DeleteScheduleRequest, DescribeScheduleRequest
from temporalio.client import Client

from redraft.domain.errors import RedraftError
from redraft.domain.schedules.cron import Range, Times, parse_calendar, parse_cron
from redraft.domain.schedules.records import Calendar, Timing
from redraft.domain.schedules.timing import check_timing
from redraft.domain.schedules.together import smallest_gap_together_s
from redraft.store.ids import new_id
from redraft.store.tables import Schedule
from runtime.schedule_protos import desired

FIELDS = ("minute", "hour", "day_of_month", "month", "day_of_week")
BOUNDS = {"minute": (0, 59), "hour": (0, 23), "day_of_month": (1, 31), "month": (1, 12), "day_of_week": (0, 6)}
NAMES = {"month": ["jan", "Feb", "MAR", "dec"], "day_of_week": ["sun", "Mon", "FRI", "sat"]}
SHORTHANDS = ["@yearly", "@annually", "@monthly", "@weekly", "@daily", "@midnight", "@hourly"]


def some_field(chance: random.Random, name: str) -> str:
    """Return a field as people write them, of one to three parts."""
    least, greatest = BOUNDS[name]

    def part() -> str:
        first = chance.randint(least, greatest)
        last = chance.randint(first, greatest)
        shapes: list[Callable[[], str]] = [
            lambda: "*",
            lambda: str(first),
            lambda: f"{first}-{last}",
            lambda: f"*/{chance.randint(1, greatest)}",
            lambda: f"{first}-{last}" if name == "day_of_week" else f"{first}/{chance.randint(1, greatest)}",
            lambda: f"{first}-{last}/{chance.randint(1, greatest)}",
            lambda: chance.choice(NAMES.get(name, [str(first)])),
        ]
        return chance.choice(shapes)()

    return ",".join(part() for _ in range(chance.choice((1, 1, 1, 2, 3))))


async def told_by_the_server(client: Client, spec: ScheduleSpec) -> ScheduleSpec:
    """Return what the server makes of a specification."""
    name = f"reading-{new_id()}"
    made = ScheduleProto(spec=spec)
    made.action.start_workflow.workflow_id = made.action.start_workflow.workflow_type.name = "nothing"
    made.action.start_workflow.task_queue.name = "nobody"
    made.state.paused = True
    service, namespace = client.workflow_service, client.namespace
    await service.create_schedule(
        CreateScheduleRequest(namespace=namespace, schedule_id=name, schedule=made, request_id=name)
    )
    answer = await service.describe_schedule(DescribeScheduleRequest(namespace=namespace, schedule_id=name))
    await service.delete_schedule(DeleteScheduleRequest(namespace=namespace, schedule_id=name))
    return answer.schedule.spec


def times(calendar: StructuredCalendarSpec) -> Times:
    """Return the ranges that the server has."""
    assert [(each.start, each.end) for each in calendar.second] == [(0, 0)]
    parts = {
        name: tuple(Range(each.start, each.end, each.step) for each in getattr(calendar, name))
        for name in (*FIELDS, "year")
    }
    return Times(**parts)


async def test_the_server_reads_cron_expressions_the_same(client: Client) -> None:
    chance = random.Random(20_260)
    expressions = (
        SHORTHANDS + [" ".join(some_field(chance, name) for name in FIELDS) for _ in range(200)] + ["0 0 * * 7"]
    )
    spec = await told_by_the_server(client, ScheduleSpec(cron_string=expressions))
    read = [times(calendar) for calendar in spec.structured_calendar]
    assert dict(zip(expressions, read, strict=True)) == {each: parse_cron(each) for each in expressions}


async def test_the_server_reads_calendars_the_same(client: Client) -> None:
    chance, years = random.Random(20_261), ["*", "2027", "2027-2031/2"]
    calendars = [
        Calendar(**{name: some_field(chance, name) for name in FIELDS}, year=chance.choice(years)) for _ in range(50)
    ]
    spec = ScheduleSpec(calendar=[CalendarSpec(**each.model_dump()) for each in [*calendars, Calendar()]])
    read = [times(calendar) for calendar in (await told_by_the_server(client, spec)).structured_calendar]
    assert read == [parse_calendar(each) for each in [*calendars, Calendar()]]


async def test_the_server_keeps_what_it_is_told_as_it_is(client: Client) -> None:
    """Else the reconciler would find it edited each time."""
    timings = [
        Timing(cron=("*/7 9-17 1,15 jan-mar mon-fri", "@daily"), time_zone="America/St_Johns", jitter_s=30),
        Timing.model_validate({"interval": {"every_s": 86_400, "offset_s": 3_600}}),
        Timing(calendar=(Calendar(hour="9", year="2027-2031/2"),)),
    ]
    for timing in timings:
        schedule = Schedule(
            customer_id=new_id(), prompt_id=new_id(), action="audit", timing=timing.model_dump(mode="json")
        )
        told = (await desired(schedule, client.data_converter, "queue")).spec
        assert await told_by_the_server(client, told) == told


@pytest.mark.parametrize(
    ("expression", "said"),
    [
        ("0 9 * *", "has 4 fields; five are needed"),
        ("0 0 9 * * *", "has 6 fields; five are needed"),
        ("", "has 0 fields"),
        ("60 * * * *", "the minute '60' is not understood; use 0 to 59, for example 0, */15 or 0,30"),
        ("0 24 * * *", "the hour '24' is not understood; use 0 to 23"),
        ("0 0 0 * *", "the day of month '0' is not understood; use 1 to 31"),
        ("0 0 * 13 *", "the month '13' is not understood; use 1 to 12"),
        ("0 0 * * 8", "the day of week '8' is not understood; use 0 to 6"),
        ("0 0 * * 5-7", "the day of week 7 can't be part of a range"),
        ("0 0 * * 5/2", "the day of week '5/2' has no end"),
        ("0 0 L * *", "the day of month 'l' is not understood"),
        ("0 0 ? * *", "the day of month '?' is not understood"),
        ("0 0 * * mon#2", "the day of week 'mon#2' is not understood"),
        ("0 17-9 * * *", "the hour '17-9' ends before it starts"),
        ("*/0 * * * *", "the minute '*/0' has no step from 1 to 59"),
        ("*/x * * * *", "the minute '*/x' has no step from 1 to 59"),
        ("1,,2 * * * *", "the minute '' is not understood"),
        ("-1 * * * *", "the minute '-1' is not understood"),
        ("@every 1h", "is no shorthand; use five fields or one of @annually"),
        ("CRON_TZ=UTC 0 9 * * *", "a time zone is a field of its own"),
        (",".join(["1"] * 61) + " * * * *", "lists 61 parts; at most 60"),
    ],
)
def test_what_is_refused_says_what_would_be_right(expression: str, said: str) -> None:
    with pytest.raises(ValueError, match=re.escape(said)):
        parse_cron(expression)


@given(st.text(max_size=40))
def test_any_text_is_read_or_refused(text: str) -> None:
    with suppress(ValueError):
        assert parse_cron(text).smallest_gap_s() >= 60


@pytest.mark.parametrize(
    ("expression", "gap"),
    [("* * * * *", 60), ("*/40 * * * *", 20 * 60), ("0 9 * * *", 86_400), ("0 1,22 * * *", 3 * 3_600)],
)
def test_the_smallest_gap_counts_the_end_of_the_day(expression: str, gap: int) -> None:
    assert parse_cron(expression).smallest_gap_s() == gap


@pytest.mark.parametrize(
    ("expression", "due"),
    [("0 0 30 2 *", False), ("0 0 29 2 *", True), ("0 0 29 2 mon", True), ("0 0 31 4,6,9,11 *", False)],
)
def test_dates_that_never_come_are_known(expression: str, due: bool) -> None:
    assert parse_cron(expression).falls_due(2026) is due


@pytest.mark.parametrize(("year", "due"), [("2025", False), ("2027", False), ("2028", True)])
def test_years_count(year: str, due: bool) -> None:
    assert parse_calendar(Calendar(day_of_month="29", month="2", year=year)).falls_due(2026) is due


@pytest.mark.parametrize(
    ("expressions", "gap"),
    [
        (("0 9 * * *", "1 9 * * *"), 60),
        (("0 9 * * *", "0 9 * * mon"), 86_400),  # on Mondays both mean the same moment
        (("0 9 * * mon-fri", "30 9 * * sun"), 23 * 3_600 + 30 * 60),  # Sunday's is followed by Monday's
        (("0 9 * * mon", "5 9 * * wed"), 86_400),
        (("59 23 31 12 *", "0 0 1 1 *"), 60),
        (("0 9 29 2 *", "1 9 * * mon"), 60),  # 2044 has such a day
        (("0 0 13 * *", "20 0 * * fri", "0 12 31 4 *"), 20 * 60),
    ],
)
def test_expressions_together_are_as_close_as_their_days_let_them(expressions: tuple[str, ...], gap: int) -> None:
    assert smallest_gap_together_s([parse_cron(each) for each in expressions], 2026) == gap


def test_several_expressions_keep_the_least_interval_and_the_jitter_together() -> None:
    check_timing(Timing(cron=("0 9 * * mon", "5 9 * * wed"), jitter_s=3_600), 3_600)
    with pytest.raises(RedraftError, match="cron: the 2 entries together are due more often than every 3,600 seconds"):
        check_timing(Timing(cron=("0 9 * * *", "5 9 * * wed")), 3_600)
    with pytest.raises(RedraftError, match="calendar: the 2 entries together"):
        check_timing(Timing(calendar=(Calendar(hour="9"), Calendar(hour="9", minute="5"))), 3_600)
    with pytest.raises(RedraftError, match="jitterSeconds: must not be larger than the 300 seconds"):
        check_timing(Timing(cron=("0 9 * * *", "5 9 * * wed"), jitter_s=301), 60)
