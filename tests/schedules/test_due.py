"""What falls due, and what comes of it: weeks ahead, paused, triggered, backfilled, with nobody there to work.

Temporal's time-skipping test server skips the timers of workflows; schedules keep real time there as well. So weeks are
looked at through the real server's own computation of due times – the one that starts the runs – and runs are seen with
intervals of seconds, triggers and backfills.
"""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from temporalio.service import RPCError, RPCStatusCode

from redraft.domain.schedules.asking import cause_of
from redraft.domain.schedules.observing import Observation, record_applied
from runtime.schedule_calls import TemporalSchedules
from runtime.schedule_protos import moment
from tests.schedules.board import Board, Json, id_of, refused
from tests.support.worlds import eventually

BERLIN = ZoneInfo("Europe/Berlin")
MARCH, APRIL = datetime(2027, 3, 8, tzinfo=BERLIN), datetime(2027, 4, 12, tzinfo=BERLIN)
"""Five weeks with the beginning of summer time, on 28 March at two."""
AUTUMN = datetime(2027, 10, 30, tzinfo=BERLIN), datetime(2027, 11, 2, tzinfo=BERLIN)


async def due(board: Board, schedule: Json, since: datetime, until: datetime) -> list[datetime]:
    """Return the due times of a window, as the server counts them, on the clock of Berlin."""
    found = await board.scheduler.temporal.due_between(id_of(schedule), since, until)
    return [moment.astimezone(BERLIN) for moment in found]


async def test_weekdays_at_nine_for_five_weeks_over_the_beginning_of_summer_time(board: Board) -> None:
    made = await board.make(cron=["0 9 * * mon-fri"], timeZone="Europe/Berlin")
    found = await due(board, made, MARCH, APRIL)
    assert len(found) == 25
    assert {(moment.hour, moment.minute) for moment in found} == {(9, 0)}
    assert {moment.weekday() for moment in found} == {0, 1, 2, 3, 4}
    assert {moment.astimezone(UTC).hour for moment in found} == {7, 8}


async def test_an_hour_that_the_clock_leaves_out_is_left_out_and_one_it_shows_twice_is_told(board: Board) -> None:
    made = await board.make(calendar=[{"hour": "2", "minute": "30"}], timeZone="Europe/Berlin")
    found = await due(board, made, MARCH, APRIL)
    assert len(found) == 34
    assert (3, 28) not in {(moment.month, moment.day) for moment in found}
    assert [moment.day for moment in await due(board, made, *AUTUMN)] == [30, 31, 1]
    made = await board.make(cron=["30 1 * * *"], timeZone="America/New_York")
    found = await due(board, made, datetime(2027, 11, 7, tzinfo=UTC), datetime(2027, 11, 8, 12, tzinfo=UTC))
    assert [(moment.astimezone(UTC).day, moment.astimezone(UTC).hour) for moment in found] == [(7, 5), (7, 6), (8, 6)]


async def test_intervals_count_seconds_and_a_date_has_to_match_every_field(board: Board) -> None:
    daily = await board.make(interval={"everySeconds": 86_400, "offsetSeconds": 3_600})
    found = await due(board, daily, MARCH, APRIL)
    assert len(found) == 35
    assert {moment.astimezone(UTC).hour for moment in found} == {1}
    assert {moment.hour for moment in found} == {2, 3}
    fridays = await board.make(cron=["0 0 13 * fri"])
    since = datetime(2027, 1, 1, tzinfo=UTC)
    found = await board.scheduler.temporal.due_between(id_of(fridays), since, since + timedelta(days=730))
    assert [moment.date().isoformat() for moment in found] == ["2027-08-13", "2028-10-13"]


async def test_a_paused_schedule_starts_nothing_and_one_taken_up_does(board: Board) -> None:
    beside, made = (
        await board.make(interval={"everySeconds": 1}),
        await board.make(interval={"everySeconds": 1}, paused=True),
    )
    async with board.working():
        await eventually(lambda: ran(board, beside), lambda runs: len(runs) >= 2, "two runs beside it")
        assert await ran(board, made) == []
        described = await board.described(made)
        assert described is not None
        assert described.info.num_actions == 0
        await board.post(made, "resume")
        await eventually(lambda: ran(board, made), bool, "a run")
        await board.post(made, "pause")
        await board.post(beside, "pause")


async def test_a_trigger_runs_once_also_while_paused(board: Board) -> None:
    made = await board.make(paused=True)
    board.may_end.clear()
    async with board.working():
        answer = await board.http.post(f"/api/v1/schedules/{made['id']}/trigger", headers={"Idempotency-Key": "now"})
        assert answer.status_code == 202
        await eventually(lambda: running(board, made), bool, "running")
        said = refused(await board.post(made, "trigger"), 409, "INVALID_STATE")
        assert said == "a run of this schedule is going on; there is never more than one at a time"
        again = await board.http.post(f"/api/v1/schedules/{made['id']}/trigger", headers={"Idempotency-Key": "now"})
        assert again.json() == answer.json()
        board.may_end.set()
        (at,) = await eventually(lambda: ran(board, made), bool, "run")
    assert await causes(board, made, [at, at + timedelta(hours=1), None]) == ["manual", "schedule", "manual"]


async def test_a_trigger_whose_answer_was_lost_can_be_asked_for_again(
    board: Board, monkeypatch: pytest.MonkeyPatch
) -> None:
    made = await board.make()
    trigger = TemporalSchedules.trigger

    async def lost(self: TemporalSchedules, *arguments: Any) -> None:
        await trigger(self, *arguments)
        raise RPCError("connection lost", RPCStatusCode.UNAVAILABLE, b"")

    async def ask() -> int:
        path = f"/api/v1/schedules/{made['id']}/trigger"
        return (await board.http.post(path, headers={"Idempotency-Key": "once"})).status_code

    monkeypatch.setattr(TemporalSchedules, "trigger", lost)
    assert await ask() == 503
    monkeypatch.undo()
    await eventually(lambda: running(board, made), bool, "running")
    assert await ask() == 202
    async with board.working():
        await eventually(lambda: running(board, made), lambda going_on: not going_on, "over")
    described = await board.described(made)
    assert described is not None
    assert (described.info.num_actions, described.info.num_actions_skipped_overlap) == (1, 0)


async def test_a_backfill_runs_each_due_time_one_after_the_other(board: Board) -> None:
    made = await board.make(cron=["0 3 * * *"], timeZone="Europe/Berlin", paused=True)
    window = {"startAt": "2026-03-27T03:00:00+01:00", "endAt": "2026-03-30T03:00:00+02:00"}
    async with board.working():
        answer = await board.post(made, "backfill", window)
        assert answer.status_code == 202
        asked = [datetime.fromisoformat(moment) for moment in answer.json()["dueTimes"]]
        assert [moment.astimezone(BERLIN).day for moment in asked] == [27, 28, 29, 30]
        found = await eventually(lambda: ran(board, made), lambda runs: len(runs) == 4, "four runs")
    assert found == asked
    after = asked[-1] + timedelta(days=1)
    assert await causes(board, made, [*asked, after]) == ["backfill"] * 4 + ["schedule"]
    described = await board.described(made)
    assert described is not None
    assert described.info.num_actions_skipped_overlap == 0


async def test_nobody_at_work_for_three_due_times_makes_one_run_and_says_what_passed(board: Board) -> None:
    """Temporal starts the first, which waits for a worker; the others fall into it."""
    made = await board.make(interval={"everySeconds": 1})

    async def missed() -> int:
        described = await board.described(made)
        assert described is not None
        return described.info.num_actions_skipped_overlap

    await eventually(missed, lambda number: number >= 2, "two due times passed")
    assert board.due == []
    await board.post(made, "pause")
    number = await missed()
    async with board.working():
        await eventually(lambda: running(board, made), lambda found: not found, "over")
    assert len(await ran(board, made)) == 1
    await asyncio.gather(board.reconcile(), board.reconcile())
    skipped = [run for run in await board.runs(made) if run["reason"] == "OVERLAPPED"]
    counted = [int(run["message"].split()[0]) for run in skipped]
    assert sum(counted) == number
    assert {run["status"] for run in skipped} == {"skipped"}
    assert all("while the run before was still going on" in run["message"] for run in skipped)


async def test_due_times_that_passed_without_a_run_are_told_once(board: Board) -> None:
    made = await board.make(paused=True)
    before = await board.scheduler.temporal.describe(id_of(made))
    assert before is not None
    since = moment(before.info.create_time)
    for seen in (Observation(since, overlapped=1), Observation(since, overlapped=1, missed=3)):
        for _ in range(2):
            async with board.db.tenant(board.customer.id) as session:
                await record_applied(session, id_of(made), 1, seen)
    missed, overlapped = await board.runs(made)
    assert (overlapped["reason"], missed["reason"]) == ("OVERLAPPED", "CATCHUP_WINDOW_PASSED")
    assert overlapped["message"] == "1 due time passed while the run before was still going on"
    assert missed["message"] == (
        "3 due times passed while nothing could be started, and the catch-up window of 3,600 s with it"
    )
    assert {run["status"] for run in (missed, overlapped)} == {"skipped"}
    events = await board.http.get("/api/v1/events", params={"subject": made["id"]})
    assert [each["topic"] for each in events.json()["data"]].count("schedule.run_skipped") == 2


async def test_an_observation_that_is_written_late_tells_nothing_again(board: Board) -> None:
    made = await board.make(paused=True)
    before = await board.scheduler.temporal.describe(id_of(made))
    assert before is not None
    since = moment(before.info.create_time)
    for number in (2, 1, 3):
        async with board.db.tenant(board.customer.id) as session:
            seen = Observation(since, overlapped=number, missed=2 * number)
            await record_applied(session, id_of(made), 1, seen)
    told: dict[str, int] = {}
    for run in await board.runs(made):
        told[run["reason"]] = told.get(run["reason"], 0) + int(run["message"].split()[0])
    assert told == {"OVERLAPPED": 3, "CATCHUP_WINDOW_PASSED": 6}


async def test_due_times_skipped_after_a_schedule_came_back_are_counted_anew(board: Board) -> None:
    made = await board.make(paused=True)
    row = await board.row(made)
    async with board.db.tenant(board.customer.id) as session:
        row.observed = {**row.observed, "overlapped": 7}
        session.add(row)
    await board.handle(made).delete()
    await board.reconcile()
    assert (await board.row(made)).observed["overlapped"] == 0
    assert await board.runs(made) == []


async def ran(board: Board, schedule: Json) -> list[datetime]:
    """Return the due times of a schedule that were worked on."""
    return [moment for schedule_id, moment in board.due if schedule_id == id_of(schedule)]


async def running(board: Board, schedule: Json) -> bool:
    """Return whether a run is going on."""
    described = await board.described(schedule)
    return described is not None and bool(described.raw_description.info.running_workflows)


async def causes(board: Board, schedule: Json, moments: list[datetime | None]) -> list[str]:
    """Return why runs at these moments would have come to be."""
    row = await board.row(schedule)
    return [cause_of(row, moment) for moment in moments]
