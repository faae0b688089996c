"""Schedules in Temporal follow their rows, and rows take over what people do to schedules in the Web UI.

Everybody who settles a schedule – API, relay, reconciler, in any number – does the same: look at Temporal, then at the
row, and change the one that is behind. Temporal takes an update only from who has seen its newest state, so of two at
once one is void and looks again: in the end both have the row's highest revision, never a mix of two.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from functools import partial
from uuid import UUID

import structlog
from temporalio.api.workflowservice.v1 import DescribeScheduleResponse
from temporalio.client import Client
from temporalio.service import RPCError, RPCStatusCode

from redraft.domain.schedules.observing import record_applied, record_problem, unsettled
from redraft.domain.schedules.revising import raise_revision, take_over_pause
from redraft.settings import Settings
from redraft.store.database import Database
from redraft.store.tables import Schedule
from runtime.client import register_search_attributes
from runtime.schedule_calls import TemporalSchedules
from runtime.schedule_protos import Mark, desired, essence, mark_of, observation

ROUNDS = 20
SIDE_BY_SIDE = 10
log = structlog.get_logger(__name__)


class Unsettled(Exception):
    """A schedule changed on either side each time it was looked at; the reconciler tries again."""


class Scheduler:
    """Keeps schedules in Temporal and their rows the same."""

    def __init__(self, client: Client, db: Database, settings: Settings) -> None:
        self.temporal = TemporalSchedules(client, settings)
        self._db = db
        self._settings = settings

    async def settle(self, customer_id: UUID, schedule_id: UUID) -> None:
        """Bring a schedule and its row together, whichever is behind. Raises RPCError, Unsettled."""
        for _ in range(ROUNDS):
            if await self._settled(customer_id, schedule_id):
                return
        raise Unsettled(str(schedule_id))

    async def _settled(self, customer_id: UUID, schedule_id: UUID) -> bool:
        """Look once, change at most one thing, and return whether there was nothing to be changed."""
        described = await self.temporal.describe(schedule_id)  # first: then a row that is behind was never that far
        row = await self._row(customer_id, schedule_id)
        if row is None or row.deleted_at is not None:
            return await self._gone(schedule_id, row, described)
        if described is None:
            return not await self._written(row, partial(self.temporal.create, row))
        mark = await mark_of(described.schedule, self.temporal.converter)
        if mark is not None and mark.revision > row.revision:
            async with self._db.tenant(customer_id) as session:
                await raise_revision(session, schedule_id, mark.revision)
            return False
        if _paused_by_hand(row, described, mark):
            state = described.schedule.state
            async with self._db.tenant(customer_id) as session:
                await take_over_pause(session, schedule_id, row.revision, state.paused, state.notes)
            return False
        if mark is None or mark.revision < row.revision or not await self._as_desired(row, described):
            return not await self._written(row, partial(self.temporal.update, row, described))
        await self._record(row, described)
        return True

    async def _gone(self, schedule_id: UUID, row: Schedule | None, described: DescribeScheduleResponse | None) -> bool:
        if described is not None and (row is not None or self.temporal.is_ours(described)):
            await self.temporal.delete(schedule_id)
            return False
        if row is not None and row.applied_revision < row.revision:
            async with self._db.tenant(row.customer_id) as session:
                await record_applied(session, schedule_id, row.revision)
        return True

    async def _as_desired(self, row: Schedule, described: DescribeScheduleResponse) -> bool:
        converter = self.temporal.converter
        wanted = await desired(row, converter, self._settings.task_queue)
        same = await essence(wanted, converter) == await essence(described.schedule, converter)
        return same and wanted.state.paused == described.schedule.state.paused

    async def _row(self, customer_id: UUID, schedule_id: UUID) -> Schedule | None:
        async with self._db.tenant(customer_id) as session:
            return await session.get(Schedule, schedule_id)

    async def _record(self, row: Schedule, described: DescribeScheduleResponse) -> None:
        seen = observation(described)
        if row.applied_revision < row.revision or row.problem or row.observed != seen.stored():
            async with self._db.tenant(row.customer_id) as session:
                await record_applied(session, row.id, row.revision, seen)

    async def _written(self, row: Schedule, write: Callable[[], Awaitable[None]]) -> bool:
        """Write to Temporal; return whether that may have worked. A refusal is kept with the row. Raises RPCError."""
        try:
            await write()
        except RPCError as error:
            if error.status != RPCStatusCode.INVALID_ARGUMENT:
                raise
            if "search attribute" in error.message.lower():  # a Temporal that has forgotten everything
                if await register_search_attributes(self.temporal.client):
                    return True
                raise
            log.error("schedule_refused", schedule_id=str(row.id), reason=error.message)
            async with self._db.tenant(row.customer_id) as session:
                await record_problem(session, row.id, row.revision, error.message)
            return False
        return True

    async def reconcile(self) -> None:
        """Settle every schedule, and delete those in Temporal whose row is gone. What fails is tried next time."""
        # Temporal first: a schedule that is there by then has a row, committed before it was made.
        there = await self.temporal.ids()
        async with self._db.system() as session:
            rows = await unsettled(session)
        orphans = there - {schedule_id for _, schedule_id in rows}
        gate = asyncio.Semaphore(SIDE_BY_SIDE)
        await asyncio.gather(
            *(_quietly(gate, schedule_id, partial(self.settle, owner, schedule_id)) for owner, schedule_id in rows),
            *(_quietly(gate, schedule_id, partial(self._delete_orphan, schedule_id)) for schedule_id in orphans),
        )

    async def _delete_orphan(self, schedule_id: UUID) -> None:
        described = await self.temporal.describe(schedule_id)
        if described is not None and self.temporal.is_ours(described):
            log.warning("schedule_without_row", schedule_id=str(schedule_id))
            await self.temporal.delete(schedule_id)


async def _quietly(gate: asyncio.Semaphore, schedule_id: UUID, work: Callable[[], Awaitable[None]]) -> None:
    async with gate:
        try:
            await work()
        except Exception:  # one schedule in trouble must not keep the others from being looked at
            log.exception("schedule_not_settled", schedule_id=str(schedule_id))


def _paused_by_hand(row: Schedule, described: DescribeScheduleResponse, mark: Mark | None) -> bool:
    """Return whether somebody paused or resumed in Temporal, and nobody did in the row, since the two were the same."""
    state = described.schedule.state
    if mark is None:  # made anew by hand: what is paused on either side stays so
        return state.paused and not row.paused
    if row.paused != mark.paused:
        return False
    other_note = state.paused and mark.revision == row.revision and state.notes != row.pause_note
    return state.paused != mark.paused or other_note
