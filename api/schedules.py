"""What is done with schedules beside their rows: for the API and for the console alike."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import datetime, timedelta
from uuid import UUID

import structlog
from temporalio.service import RPCError

from api.state import AppState
from api.temporal import Unavailable
from redraft.domain.access import Principal
from redraft.domain.errors import conflict
from redraft.domain.schedules.asking import Ask, check_number, check_window, record_ask, was_asked
from redraft.domain.schedules.changes import refuse_deleted_prompt
from redraft.domain.schedules.reading import get_schedule, last_runs
from redraft.store.tables import Schedule, ScheduleRun
from runtime.schedules import Scheduler, Unsettled

QUICKLY_S = 2.0
"""How long a change waits for Temporal; the relay sees to the rest."""
_TROUBLE = (RPCError, Unsettled, TimeoutError, RuntimeError)
log = structlog.get_logger("redraft.api")


def scheduler(state: AppState) -> Scheduler:
    """Return the way to Temporal's schedules."""
    return Scheduler(state.temporal.client, state.db, state.settings)


async def apply_quickly(state: AppState, principal: Principal, schedule_id: UUID) -> None:
    """Have Temporal follow a change at once, if it answers at once; what is left over the relay does."""
    try:
        async with asyncio.timeout(QUICKLY_S):
            await scheduler(state).settle(principal.customer_id, schedule_id)
    except _TROUBLE as error:
        log.warning("schedule_not_applied_yet", schedule_id=str(schedule_id), reason=str(error))


async def read_schedule(
    state: AppState, principal: Principal, schedule_id: UUID
) -> tuple[Schedule, ScheduleRun | None]:
    """Return a schedule and its newest run. Raises NOT_FOUND."""
    async with state.db.tenant(principal.customer_id) as session:
        schedule = await get_schedule(session, schedule_id)
        return schedule, (await last_runs(session, [schedule_id])).get(schedule_id)


async def trigger_schedule(state: AppState, principal: Principal, schedule_id: UUID, ask_id: UUID) -> None:
    """Run a schedule once, now, paused or not. Raises NOT_FOUND, CONFLICT while a run is going on, UNAVAILABLE."""
    async with state.db.tenant(principal.customer_id) as session:
        again = was_asked(await refuse_deleted_prompt(session, schedule_id), ask_id)
    await _applied(state, principal, schedule_id)
    if not again:  # else the run that goes on may be the one asked for; Temporal knows the request by its id
        await _refuse_while_running(state, schedule_id)
    async with state.db.tenant(principal.customer_id) as session:
        schedule = await refuse_deleted_prompt(session, schedule_id)
        at = await record_ask(session, schedule, Ask(ask_id, "manual", principal.actor))
    async with _bounded(state):
        await scheduler(state).temporal.trigger(schedule_id, at, ask_id)


async def backfill_schedule(
    state: AppState, principal: Principal, schedule_id: UUID, since: datetime, until: datetime, ask_id: UUID
) -> list[datetime]:
    """Run the due times of a window of the past, one after the other, and return them.

    Raises NOT_FOUND, INVALID for a window that is no past, too long, or has no or too many due times, CONFLICT when the
    prompt was deleted, UNAVAILABLE.
    """
    async with state.db.tenant(principal.customer_id) as session:
        await refuse_deleted_prompt(session, schedule_id)
    check_window(since, until)
    await _applied(state, principal, schedule_id)
    async with _bounded(state):
        # Temporal backfills from the first moment on, and tells due times from after it.
        due = await scheduler(state).temporal.due_between(schedule_id, since - timedelta(milliseconds=1), until)
    check_number(due)
    async with state.db.tenant(principal.customer_id) as session:
        schedule = await refuse_deleted_prompt(session, schedule_id)
        await record_ask(session, schedule, Ask(ask_id, "backfill", principal.actor, since, until, len(due)))
    async with _bounded(state):
        await scheduler(state).temporal.backfill(schedule_id, since, until, ask_id)
    return due


async def _applied(state: AppState, principal: Principal, schedule_id: UUID) -> None:
    """See that Temporal has the schedule as the row says. Raises UNAVAILABLE, CONFLICT when it refused it."""
    async with _bounded(state):
        await scheduler(state).settle(principal.customer_id, schedule_id)
    schedule, _ = await read_schedule(state, principal, schedule_id)
    if schedule.problem:
        raise conflict("STATE_INVALID", f"Temporal refused this schedule: {schedule.problem}")


async def _refuse_while_running(state: AppState, schedule_id: UUID) -> None:
    async with _bounded(state):
        described = await scheduler(state).temporal.describe(schedule_id)
    if described is not None and described.info.running_workflows:
        raise conflict("STATE_INVALID", "a run of this schedule is going on; there is never more than one at a time")


@asynccontextmanager
async def _bounded(state: AppState) -> AsyncIterator[None]:
    """Ask Temporal, for so long. Raises UNAVAILABLE."""
    try:
        async with asyncio.timeout(state.settings.temporal_timeout_s):
            yield
    except (RPCError, Unsettled, TimeoutError) as error:
        raise Unavailable from error
