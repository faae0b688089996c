"""Reading schedules and their runs."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any
from uuid import UUID

from sqlalchemy import func, true
from sqlalchemy.orm import aliased
from sqlmodel import col, select
from sqlmodel.ext.asyncio.session import AsyncSession
from sqlmodel.sql.expression import SelectOfScalar

from redraft.domain.errors import not_found
from redraft.domain.schedules.records import RunStatus
from redraft.store.tables import Schedule, ScheduleRun


async def get_schedule(session: AsyncSession, schedule_id: UUID, *, for_update: bool = False) -> Schedule:
    """Return a schedule that is not deleted. Raises NOT_FOUND."""
    statement = select(Schedule).where(Schedule.id == schedule_id, col(Schedule.deleted_at).is_(None))
    if for_update:
        statement = statement.with_for_update().execution_options(populate_existing=True)
    schedule = (await session.exec(statement)).one_or_none()
    if schedule is None:
        raise not_found("schedule")
    return schedule


async def list_schedules(
    session: AsyncSession, prompt_id: UUID | None, paused: bool | None, limit: int, offset: int
) -> tuple[list[Schedule], int]:
    """Return one page of schedules, newest first, and how many there are in all."""
    wanted: list[Any] = [col(Schedule.deleted_at).is_(None)]
    if prompt_id is not None:
        wanted.append(Schedule.prompt_id == prompt_id)
    if paused is not None:
        wanted.append(Schedule.paused == paused)
    statement = select(Schedule).where(*wanted).order_by(col(Schedule.created_at).desc(), col(Schedule.id).desc())
    rows = await session.exec(statement.limit(limit).offset(offset))
    total = (await session.exec(select(func.count()).select_from(Schedule).where(*wanted))).one()
    return list(rows), total


async def list_runs(
    session: AsyncSession, schedule_id: UUID, status: RunStatus | None, limit: int, offset: int
) -> tuple[list[ScheduleRun], int]:
    """Return one page of a schedule's runs, newest first, and how many there are in all. Raises NOT_FOUND."""
    await get_schedule(session, schedule_id)
    wanted: list[Any] = [ScheduleRun.schedule_id == schedule_id]
    if status is not None:
        wanted.append(ScheduleRun.status == status)
    newest = (col(ScheduleRun.created_at).desc(), col(ScheduleRun.id).desc())
    rows = await session.exec(select(ScheduleRun).where(*wanted).order_by(*newest).limit(limit).offset(offset))
    total = (await session.exec(select(func.count()).select_from(ScheduleRun).where(*wanted))).one()
    return list(rows), total


async def last_runs(session: AsyncSession, schedule_ids: Sequence[UUID]) -> dict[UUID, ScheduleRun]:
    """Return the newest run of each of these schedules that has any."""
    return {run.schedule_id: run for run in await session.exec(newest_runs(schedule_ids))}


def newest_runs(schedule_ids: Sequence[UUID]) -> SelectOfScalar[ScheduleRun]:
    """Return a statement that reads one run of each schedule, however many there are."""
    newest = (
        select(ScheduleRun)
        .where(col(ScheduleRun.schedule_id) == col(Schedule.id))
        .order_by(col(ScheduleRun.created_at).desc(), col(ScheduleRun.id).desc())
        .limit(1)
        .lateral()
    )
    run = aliased(ScheduleRun, newest)
    return select(run).select_from(Schedule).join(newest, true()).where(col(Schedule.id).in_(schedule_ids))
