"""From a request to the record of what a run came to, with the real worker and everything it does beside."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest

from tests.schedules.board import Board, Json
from tests.support.fake_gemini import FakeGemini
from tests.support.worlds import World, eventually, working_on


async def test_runs_that_were_asked_for_say_so_and_why_they_started_nothing(board: Board, gemini: FakeGemini) -> None:
    made = await board.make(action="audit", cron=["0 3 * * *"])
    day = datetime.now(UTC) - timedelta(days=1)

    async def finished() -> list[Json]:
        return [run for run in await board.runs(made) if run["status"] != "running"]

    async with working_on(World(board.settings, board.db, board.client, gemini, board.customer.id)):
        assert (await board.post(made, "trigger")).status_code == 202
        (manual,) = await eventually(finished, bool, "a run")
        window = {"startAt": (day - timedelta(days=1)).isoformat(), "endAt": day.isoformat()}
        (due,) = (await board.post(made, "backfill", window)).json()["dueTimes"]
        past, _ = await eventually(finished, lambda runs: len(runs) == 2, "two runs")
    assert (manual["cause"], past["cause"], past["dueAt"]) == ("manual", "backfill", due)
    for run in (manual, past):
        assert (run["status"], run["reason"], run["costUsd"]) == ("skipped", "NOTHING_TO_AUDIT", 0)
    assert (await board.read(made))["lastRun"] == past


@pytest.mark.long
async def test_weeks_of_due_times_over_the_change_to_summer_time(board: Board, gemini: FakeGemini) -> None:
    """The server computes the due times of five weeks and the real workflow runs for each of them.

    A schedule's own clock can't be skipped: Temporal's time skipping is of workflows. So weeks of the past are run.
    """
    made = await board.make(action="proposal", cron=["0 9 * * mon-fri"], timeZone="Europe/Berlin")
    weeks = {"startAt": "2026-03-16T00:00:00+01:00", "endAt": "2026-04-20T00:00:00+02:00"}

    async def finished() -> list[Json]:
        answer = await board.http.get(f"/api/v1/schedules/{made['id']}/runs?limit=100")
        return [run for run in answer.json()["data"] if run["status"] != "running"]

    async with working_on(World(board.settings, board.db, board.client, gemini, board.customer.id)):
        expected = (await board.post(made, "backfill", weeks)).json()["dueTimes"]
        runs = await eventually(finished, lambda found: len(found) == len(expected), "a run for each", 120)
        assert (await board.post(made, "pause", {"note": "holidays"})).status_code == 200
        assert (await board.post(made, "trigger")).status_code == 202  # by hand it runs, paused or not
        manual, *_ = await eventually(finished, lambda found: len(found) == len(expected) + 1, "one more")
    due = [datetime.fromisoformat(run["dueAt"]) for run in reversed(runs)]
    assert [moment.astimezone(ZoneInfo("Europe/Berlin")).strftime("%H:%M") for moment in due] == ["09:00"] * 25
    assert {moment.astimezone(UTC).hour for moment in due} == {7, 8}
    assert sorted(due) == due == [datetime.fromisoformat(text) for text in expected]
    assert {run["cause"] for run in runs} == {"backfill"}
    assert all(run["status"] == "skipped" and run["reason"] and run["message"] for run in [manual, *runs])
    assert (manual["cause"], (await board.read(made))["nextRuns"]) == ("manual", [])
