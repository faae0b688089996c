"""Temporal's schedules, as calls: what is asked of the server, and nothing decided."""

from __future__ import annotations

from datetime import datetime
from uuid import UUID

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
from temporalio.converter import DataConverter
from temporalio.service import RPCError, RPCStatusCode

from redraft.settings import Settings
from redraft.store.ids import new_id
from redraft.store.tables import Schedule
from runtime.schedule_protos import (
    SKIP,
    desired,
    moment,
    schedule_of,
    search_attributes,
    temporal_id,
    timestamp,
)
from workflows.queues import workflow_queue


class TemporalSchedules:
    """The schedules of one namespace. Every method raises RPCError when Temporal is away."""

    def __init__(self, client: Client, settings: Settings) -> None:
        self.client = client
        self._queue = settings.task_queue

    @property
    def converter(self) -> DataConverter:
        """How payloads are written."""
        return self.client.data_converter

    async def ids(self) -> set[UUID]:
        """Return the schedules that look like ours, as far as the search index knows yet."""
        found = [schedule_of(entry.id) async for entry in await self.client.list_schedules()]
        return {schedule_id for schedule_id in found if schedule_id is not None}

    def is_ours(self, described: DescribeScheduleResponse) -> bool:
        """Return whether a schedule starts work on our queue: another installation may share the namespace."""
        return described.schedule.action.start_workflow.task_queue.name == workflow_queue(self._queue)

    async def describe(self, schedule_id: UUID) -> DescribeScheduleResponse | None:
        """Return a schedule as Temporal has it, None when it has none. Raises RPCError."""
        request = DescribeScheduleRequest(namespace=self.client.namespace, schedule_id=temporal_id(schedule_id))
        try:
            return await self.client.workflow_service.describe_schedule(request, retry=True)
        except RPCError as error:
            if error.status == RPCStatusCode.NOT_FOUND:
                return None
            raise

    async def create(self, row: Schedule) -> None:
        """Create the schedule of a row, unless there is one. Raises RPCError, INVALID_ARGUMENT for a refusal."""
        request = CreateScheduleRequest(
            namespace=self.client.namespace,
            schedule_id=temporal_id(row.id),
            schedule=await desired(row, self.converter, self._queue),
            search_attributes=search_attributes(row),
            identity=self.client.identity,
            request_id=str(new_id()),
        )
        try:
            await self.client.workflow_service.create_schedule(request, retry=True)
        except RPCError as error:
            if error.status != RPCStatusCode.ALREADY_EXISTS:
                raise

    async def update(self, row: Schedule, described: DescribeScheduleResponse) -> None:
        """Write a schedule as its row says, unless it has changed since it was described, which nobody tells.

        Raises RPCError, INVALID_ARGUMENT for a refusal.
        """
        request = UpdateScheduleRequest(
            namespace=self.client.namespace,
            schedule_id=temporal_id(row.id),
            schedule=await desired(row, self.converter, self._queue),
            conflict_token=described.conflict_token,
            search_attributes=search_attributes(row),
            identity=self.client.identity,
            request_id=str(new_id()),
        )
        try:
            await self.client.workflow_service.update_schedule(request, retry=True)
        except RPCError as error:
            if error.status not in {RPCStatusCode.NOT_FOUND, RPCStatusCode.FAILED_PRECONDITION}:
                raise

    async def delete(self, schedule_id: UUID) -> None:
        """Delete a schedule, if it is there."""
        request = DeleteScheduleRequest(
            namespace=self.client.namespace, schedule_id=temporal_id(schedule_id), identity=self.client.identity
        )
        try:
            await self.client.workflow_service.delete_schedule(request, retry=True)
        except RPCError as error:
            if error.status != RPCStatusCode.NOT_FOUND:
                raise

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
            namespace=self.client.namespace,
            schedule_id=temporal_id(schedule_id),
            patch=patch,
            identity=self.client.identity,
            request_id=str(request_id),
        )
        await self.client.workflow_service.patch_schedule(request, retry=True)

    async def due_between(self, schedule_id: UUID, since: datetime, until: datetime) -> list[datetime]:
        """Return the due times after `since` up to `until`, at most 1,000, as Temporal counts them. Raises RPCError."""
        request = ListScheduleMatchingTimesRequest(
            namespace=self.client.namespace,
            schedule_id=temporal_id(schedule_id),
            start_time=timestamp(since),
            end_time=timestamp(until),
        )
        answer = await self.client.workflow_service.list_schedule_matching_times(request, retry=True)
        return [moment(each) for each in answer.start_time]
