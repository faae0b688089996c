"""What Temporal says of a schedule, kept with its row: due times to come, and due times that passed without a run."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any
from uuid import UUID

from sqlalchemy.dialects.postgresql import insert
from sqlmodel import col, select
from sqlmodel.ext.asyncio.session import AsyncSession

from redraft.domain.outbox import emit
from redraft.domain.schedules.records import timing_of
from redraft.store.ids import derived_id
from redraft.store.tables import Schedule, ScheduleRun
from redraft.store.tables.base import now

OVERLAPPED, MISSED = "OVERLAPPED", "CATCHUP_WINDOW_PASSED"
"""Reasons of runs that never came to be."""


@dataclass(frozen=True, slots=True)
class Observation:
    """A schedule as Temporal has it. The two counts are of due times without a run, since `since`."""

    since: datetime
    due: Sequence[datetime] = ()
    overlapped: int = 0
    missed: int = 0

    def stored(self) -> dict[str, Any]:
        """Return what the row keeps."""
        return {
            "since": self.since.isoformat(),
            "due": [moment.isoformat() for moment in self.due],
            "overlapped": self.overlapped,
            "missed": self.missed,
        }


def next_due(schedule: Schedule) -> list[datetime]:
    """Return the next due times, as far as Temporal has told them; none while the schedule is paused."""
    if schedule.paused or schedule.deleted_at is not None:
        return []
    due = [datetime.fromisoformat(moment).astimezone(UTC) for moment in schedule.observed.get("due", [])]
    current = now()
    return [moment for moment in due if moment > current]


async def record_applied(
    session: AsyncSession, schedule_id: UUID, revision: int, seen: Observation | None = None
) -> None:
    """Record that Temporal has a revision, and what it says of the schedule; due times that were lost become runs."""
    statement = select(Schedule).where(Schedule.id == schedule_id).with_for_update()
    schedule = (await session.exec(statement.execution_options(populate_existing=True))).one()
    schedule.applied_revision = min(max(schedule.applied_revision, revision), schedule.revision)
    schedule.problem = ""
    if seen is not None and schedule.observed != seen.stored():
        await _record_lost(session, schedule, seen)
        schedule.observed = seen.stored() | _most_told(schedule, seen)
    session.add(schedule)


async def record_problem(session: AsyncSession, schedule_id: UUID, revision: int, problem: str) -> None:
    """Record that Temporal refused a revision, unless the row has changed meanwhile."""
    statement = select(Schedule).where(Schedule.id == schedule_id).with_for_update()
    schedule = (await session.exec(statement.execution_options(populate_existing=True))).one()
    if schedule.revision == revision:
        schedule.problem = problem
        session.add(schedule)


def _told(schedule: Schedule, seen: Observation) -> dict[str, int]:
    """Return how many due times of each kind became runs since the same moment."""
    before = schedule.observed if schedule.observed.get("since") == seen.since.isoformat() else {}
    return {kind: before.get(kind, 0) for kind in ("overlapped", "missed")}


def _most_told(schedule: Schedule, seen: Observation) -> dict[str, int]:
    """Return the greater counts, so that of two who looked, the one who writes later may have looked earlier."""
    told = _told(schedule, seen)
    return {kind: max(number, getattr(seen, kind)) for kind, number in told.items()}


async def _record_lost(session: AsyncSession, schedule: Schedule, seen: Observation) -> None:
    told = _told(schedule, seen)
    overlapped, missed = seen.overlapped - told["overlapped"], seen.missed - told["missed"]
    window = timing_of(schedule).catchup_window_s
    if overlapped > 0:
        message = f"{_times(overlapped)} while the run before was still going on"
        await _record_run(session, schedule, OVERLAPPED, message, f"{seen.since.isoformat()} {seen.overlapped}")
    if missed > 0:
        message = f"{_times(missed)} while nothing could be started, and the catch-up window of {window:,} s with it"
        await _record_run(session, schedule, MISSED, message, f"{seen.since.isoformat()} {seen.missed}")


def _times(number: int) -> str:
    return "1 due time passed" if number == 1 else f"{number} due times passed"


async def _record_run(session: AsyncSession, schedule: Schedule, reason: str, message: str, key: str) -> None:
    moment = now()
    run = {
        "id": derived_id(schedule.id, reason, key),
        "customer_id": schedule.customer_id,
        "created_at": moment,
        "schedule_id": schedule.id,
        "workflow_id": "",
        "run_key": f"{reason} {key}",
        "cause": "schedule",
        "status": "skipped",
        "reason": reason,
        "message": message,
        "saw": {},
        "audits_started": 0,
        "cost_usd": 0,
        "finished_at": moment,
    }
    made = await session.exec(insert(ScheduleRun).values(run).on_conflict_do_nothing().returning(col(ScheduleRun.id)))
    for (run_id,) in made:
        told: dict[str, Any] = {"run_id": run_id, "cause": "schedule", "reason": reason, "audits": 0, "cost_usd": 0.0}
        about = {"prompt_id": schedule.prompt_id}
        await emit(session, schedule.customer_id, "schedule.run_skipped", schedule.id, **about, **told)


async def unsettled(session: AsyncSession) -> list[tuple[UUID, UUID]]:
    """Return (customer, schedule) of every schedule that Temporal should have, or may still have."""
    statement = select(Schedule.customer_id, Schedule.id).where(
        col(Schedule.deleted_at).is_(None) | (col(Schedule.applied_revision) < col(Schedule.revision))
    )
    return [(customer_id, schedule_id) for customer_id, schedule_id in await session.exec(statement)]
