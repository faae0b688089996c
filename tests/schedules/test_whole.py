"""From a request to the record of what a run came to, with the real worker and everything it does beside."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

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
