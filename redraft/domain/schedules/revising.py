"""Revisions of a schedule, and those that nobody asked for here: taken over from Temporal, or with the prompt gone."""

from __future__ import annotations

from typing import Any
from uuid import UUID

from sqlmodel import col, select
from sqlmodel.ext.asyncio.session import AsyncSession

from redraft.domain.outbox import emit
from redraft.domain.schedules.asking import stop_backfills
from redraft.domain.schedules.reading import get_schedule
from redraft.store.tables import Prompt, Schedule
from redraft.store.tables.base import now

PROMPT_DELETED = "the prompt was deleted"
GREATEST_NOTE = 250
"""Characters of a note about a pause: Temporal takes 1,000 bytes."""
TEMPORAL = "Temporal"
"""Who changes a schedule in the Web UI, as records name it."""


async def revise(session: AsyncSession, schedule: Schedule, topic: str, actor: str, new: dict[str, Any]) -> None:
    """Set values, if any differs, as the next revision, and tell.

    A pause stops backfills that are under way, also those that were asked for while the schedule was paused already.
    """
    if new.get("paused"):
        stop_backfills(schedule)
        session.add(schedule)
    if all(getattr(schedule, name) == value for name, value in new.items()):
        return
    for name, value in new.items():
        setattr(schedule, name, value)
    schedule.revision += 1
    schedule.updated_at = now()
    session.add(schedule)
    await session.flush()
    await tell(session, schedule, topic, actor)


async def tell(session: AsyncSession, schedule: Schedule, topic: str, actor: str) -> None:
    """Write the event of a change, which makes Temporal follow."""
    await emit(
        session,
        schedule.customer_id,
        topic,
        schedule.id,
        prompt_id=schedule.prompt_id,
        revision=schedule.revision,
        actor=actor,
    )


async def pause_schedules_of_deleted(session: AsyncSession, prompt_id: UUID) -> None:
    """Pause the schedules of a prompt that was deleted."""
    statement = (
        select(Schedule)
        .join(Prompt, col(Prompt.id) == Schedule.prompt_id)
        .where(
            Schedule.prompt_id == prompt_id,
            col(Prompt.deleted_at).is_not(None),
            col(Schedule.deleted_at).is_(None),
        )
        .order_by(col(Schedule.id))
        .with_for_update(of=Schedule)
    )
    for schedule in list(await session.exec(statement)):
        new = {"paused": True, "pause_note": schedule.pause_note if schedule.paused else PROMPT_DELETED}
        await revise(session, schedule, "schedule.paused", "", new)


async def take_over_pause(session: AsyncSession, schedule_id: UUID, revision: int, paused: bool, note: str) -> None:
    """Take over that somebody paused or resumed the schedule in Temporal, unless the row has changed meanwhile."""
    schedule = await get_schedule(session, schedule_id, for_update=True)
    if schedule.revision != revision:
        return
    topic = "schedule.paused" if paused else "schedule.resumed"
    new = {"paused": paused, "pause_note": note.replace("\x00", "")[:GREATEST_NOTE] if paused else ""}
    await revise(session, schedule, topic, TEMPORAL, new)


async def raise_revision(session: AsyncSession, schedule_id: UUID, above: int) -> None:
    """Put the row ahead of a revision that Temporal has but the row never had: the database was restored."""
    schedule = await get_schedule(session, schedule_id, for_update=True)
    if schedule.revision <= above:
        schedule.revision = above + 1
        session.add(schedule)
