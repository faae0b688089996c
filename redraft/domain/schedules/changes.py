"""Changing schedules. The row says how a schedule should be; the events written with it make Temporal follow.

Every change raises `revision` under the row's lock, so that of two changes at once one is the later.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from decimal import Decimal
from typing import Any
from uuid import UUID

from sqlalchemy import func
from sqlmodel import col, select
from sqlmodel.ext.asyncio.session import AsyncSession

from redraft.domain.access import Principal
from redraft.domain.commit import lock_prompt
from redraft.domain.errors import Kind, RedraftError, conflict, invalid
from redraft.domain.schedules.checks import check_budget_right, check_conditions, check_settings, settings_of_action
from redraft.domain.schedules.reading import get_schedule
from redraft.domain.schedules.records import Action, ActionSettings, Conditions, Timing, timing_of
from redraft.domain.schedules.revising import GREATEST_NOTE, PROMPT_DELETED, revise, tell
from redraft.domain.schedules.timing import check_timing
from redraft.settings import Settings
from redraft.store.database import take_turns
from redraft.store.tables import Prompt, Schedule
from redraft.store.tables.base import now

KINDS = frozenset({"cron", "interval", "calendar"})


@dataclass(frozen=True, slots=True)
class ScheduleDraft:
    """A schedule to make."""

    id: UUID
    prompt_id: UUID
    action: Action
    timing: Timing
    name: str = ""
    settings: ActionSettings = field(default_factory=ActionSettings)
    conditions: Conditions = field(default_factory=Conditions)
    budget_usd: Decimal | None = None
    paused: bool = False


async def create_schedule(
    session: AsyncSession, draft: ScheduleDraft, principal: Principal, settings: Settings
) -> Schedule:
    """Make a schedule; a repeated `draft.id` answers the one made before.

    Raises INVALID naming the field, FORBIDDEN for a budget, CONFLICT when the customer has as many as allowed.
    """
    if (made := await session.get(Schedule, draft.id)) is not None:
        return made
    check_budget_right(principal.scope, None, draft.budget_usd)
    check_timing(draft.timing, settings.schedule_min_interval_s)
    await check_settings(session, draft.action, draft.settings)
    check_conditions(draft.action, draft.conditions)
    try:
        await lock_prompt(session, draft.prompt_id)
    except RedraftError as error:
        raise invalid("promptId", "there is no prompt with this id") from error
    await _refuse_too_many(session, principal.customer_id, settings.max_schedules)
    schedule = Schedule(
        id=draft.id,
        customer_id=principal.customer_id,
        prompt_id=draft.prompt_id,
        name=draft.name,
        action=draft.action,
        timing=draft.timing.model_dump(mode="json"),
        settings=_stored_settings(draft.action, draft.settings),
        conditions=draft.conditions.model_dump(mode="json"),
        budget_usd=draft.budget_usd,
        paused=draft.paused,
        created_by=principal.actor,
    )
    session.add(schedule)
    await session.flush()
    await tell(session, schedule, "schedule.created", principal.actor)
    return schedule


async def _refuse_too_many(session: AsyncSession, customer_id: UUID, greatest: int) -> None:
    await take_turns(session, f"schedules:{customer_id}")
    statement = select(func.count()).select_from(Schedule).where(col(Schedule.deleted_at).is_(None))
    if (await session.exec(statement)).one() >= greatest:
        raise conflict("TOO_MANY_SCHEDULES", f"there are {greatest} schedules already, which is the most; delete one")


def _stored_settings(action: str, settings: ActionSettings) -> dict[str, Any]:
    return settings.model_dump(mode="json", include=set(settings_of_action(action)))


@dataclass(frozen=True, slots=True)
class ScheduleUpdate:
    """What changes; what is None, or not in `timing`, stays. `timing` has fields of `Timing`.

    One of `KINDS` there replaces the other two. `settings` and `conditions` replace the old ones as a whole.
    """

    name: str | None = None
    timing: dict[str, Any] = field(default_factory=dict)
    settings: ActionSettings | None = None
    conditions: Conditions | None = None
    budget: bool = False
    budget_usd: Decimal | None = None
    paused: bool | None = None
    prompt_id: UUID | None = None
    action: Action | None = None
    if_match: int | None = None


async def update_schedule(
    session: AsyncSession, schedule_id: UUID, update: ScheduleUpdate, principal: Principal, settings: Settings
) -> Schedule:
    """Change a schedule; where nothing differs, nothing happens.

    Raises PRECONDITION_FAILED when `if_match` names another revision, INVALID naming the field, FORBIDDEN for a budget,
    CONFLICT for taking up a schedule whose prompt was deleted.
    """
    schedule = await get_schedule(session, schedule_id, for_update=True)
    if update.if_match is not None and update.if_match != schedule.revision:
        raise RedraftError(
            Kind.PRECONDITION_FAILED,
            "SCHEDULE_CHANGED",
            f"If-Match: the schedule is at revision {schedule.revision} now; read it again",
            details={"revision": schedule.revision},
        )
    _refuse_other_identity(schedule, update)
    new = await _new_values(session, schedule, update, settings)
    if update.budget:
        check_budget_right(principal.scope, schedule.budget_usd, update.budget_usd)
        new["budget_usd"] = update.budget_usd
    if update.paused is not None:
        if not update.paused:
            await _refuse_without_prompt(session, schedule)
        new |= {"paused": update.paused, "pause_note": schedule.pause_note if update.paused else ""}
    differs = {name for name, value in new.items() if getattr(schedule, name) != value} - {"pause_note"}
    topic = "schedule.updated"
    if differs == {"paused"}:
        topic = "schedule.paused" if update.paused else "schedule.resumed"
    await revise(session, schedule, topic, principal.actor, new)
    return schedule


def _refuse_other_identity(schedule: Schedule, update: ScheduleUpdate) -> None:
    if update.prompt_id not in (None, schedule.prompt_id):
        raise invalid("promptId", "a schedule keeps its prompt; make another schedule")
    if update.action not in (None, schedule.action):
        raise invalid("action", f"a schedule keeps its action, {schedule.action}; make another schedule")


async def _new_values(
    session: AsyncSession, schedule: Schedule, update: ScheduleUpdate, settings: Settings
) -> dict[str, Any]:
    new: dict[str, Any] = {} if update.name is None else {"name": update.name}
    action: Action = schedule.action  # type: ignore[assignment]  # a check constraint says so
    if update.timing:
        timing = _merged(timing_of(schedule), update.timing)
        check_timing(timing, settings.schedule_min_interval_s)
        new["timing"] = timing.model_dump(mode="json")
    if update.settings is not None:
        await check_settings(session, action, update.settings)
        new["settings"] = _stored_settings(action, update.settings)
    if update.conditions is not None:
        check_conditions(action, update.conditions)
        new["conditions"] = update.conditions.model_dump(mode="json")
    return new


def _merged(timing: Timing, given: dict[str, Any]) -> Timing:
    """Return the timing with the fields given; another kind replaces the kind, an interval drops the time zone."""
    old: dict[str, Any] = timing.model_dump()
    if KINDS & given.keys():
        old = {name: value for name, value in old.items() if name not in KINDS}
    if given.get("interval") is not None:
        old.pop("time_zone")
    return Timing.model_validate({**old, **given})


async def pause_schedule(session: AsyncSession, schedule_id: UUID, note: str, actor: str) -> Schedule:
    """Pause a schedule, with a reason for whoever looks at it; backfills under way stop.

    Raises NOT_FOUND, INVALID for a note that is too long.
    """
    if len(note) > GREATEST_NOTE:
        raise invalid("note", f"has {len(note):,} characters; at most {GREATEST_NOTE} are kept")
    schedule = await get_schedule(session, schedule_id, for_update=True)
    await revise(session, schedule, "schedule.paused", actor, {"paused": True, "pause_note": note})
    return schedule


async def resume_schedule(session: AsyncSession, schedule_id: UUID, actor: str) -> Schedule:
    """Take up a paused schedule. Raises CONFLICT when its prompt was deleted."""
    schedule = await get_schedule(session, schedule_id, for_update=True)
    await _refuse_without_prompt(session, schedule)
    await revise(session, schedule, "schedule.resumed", actor, {"paused": False, "pause_note": ""})
    return schedule


async def delete_schedule(session: AsyncSession, schedule_id: UUID, actor: str) -> Schedule:
    """Delete a schedule softly; its runs and what they started stay."""
    schedule = await get_schedule(session, schedule_id, for_update=True)
    await revise(session, schedule, "schedule.deleted", actor, {"deleted_at": now()})
    return schedule


async def refuse_deleted_prompt(session: AsyncSession, schedule_id: UUID) -> Schedule:
    """Return the schedule, locked, if its prompt is there. Raises NOT_FOUND, CONFLICT."""
    schedule = await get_schedule(session, schedule_id, for_update=True)
    await _refuse_without_prompt(session, schedule)
    return schedule


async def _refuse_without_prompt(session: AsyncSession, schedule: Schedule) -> None:
    prompt = await session.get_one(Prompt, schedule.prompt_id)
    if prompt.deleted_at is not None:
        raise conflict("STATE_INVALID", f"{PROMPT_DELETED}; its schedules stay paused")
