"""Schedules in Temporal follow their rows, and rows take over what people do to schedules in the Web UI.

Everybody who settles a schedule – API, relay, reconciler, in any number – does the same: look at Temporal, then at the
row, and change the one that is behind. Temporal takes an update only from who has seen its newest state, so of two at
once one is void and looks again: in the end both have the row's highest revision, never a mix of two.
"""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine
from datetime import datetime
from typing import Any
from uuid import UUID

import structlog
from temporalio.api.enums.v1 import ScheduleOverlapPolicy
from temporalio.api.schedule.v1 import BackfillRequest, SchedulePatch, TriggerImmediatelyRequest
from temporalio.api.workflowservice.v1 import (
    CreateScheduleRequest,
    DeleteScheduleRequest,
    DescribeScheduleRequest,
    DescribeScheduleResponse,
    ListScheduleMatchingTimesRequest,
    PatchScheduleRequest,
    UpdateScheduleRequest,
)
from temporalio.client import Client
from temporalio.service import RPCError, RPCStatusCode

from redraft.domain.schedules.changes import raise_revision, take_over_pause
from redraft.domain.schedules.observing import record_applied, record_problem, unsettled
from redraft.settings import Settings
from redraft.store.database import Database
from redraft.store.ids import new_id
from redraft.store.tables import Schedule
from runtime.client import register_search_attributes
from runtime.schedule_protos import (
    SKIP,
    Mark,
    desired,
    essence,
    mark_of,
    moment,
    observation,
    schedule_of,
    search_attributes,
    temporal_id,
    timestamp,
)
from workflows.queues import workflow_queue

ROUNDS = 20
SIDE_BY_SIDE = 10
log = structlog.get_logger(__name__)


class Unsettled(Exception):
    """A schedule changed on either side each time it was looked at; the reconciler tries again."""


class Scheduler:
    """Keeps schedules in Temporal and their rows the same."""

    def __init__(self, client: Client, db: Database, settings: Settings) -> None:
        self._client = client
        self._db = db
        self._settings = settings

    # ------------------------------------------------------------------------------------------ settling

    async def settle(self, customer_id: UUID, schedule_id: UUID) -> None:
        """Bring a schedule and its row together, whichever is behind. Raises RPCError, Unsettled."""
        for _ in range(ROUNDS):
            if await self._settled(customer_id, schedule_id):
                return
        raise Unsettled(str(schedule_id))

    async def _settled(self, customer_id: UUID, schedule_id: UUID) -> bool:
        """Look once, change at most one thing, and return whether nothing was to be changed."""
        described = await self.describe(schedule_id)  # first: then a row that is behind was never that far
        row = await self._row(customer_id, schedule_id)
        if row is None or row.deleted_at is not None:
            return await self._gone(customer_id, row, described, schedule_id)
        if described is None:
            return not await self._create(row)
        mark = await mark_of(described.schedule, self._client.data_converter)
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
            return not await self._update(row, described)
        seen = observation(described)
        if row.applied_revision < row.revision or row.problem or row.observed != seen.stored():
            async with self._db.tenant(customer_id) as session:
                await record_applied(session, schedule_id, row.revision, seen)
        return True

    async def _gone(
        self, customer_id: UUID, row: Schedule | None, described: DescribeScheduleResponse | None, schedule_id: UUID
    ) -> bool:
        if described is not None and self._ours(described):
            await self._delete(schedule_id)
            return False
        if row is not None and row.applied_revision < row.revision:
            async with self._db.tenant(customer_id) as session:
                await record_applied(session, schedule_id, row.revision)
        return True

    async def _as_desired(self, row: Schedule, described: DescribeScheduleResponse) -> bool:
        converter = self._client.data_converter
        wanted = await desired(row, converter, self._settings.task_queue)
        same = await essence(wanted, converter) == await essence(described.schedule, converter)
        return same and wanted.state.paused == described.schedule.state.paused

    async def _row(self, customer_id: UUID, schedule_id: UUID) -> Schedule | None:
        async with self._db.tenant(customer_id) as session:
            return await session.get(Schedule, schedule_id)

    # ------------------------------------------------------------------------------------------ Temporal

    async def describe(self, schedule_id: UUID) -> DescribeScheduleResponse | None:
        """Return a schedule as Temporal has it, None when it has none. Raises RPCError."""
        request = DescribeScheduleRequest(namespace=self._client.namespace, schedule_id=temporal_id(schedule_id))
        try:
            return await self._client.workflow_service.describe_schedule(request, retry=True)
        except RPCError as error:
            if error.status == RPCStatusCode.NOT_FOUND:
                return None
            raise

    async def _create(self, row: Schedule) -> bool:
        """Create a schedule and return whether that may have worked; a refusal is kept with the row."""
        request = CreateScheduleRequest(
            namespace=self._client.namespace,
            schedule_id=temporal_id(row.id),
            schedule=await desired(row, self._client.data_converter, self._settings.task_queue),
            search_attributes=search_attributes(row),
            identity=self._client.identity,
            request_id=str(new_id()),
        )
        try:
            await self._client.workflow_service.create_schedule(request, retry=True)
        except RPCError as error:
            if error.status == RPCStatusCode.ALREADY_EXISTS:
                return True
            return await self._refused(row, error)
        return True

    async def _update(self, row: Schedule, described: DescribeScheduleResponse) -> bool:
        """Update a schedule, unless it has changed since it was described; a refusal is kept with the row."""
        request = UpdateScheduleRequest(
            namespace=self._client.namespace,
            schedule_id=temporal_id(row.id),
            schedule=await desired(row, self._client.data_converter, self._settings.task_queue),
            conflict_token=described.conflict_token,
            search_attributes=search_attributes(row),
            identity=self._client.identity,
            request_id=str(new_id()),
        )
        try:
            await self._client.workflow_service.update_schedule(request, retry=True)
        except RPCError as error:
            if error.status in {RPCStatusCode.NOT_FOUND, RPCStatusCode.FAILED_PRECONDITION}:
                return True
            return await self._refused(row, error)
        return True

    async def _refused(self, row: Schedule, error: RPCError) -> bool:
        if error.status != RPCStatusCode.INVALID_ARGUMENT:
            raise error
        if "search attribute" in error.message.lower():  # a Temporal that has forgotten everything
            if await register_search_attributes(self._client):
                return True
            raise error
        log.error("schedule_refused", schedule_id=str(row.id), reason=error.message)
        async with self._db.tenant(row.customer_id) as session:
            await record_problem(session, row.id, row.revision, error.message)
        return False

    async def _delete(self, schedule_id: UUID) -> None:
        request = DeleteScheduleRequest(
            namespace=self._client.namespace, schedule_id=temporal_id(schedule_id), identity=self._client.identity
        )
        try:
            await self._client.workflow_service.delete_schedule(request, retry=True)
        except RPCError as error:
            if error.status != RPCStatusCode.NOT_FOUND:
                raise

    def _ours(self, described: DescribeScheduleResponse) -> bool:
        """Return whether a schedule starts work on our queue: another installation may share the namespace."""
        queue = described.schedule.action.start_workflow.task_queue.name
        return queue == workflow_queue(self._settings.task_queue)

    # ------------------------------------------------------------------------------------------ runs out of turn

    async def trigger(self, schedule_id: UUID, at: datetime, request_id: UUID) -> None:
        """Start a run now, unless one is going on; `at` is the time it is due at. Raises RPCError."""
        trigger = TriggerImmediatelyRequest(overlap_policy=SKIP, scheduled_time=timestamp(at))
        await self._patch(schedule_id, SchedulePatch(trigger_immediately=trigger), request_id)

    async def backfill(self, schedule_id: UUID, since: datetime, until: datetime, request_id: UUID) -> None:
        """Start a run for each due time of the past between two moments, one after the other. Raises RPCError."""
        buffer_all = ScheduleOverlapPolicy.SCHEDULE_OVERLAP_POLICY_BUFFER_ALL
        window = BackfillRequest(start_time=timestamp(since), end_time=timestamp(until), overlap_policy=buffer_all)
        await self._patch(schedule_id, SchedulePatch(backfill_request=[window]), request_id)

    async def _patch(self, schedule_id: UUID, patch: SchedulePatch, request_id: UUID) -> None:
        request = PatchScheduleRequest(
            namespace=self._client.namespace,
            schedule_id=temporal_id(schedule_id),
            patch=patch,
            identity=self._client.identity,
            request_id=str(request_id),
        )
        await self._client.workflow_service.patch_schedule(request, retry=True)

    async def due_between(self, schedule_id: UUID, since: datetime, until: datetime) -> list[datetime]:
        """Return the due times after `since` up to `until`, at most 1,000, as Temporal counts them. Raises RPCError."""
        request = ListScheduleMatchingTimesRequest(
            namespace=self._client.namespace,
            schedule_id=temporal_id(schedule_id),
            start_time=timestamp(since),
            end_time=timestamp(until),
        )
        answer = await self._client.workflow_service.list_schedule_matching_times(request, retry=True)
        return [moment(each) for each in answer.start_time]

    # ------------------------------------------------------------------------------------------ reconciling

    async def reconcile(self) -> None:
        """Settle every schedule, and delete those in Temporal whose row is gone. What fails is tried next time."""
        # Temporal first: a schedule that is there by then has a row, committed before it was made.
        there = await self._in_temporal()
        async with self._db.system() as session:
            rows = await unsettled(session)
        gate = asyncio.Semaphore(SIDE_BY_SIDE)
        await asyncio.gather(
            *(
                self._quietly(gate, schedule_id, self.settle(customer_id, schedule_id))
                for customer_id, schedule_id in rows
            ),
            *(self._quietly(gate, each, self._delete_orphan(each)) for each in there - {found for _, found in rows}),
        )

    async def _in_temporal(self) -> set[UUID]:
        found = [schedule_of(entry.id) async for entry in await self._client.list_schedules()]
        return {schedule_id for schedule_id in found if schedule_id is not None}

    async def _delete_orphan(self, schedule_id: UUID) -> None:
        described = await self.describe(schedule_id)
        if described is not None and self._ours(described):
            log.warning("schedule_without_row", schedule_id=str(schedule_id))
            await self._delete(schedule_id)

    async def _quietly(self, gate: asyncio.Semaphore, schedule_id: UUID, work: Coroutine[Any, Any, None]) -> None:
        async with gate:
            try:
                await work
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
