"""The record of one due time: begun once per Temporal run, settled once, and never silent about why."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from typing import NamedTuple
from uuid import UUID

from sqlalchemy import text
from sqlmodel import col, select
from sqlmodel.ext.asyncio.session import AsyncSession

from redraft.domain.audits import PURPOSE
from redraft.domain.commit import lock_prompt
from redraft.domain.errors import not_found
from redraft.domain.outbox import emit
from redraft.domain.schedules.asking import cause_of, was_stopped
from redraft.domain.schedules.records import RunStatus
from redraft.store.database import run_sql
from redraft.store.ids import derived_id
from redraft.store.tables import Prompt, Schedule, ScheduleRun
from redraft.store.tables.base import now


@dataclass(frozen=True, slots=True)
class RunStart:
    """A run of Temporal's that a schedule began. `run_key` is that run's id; `due_at` None: outside any schedule.

    `while_paused`: Temporal began it on a paused schedule, which it does only for somebody who asks for it there.
    """

    customer_id: UUID
    schedule_id: UUID
    workflow_id: str
    run_key: str
    due_at: datetime | None = None
    while_paused: bool = False


class Obstacle(NamedTuple):
    """Why a run does nothing, as a word and as a sentence."""

    reason: str
    message: str


async def begin(session: AsyncSession, start: RunStart) -> ScheduleRun:
    """Make the record of a run, or answer the one made before. What must not run is skipped at once.

    Raises NOT_FOUND when the customer has no such schedule, not even a deleted one.
    """
    run_id = derived_id("schedule-run", start.schedule_id, start.run_key)
    if (begun := await session.get(ScheduleRun, run_id)) is not None:
        return begun
    schedule = await session.get(Schedule, start.schedule_id)
    if schedule is None:
        raise not_found("Schedule")
    cause = cause_of(schedule, start.due_at)
    run = ScheduleRun(
        id=run_id,
        customer_id=start.customer_id,
        schedule_id=schedule.id,
        workflow_id=start.workflow_id,
        run_key=start.run_key,
        due_at=start.due_at or now(),
        cause="manual" if start.while_paused and cause == "schedule" else cause,
    )
    session.add(run)
    await session.flush()
    prompt = await session.get_one(Prompt, schedule.prompt_id)
    if obstacle := obstacle_to(run, schedule, prompt):
        await settle(session, run, "skipped", *obstacle)
    return run


def obstacle_to(run: ScheduleRun, schedule: Schedule, prompt: Prompt) -> Obstacle | None:
    """Return why a run must not go on, None when it may. What a person asked for runs on a paused schedule, too.

    A pause stops the backfills that were asked for before it.
    """
    if schedule.deleted_at is not None:
        return Obstacle("SCHEDULE_DELETED", "The schedule was deleted before this run was done.")
    if prompt.deleted_at is not None:
        return Obstacle("PROMPT_DELETED", "The prompt was deleted.")
    if schedule.paused and run.cause == "schedule":
        return Obstacle("SCHEDULE_PAUSED", "The schedule was paused before this run was done.")
    if run.cause == "backfill" and was_stopped(schedule, run.due_at):
        return Obstacle("SCHEDULE_PAUSED", "The schedule was paused after this backfill had been asked for.")
    return None


async def enter(
    session: AsyncSession, run_id: UUID, *, prompt_locked: bool = False
) -> tuple[ScheduleRun, Schedule, Prompt]:
    """Return a run, its schedule and its prompt for the next step. The run is locked, the prompt if asked for.

    A run that must not go on is skipped here, so look at its status. Raises NOT_FOUND.
    """
    run = await lock_run(session, run_id)
    schedule = await session.get_one(Schedule, run.schedule_id)
    if prompt_locked:
        prompt = await lock_prompt(session, schedule.prompt_id, deleted_too=True)
    else:
        prompt = await session.get_one(Prompt, schedule.prompt_id)
    if run.status == "running" and (obstacle := obstacle_to(run, schedule, prompt)):
        await settle(session, run, "skipped", *obstacle)
    return run, schedule, prompt


async def lock_run(session: AsyncSession, run_id: UUID) -> ScheduleRun:
    """Return a run, locked. Raises NOT_FOUND."""
    statement = select(ScheduleRun).where(ScheduleRun.id == run_id).with_for_update()
    run = (await session.exec(statement.execution_options(populate_existing=True))).one_or_none()
    if run is None:
        raise not_found("Schedule run")
    return run


def audit_ids_of(run: ScheduleRun) -> list[UUID]:
    """Return the audits that a run had made."""
    return [UUID(audit_id) for audit_id in run.saw.get("sample", {}).get("auditIds", [])]


async def settle(session: AsyncSession, run: ScheduleRun, status: RunStatus, reason: str, message: str) -> None:
    """End a locked run that goes on, with what its audits cost, and say so in an event of the schedule."""
    if run.status != "running":
        raise AssertionError(f"schedule run {run.id} is {run.status}: it has ended")
    run.status, run.reason, run.message, run.finished_at = status, reason, message, now()
    run.cost_usd = await _cost(session, run)
    session.add(run)
    await emit(
        session,
        run.customer_id,
        f"schedule.run_{status}",
        run.schedule_id,
        prompt_id=(await session.get_one(Schedule, run.schedule_id)).prompt_id,
        run_id=run.id,
        cause=run.cause,
        reason=reason,
        audits=run.audits_started,
        cost_usd=float(run.cost_usd),
        proposal_id=run.proposal_id,
        optimization_id=run.optimization_id,
    )


_COST = text(
    "select coalesce(sum(case when state = 'settled' then cost_usd else reserved_usd end), 0)"
    " from model_calls where purpose = :purpose and subject_id = any(cast(:audits as uuid[]))"
)


async def _cost(session: AsyncSession, run: ScheduleRun) -> Decimal:
    """Return what the ledger has for the audits of a run, in USD, calls of unknown cost at their reservation."""
    audits = audit_ids_of(run)
    if not audits:
        return Decimal(0)
    return Decimal((await run_sql(session, _COST, purpose=PURPOSE, audits=audits)).scalar_one())


async def settle_lost(session: AsyncSession, run_id: UUID) -> bool:
    """Fail a run whose workflow has ended or is gone without settling it; return whether it was still open."""
    run = await lock_run(session, run_id)
    if run.status != "running":
        return False
    message = "Its workflow ended before the run was done: it was terminated or cancelled, or Temporal has lost it."
    await settle(session, run, "failed", "WORKFLOW_LOST", message)
    return True


async def last_start(session: AsyncSession, schedule_id: UUID) -> datetime | None:
    """Return when the schedule last started a proposal or an optimization; None: it never has."""
    statement = (
        select(ScheduleRun.finished_at)
        .where(ScheduleRun.schedule_id == schedule_id, ScheduleRun.status == "started")
        .order_by(col(ScheduleRun.finished_at).desc())
        .limit(1)
    )
    return (await session.exec(statement)).one_or_none()
