"""Schedules in a world: made without the API, run without waiting for the clock."""

from __future__ import annotations

from datetime import datetime
from decimal import Decimal
from typing import Any
from uuid import UUID

from sqlmodel import col, select
from temporalio.client import WorkflowHandle
from temporalio.common import SearchAttributeKey, SearchAttributePair, TypedSearchAttributes

from redraft.domain.audits import AuditDraft, create_audit
from redraft.domain.schedules.records import Action, ActionSettings, Conditions
from redraft.domain.traces import TraceDraft, record_trace
from redraft.store.ids import new_id
from redraft.store.tables import Audit, Prompt, Proposal, Schedule, ScheduleRun
from tests.support.worlds import World, evaluation
from workflows.queues import workflow_queue
from workflows.reoptimize import ReoptimizeWorkflow
from workflows.reoptimize_contracts import ReoptimizeInput, RunSummary, reoptimize_workflow_id

DUE_AT = SearchAttributeKey.for_datetime("TemporalScheduledStartTime")
SAID = [
    {"role": "user", "content": "A table for two at eight, please."},
    {"role": "assistant", "content": "Done."},
]


async def make_schedule(
    here: World,
    prompt: Prompt,
    action: Action = "proposal",
    *,
    budget_usd: str | None = None,
    settings: dict[str, Any] | None = None,
    **conditions: Any,
) -> Schedule:
    """Store a schedule of a prompt; what it is due for is up to the test."""
    schedule = Schedule(
        customer_id=here.customer_id,
        prompt_id=prompt.id,
        name="nightly",
        action=action,
        settings=ActionSettings(**(settings or {})).model_dump(mode="json"),
        conditions=Conditions(**conditions).model_dump(mode="json"),
        budget_usd=None if budget_usd is None else Decimal(budget_usd),
        created_by="tester",
    )
    async with here.db.tenant(here.customer_id) as session:
        session.add(schedule)
    return schedule


async def change(here: World, schedule: Schedule, **values: Any) -> None:
    """Change a schedule's row."""
    async with here.db.tenant(here.customer_id) as session:
        row = await session.get_one(Schedule, schedule.id)
        for name, value in values.items():
            setattr(row, name, value)
        session.add(row)


async def begin_due(
    here: World, schedule: Schedule, at: datetime | None = None
) -> WorkflowHandle[ReoptimizeWorkflow, RunSummary]:
    """Let a schedule be due now, as Temporal would (`at`: for that time)."""
    attributes = [] if at is None else [SearchAttributePair(DUE_AT, at)]
    return await here.client.start_workflow(
        ReoptimizeWorkflow.run,
        ReoptimizeInput(customer_id=here.customer_id, schedule_id=schedule.id),
        id=f"{reoptimize_workflow_id(schedule.id)}-{new_id()}",
        task_queue=workflow_queue(here.settings.task_queue),
        search_attributes=TypedSearchAttributes(attributes),
    )


async def due(here: World, schedule: Schedule, at: datetime | None = None) -> RunSummary:
    """As `begin_due`, and wait for the run's end."""
    return await (await begin_due(here, schedule, at)).result()


async def calls(here: World, prompt: Prompt, *successes: bool | None) -> list[UUID]:
    """Record a conversation for each outcome, None for one that is not known; none is audited."""
    recorded = []
    async with here.db.tenant(here.customer_id) as session:
        for success in successes:
            draft = TraceDraft(prompt.id, SAID, success=success)
            recorded.append((await record_trace(session, here.customer_id, draft)).id)
    return recorded


async def judged(here: World, prompt: Prompt, *scores: int) -> list[Audit]:
    """Record a conversation with an audit made elsewhere for each score."""
    audits = []
    for score in scores:
        [trace_id] = await calls(here, prompt, None)
        async with here.db.tenant(here.customer_id) as session:
            draft = AuditDraft(trace_id, evaluation=evaluation(score))
            audits.append(await create_audit(session, here.customer_id, draft))
    return audits


async def runs_of(here: World, schedule: Schedule) -> list[ScheduleRun]:
    """Read the runs of a schedule, oldest first."""
    statement = select(ScheduleRun).where(ScheduleRun.schedule_id == schedule.id)
    async with here.db.tenant(here.customer_id) as session:
        return list(await session.exec(statement.order_by(col(ScheduleRun.created_at), col(ScheduleRun.id))))


async def proposals_of(here: World, prompt: Prompt) -> list[Proposal]:
    """Read the proposals of a prompt."""
    async with here.db.tenant(here.customer_id) as session:
        return list(await session.exec(select(Proposal).where(Proposal.prompt_id == prompt.id)))


async def audits_of(here: World, schedule: Schedule) -> list[Audit]:
    """Read the audits that a schedule had made."""
    async with here.db.tenant(here.customer_id) as session:
        return list(await session.exec(select(Audit).where(Audit.schedule_id == schedule.id)))
