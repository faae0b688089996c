"""A schedule's row as Temporal is told it, and what Temporal has as something to compare with."""

from __future__ import annotations

import json
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any
from uuid import UUID

from google.protobuf.duration_pb2 import Duration
from google.protobuf.timestamp_pb2 import Timestamp
from temporalio.api.common.v1 import Memo, Payload, Payloads, Priority, SearchAttributes, WorkflowType
from temporalio.api.enums.v1 import ScheduleOverlapPolicy
from temporalio.api.schedule.v1 import (
    IntervalSpec,
    Range,
    ScheduleAction,
    SchedulePolicies,
    ScheduleSpec,
    ScheduleState,
    StructuredCalendarSpec,
)
from temporalio.api.schedule.v1 import Schedule as ScheduleProto
from temporalio.api.sdk.v1 import UserMetadata
from temporalio.api.taskqueue.v1 import TaskQueue
from temporalio.api.workflow.v1 import NewWorkflowExecutionInfo
from temporalio.api.workflowservice.v1 import DescribeScheduleResponse
from temporalio.common import SearchAttributeKey, SearchAttributePair, TypedSearchAttributes
from temporalio.converter import DataConverter, encode_search_attributes

from redraft.domain.schedules.cron import Ranges, Times
from redraft.domain.schedules.observing import Observation
from redraft.domain.schedules.records import Timing, timing_of
from redraft.domain.schedules.timing import times_of
from redraft.store.tables import Schedule
from workflows import attributes
from workflows.queues import workflow_queue
from workflows.reoptimize_contracts import MARK, REOPTIMIZE_WORKFLOW, ReoptimizeInput, reoptimize_workflow_id

SKIP = ScheduleOverlapPolicy.SCHEDULE_OVERLAP_POLICY_SKIP


def temporal_id(schedule_id: UUID) -> str:
    """Return the id of a schedule in Temporal."""
    return f"schedule-{schedule_id}"


def schedule_of(temporal_schedule_id: str) -> UUID | None:
    """Return the schedule that a schedule in Temporal is of, None for somebody else's."""
    prefix, _, rest = temporal_schedule_id.partition("schedule-")
    try:
        return None if prefix else UUID(rest)
    except ValueError:
        return None


def timestamp(moment: datetime) -> Timestamp:
    """Return a moment as Temporal takes it."""
    found = Timestamp()
    found.FromDatetime(moment.astimezone(UTC))
    return found


def moment(found: Timestamp) -> datetime:
    """Return a moment that Temporal told."""
    return found.ToDatetime(tzinfo=UTC)


@dataclass(frozen=True, slots=True)
class Mark:
    """What was last applied."""

    revision: int
    paused: bool


async def desired(schedule: Schedule, converter: DataConverter, task_queue: str) -> ScheduleProto:
    """Return the schedule that Temporal should have. `task_queue`: the prefix of the queues."""
    return ScheduleProto(
        spec=_spec(timing_of(schedule)),
        action=ScheduleAction(start_workflow=await _action(schedule, converter, workflow_queue(task_queue))),
        policies=SchedulePolicies(
            overlap_policy=SKIP, catchup_window=Duration(seconds=timing_of(schedule).catchup_window_s)
        ),
        state=ScheduleState(notes=schedule.pause_note, paused=schedule.paused),
    )


def search_attributes(schedule: Schedule) -> SearchAttributes:
    """Return what a schedule can be found by in the Web UI."""
    return _encoded((attributes.CUSTOMER, str(schedule.customer_id)), (attributes.PROMPT, str(schedule.prompt_id)))


def _encoded(*values: tuple[SearchAttributeKey[str], str]) -> SearchAttributes:
    encoded = SearchAttributes()
    encode_search_attributes(TypedSearchAttributes([SearchAttributePair(key, value) for key, value in values]), encoded)
    return encoded


def _spec(timing: Timing) -> ScheduleSpec:
    spec = ScheduleSpec(structured_calendar=[_calendar(times) for times in times_of(timing)])
    if timing.interval is not None:
        every, offset = Duration(seconds=timing.interval.every_s), Duration(seconds=timing.interval.offset_s)
        spec.interval.append(IntervalSpec(interval=every, phase=offset if timing.interval.offset_s else None))
    elif timing.time_zone != "UTC":
        spec.timezone_name = timing.time_zone
    if timing.jitter_s:
        spec.jitter.CopyFrom(Duration(seconds=timing.jitter_s))
    return spec


def _calendar(times: Times) -> StructuredCalendarSpec:
    return StructuredCalendarSpec(
        second=[Range(start=0, end=0, step=1)],
        minute=_ranges(times.minute),
        hour=_ranges(times.hour),
        day_of_month=_ranges(times.day_of_month),
        month=_ranges(times.month),
        year=_ranges(times.year),
        day_of_week=_ranges(times.day_of_week),
    )


def _ranges(ranges: Ranges) -> list[Range]:
    return [Range(start=part.start, end=part.end, step=part.step) for part in ranges]


async def _action(schedule: Schedule, converter: DataConverter, queue: str) -> NewWorkflowExecutionInfo:
    argument = ReoptimizeInput(customer_id=schedule.customer_id, schedule_id=schedule.id)
    mark = {"revision": schedule.revision, "paused": schedule.paused}
    summary = f"Look at prompt {schedule.prompt_id}: {schedule.action}"
    told, marked, summed = await converter.encode([argument, mark, summary])
    return NewWorkflowExecutionInfo(
        workflow_id=reoptimize_workflow_id(schedule.id),
        workflow_type=WorkflowType(name=REOPTIMIZE_WORKFLOW),
        task_queue=TaskQueue(name=queue),
        input=Payloads(payloads=[told]),
        memo=Memo(fields={MARK: marked}),
        search_attributes=_encoded(
            (attributes.CUSTOMER, str(schedule.customer_id)),
            (attributes.PROMPT, str(schedule.prompt_id)),
            (attributes.STATUS, "progressing"),
        ),
        user_metadata=UserMetadata(summary=summed),
        priority=Priority(fairness_key=str(schedule.customer_id)),
    )


async def essence(schedule: ScheduleProto, converter: DataConverter) -> tuple[Any, ...]:
    """Return what makes a schedule do what it does, comparable: its times, its policies, what it starts.

    Not its paused state and note, which people set in the Web UI. Of what is encrypted the text counts, and the key: so
    with a new key it is written anew while the old one is still known.
    """
    start = schedule.action.start_workflow
    return (
        schedule.spec.SerializeToString(deterministic=True),
        schedule.policies.SerializeToString(deterministic=True),
        schedule.state.limited_actions,
        start.workflow_id,
        start.workflow_type.name,
        start.task_queue.name,
        await _plain(start.input.payloads, converter),
        [dict(payload.metadata) for payload in start.input.payloads],
        {name: payload.data for name, payload in start.search_attributes.indexed_fields.items()},
        start.priority.fairness_key,
        [start.HasField(name) for name in ("retry_policy", "workflow_run_timeout", "workflow_execution_timeout")],
    )


async def mark_of(schedule: ScheduleProto, converter: DataConverter) -> Mark | None:
    """Return which revision a schedule in Temporal is of; None when somebody made it anew by hand."""
    payload = schedule.action.start_workflow.memo.fields.get(MARK)
    if payload is None:
        return None
    plain = await _plain([payload], converter)
    try:
        value = json.loads(plain[0])
        return Mark(int(value["revision"]), bool(value["paused"]))
    except (IndexError, KeyError, TypeError, ValueError):
        return None


async def _plain(payloads: Any, converter: DataConverter) -> tuple[bytes, ...]:
    """Return payloads as their bytes, decrypted; none when their key is gone."""
    found: list[Payload] = list(payloads)
    if converter.payload_codec is not None:
        try:
            found = await converter.payload_codec.decode(found)
        except Exception:  # whatever a codec says of what it can't read: it has to be written anew
            return ()
    return tuple(payload.data for payload in found)


def observation(described: DescribeScheduleResponse) -> Observation:
    """Return what Temporal says of a schedule."""
    info = described.info
    return Observation(
        since=moment(info.create_time),
        due=[moment(each) for each in info.future_action_times],
        overlapped=info.overlap_skipped,
        missed=info.missed_catchup_window,
    )
