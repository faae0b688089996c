"""Temporal itself is away for three due times: what is within the catch-up window is made up for, and counted."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta

import pytest

from redraft.store.tables.base import now
from tests.schedules.board import Board, id_of
from tests.support.stack import TemporalServer, temporal_server
from tests.support.worlds import eventually

pytestmark = pytest.mark.long


@pytest.fixture(scope="module")
def temporal(tmp_path_factory: pytest.TempPathFactory) -> Iterator[TemporalServer]:
    """A server of this module's own, which keeps what it knows."""
    with temporal_server(tmp_path_factory.mktemp("temporal")) as server:
        yield server


async def test_due_times_that_passed_while_temporal_was_away_are_made_up_for(
    board: Board, temporal: TemporalServer
) -> None:
    made = await board.make(interval={"everySeconds": 1}, catchupWindowSeconds=60)

    async def ran() -> list[datetime]:
        return [moment for schedule_id, moment in board.due if schedule_id == id_of(made)]

    async def passed() -> int:
        described = await board.scheduler.temporal.describe(id_of(made))
        assert described is not None
        return int(described.info.action_count + described.info.overlap_skipped)

    async def between_runs() -> datetime | None:
        described = await board.scheduler.temporal.describe(id_of(made))
        assert described is not None
        moment = now()
        idle = not described.info.running_workflows and moment.microsecond < 700_000
        return moment if idle and board.due[-1][1] > moment - timedelta(seconds=1) else None

    async with board.working():
        await eventually(ran, bool, "a run")
        down = await eventually(between_runs, bool, "a moment between two runs")
        temporal.child.kill()

        async def clock() -> datetime:
            return now()

        assert down is not None
        up = await eventually(clock, lambda moment: moment > down + timedelta(seconds=4), "three due times later")
        temporal.restart()
        runs = await eventually(ran, lambda runs: runs[-1] > up, "runs after it")
    await board.post(made, "pause")
    assert [moment for moment in runs if down < moment < up]
    described = await board.scheduler.temporal.describe(id_of(made))
    assert described is not None
    assert described.info.missed_catchup_window == 0
    # Each second since the first run has either a run, or fell into one and is counted.
    last = max(result.schedule_time.ToDatetime(tzinfo=UTC) for result in described.info.recent_actions)
    assert await passed() >= (last - runs[0]).total_seconds() + 1
    await board.reconcile()
    overlapped = [run["message"] for run in await board.runs(made) if run["reason"] == "OVERLAPPED"]
    assert sum(int(message.split()[0]) for message in overlapped) == described.info.overlap_skipped > 0
