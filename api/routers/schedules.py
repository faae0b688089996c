"""Schedules: when a prompt is looked at again by itself. Temporal follows the rows."""

from __future__ import annotations

from typing import Annotated
from uuid import UUID

from fastapi import Query, Response

from api.conditional import Condition, IfMatch, tag
from api.dependencies import AppState, NewId, Principal, Reader, State, TenantSession, Writer
from api.rendering import tm
from api.routing import Router
from api.schedules import apply_quickly, backfill_schedule, read_schedule, trigger_schedule
from api.schemas.camel import Limit, ListOf, Offset, body_id, path_id
from api.schemas.schedule_answers import Backfilled, ScheduleAnswer, ScheduleRunAnswer
from api.schemas.schedules import ScheduleBackfill, ScheduleCreate, SchedulePatch, SchedulePause
from redraft.domain.schedules.changes import (
    create_schedule,
    delete_schedule,
    pause_schedule,
    resume_schedule,
    update_schedule,
)
from redraft.domain.schedules.reading import get_schedule, last_runs, list_runs, list_schedules
from redraft.domain.schedules.records import RunStatus

router = Router(prefix="/api/v1/schedules", tags=["schedules"])
_NO_REVISION = 0


@router.post("", status_code=201, summary="Create a schedule")
async def create_a_schedule(
    body: ScheduleCreate, principal: Writer, state: State, new_id: NewId, response: Response
) -> ScheduleAnswer:
    """Have a prompt looked at again and again: either by `cron`, `interval` or `calendar`. Runs never overlap."""
    async with state.db.tenant(principal.customer_id) as session:
        await create_schedule(session, body.draft(new_id), principal, state.settings)
    return await _applied(state, principal, new_id, response)


@router.get("", summary="List schedules")
async def list_all_schedules(
    principal: Reader,
    session: TenantSession,
    prompt_id: Annotated[str | None, Query(alias="promptId")] = None,
    paused: Annotated[bool | None, Query()] = None,
    limit: Limit = 20,
    offset: Offset = 0,
) -> ListOf[ScheduleAnswer]:
    """List the schedules, newest first."""
    prompt = None if prompt_id is None else body_id("prompt", "promptId", prompt_id)
    records, total = await list_schedules(session, prompt, paused, limit, offset)
    last = await last_runs(session, [record.id for record in records])
    return ListOf[ScheduleAnswer].build(
        records, total, limit, offset, lambda record: ScheduleAnswer.of(record, last.get(record.id))
    )


@router.get("/{schedule_id}", summary="Read a schedule")
async def read_a_schedule(
    schedule_id: str, principal: Reader, session: TenantSession, response: Response
) -> ScheduleAnswer:
    """Read a schedule with its next due times and its newest run. The ETag is its revision."""
    schedule = await get_schedule(session, _id(schedule_id))
    tag(response, schedule.revision)
    return ScheduleAnswer.of(schedule, (await last_runs(session, [schedule.id])).get(schedule.id))


@router.patch("/{schedule_id}", summary="Change a schedule")
async def change_a_schedule(
    schedule_id: str, body: SchedulePatch, principal: Writer, state: State, response: Response, if_match: IfMatch
) -> ScheduleAnswer:
    """Change the fields given; with If-Match only at the revision named. A budget needs the scope `admin`."""
    identifier = _id(schedule_id)
    async with state.db.tenant(principal.customer_id) as session:
        expected = _expected((await get_schedule(session, identifier)).revision, if_match)
        await update_schedule(session, identifier, body.update(expected), principal, state.settings)
    return await _applied(state, principal, identifier, response)


@router.delete("/{schedule_id}", status_code=204, summary="Delete a schedule")
async def delete_a_schedule(schedule_id: str, principal: Writer, state: State) -> Response:
    """Delete a schedule. Its runs, and what they started, stay."""
    identifier = _id(schedule_id)
    async with state.db.tenant(principal.customer_id) as session:
        await delete_schedule(session, identifier, principal.actor)
    await apply_quickly(state, principal, identifier)
    return Response(status_code=204)


@router.post("/{schedule_id}/pause", summary="Pause a schedule")
async def pause_a_schedule(
    schedule_id: str, principal: Writer, state: State, response: Response, body: SchedulePause | None = None
) -> ScheduleAnswer:
    """Pause a schedule; a run that is going on ends by itself."""
    identifier = _id(schedule_id)
    async with state.db.tenant(principal.customer_id) as session:
        await pause_schedule(session, identifier, body.note if body else "", principal.actor)
    return await _applied(state, principal, identifier, response)


@router.post("/{schedule_id}/resume", summary="Resume a schedule")
async def resume_a_schedule(schedule_id: str, principal: Writer, state: State, response: Response) -> ScheduleAnswer:
    """Take up a paused schedule. Due times that passed meanwhile are not made up for; backfill them."""
    identifier = _id(schedule_id)
    async with state.db.tenant(principal.customer_id) as session:
        await resume_schedule(session, identifier, principal.actor)
    return await _applied(state, principal, identifier, response)


@router.post("/{schedule_id}/trigger", status_code=202, summary="Run a schedule now")
async def trigger_a_schedule(
    schedule_id: str, principal: Writer, state: State, new_id: NewId, response: Response
) -> ScheduleAnswer:
    """Run a schedule once, now, also a paused one; not while a run is going on."""
    identifier = _id(schedule_id)
    await trigger_schedule(state, principal, identifier, new_id)
    return await _answer(state, principal, identifier, response)


@router.post("/{schedule_id}/backfill", status_code=202, summary="Run due times of the past")
async def backfill_a_schedule(
    schedule_id: str, body: ScheduleBackfill, principal: Writer, state: State, new_id: NewId
) -> Backfilled:
    """Run each due time between two moments of the past, one after the other: at most 100, within 366 days."""
    due = await backfill_schedule(state, principal, _id(schedule_id), body.start_at, body.end_at, new_id)
    return Backfilled(due_times=[tm(moment) for moment in due])


@router.get("/{schedule_id}/runs", summary="List a schedule's runs")
async def list_runs_of_a_schedule(
    schedule_id: str,
    principal: Reader,
    session: TenantSession,
    status: Annotated[RunStatus | None, Query()] = None,
    limit: Limit = 20,
    offset: Offset = 0,
) -> ListOf[ScheduleRunAnswer]:
    """List what each due time came to, newest first; one where nothing was started says why."""
    runs, total = await list_runs(session, _id(schedule_id), status, limit, offset)
    return ListOf[ScheduleRunAnswer].build(runs, total, limit, offset, ScheduleRunAnswer.of)


def _id(schedule_id: str) -> UUID:
    return path_id("sched", schedule_id, "schedule")


def _expected(current: int, condition: Condition | None) -> int | None:
    if condition is None:
        return None
    expected = condition.expected(current, otherwise=str(_NO_REVISION))
    return None if expected is None else int(expected)


async def _applied(state: AppState, principal: Principal, schedule_id: UUID, response: Response) -> ScheduleAnswer:
    await apply_quickly(state, principal, schedule_id)
    return await _answer(state, principal, schedule_id, response)


async def _answer(state: AppState, principal: Principal, schedule_id: UUID, response: Response) -> ScheduleAnswer:
    schedule, last = await read_schedule(state, principal, schedule_id)
    tag(response, schedule.revision)
    return ScheduleAnswer.of(schedule, last)
