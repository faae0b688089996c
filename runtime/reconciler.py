"""The reconciler: a record in progress or waiting has a running workflow, and each schedule is as its row says."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from datetime import timedelta
from uuid import UUID

import structlog
from sqlalchemy import delete, or_, text, update
from sqlmodel import col, select
from sqlmodel.ext.asyncio.session import AsyncSession
from temporalio.client import Client, WorkflowExecutionStatus
from temporalio.service import RPCError, RPCStatusCode

from redraft.domain.optimizations import open_records
from redraft.domain.proposals import OPEN_STATES
from redraft.domain.schedules.run_state import settle_lost
from redraft.domain.webhooks.deliveries import pending_deliveries
from redraft.store.database import Database, run_sql
from redraft.store.ids import ZERO_ID
from redraft.store.tables import (
    Audit,
    IdempotencyKey,
    ModelCall,
    Optimization,
    OutboxEvent,
    Proposal,
    RateWindow,
    ScheduleRun,
    Watch,
)
from redraft.store.tables.base import now
from runtime.client import register_search_attributes
from runtime.schedules import Scheduler
from runtime.starts import Starter
from workflows.ids import (
    audit_workflow_id,
    optimization_workflow_id,
    proposal_workflow_id,
    watch_workflow_id,
    webhook_workflow_id,
)

GRACE = timedelta(seconds=10)  # a record this young may just be starting its workflow
LOST_CALL_AFTER = timedelta(hours=1)
ANSWERS_KEPT = timedelta(hours=24)
IDEMPOTENCY_KEPT = timedelta(hours=24)
RATE_WINDOWS_KEPT = timedelta(minutes=5)
ERRANDS_KEPT = timedelta(days=7)
LEADER_LOCK = 7213450882
_LEAD = text("select pg_try_advisory_xact_lock(:key)")
log = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True)
class OpenRecord:
    """A record that should have a running workflow; `prompt_id` is zero for what belongs to no prompt."""

    customer_id: UUID
    id: UUID
    prompt_id: UUID = ZERO_ID


class Reconciler:
    """One pass at a time over all workers: whoever holds the advisory lock does it."""

    def __init__(self, db: Database, starter: Starter, interval_s: float) -> None:
        self._db = db
        self._starter = starter
        self._scheduler = Scheduler(starter.client, db, starter.settings)
        self._interval_s = interval_s

    @property
    def _client(self) -> Client:
        return self._starter.client

    async def run(self) -> None:
        """Reconcile until cancelled; trouble is logged and tried again."""
        while True:
            try:
                await self.reconcile()
            except Exception:
                log.exception("reconcile_failed")
            await asyncio.sleep(self._interval_s)

    async def reconcile(self) -> int:
        """Make one pass unless another worker does; return how many workflows were brought back."""
        async with self._db.system() as session:
            leader = await run_sql(session, _LEAD, key=LEADER_LOCK)
            if not leader.scalar_one():
                return 0
            proposals, audits = await _open_proposals(session), await _open_audits(session)
            optimizations, watches = await _open_optimizations(session), await _open_watches(session)
            runs = await _open_runs(session)
            deliveries = [OpenRecord(*row) for row in await pending_deliveries(session, now() - GRACE)]
            await _clean(session)
        brought_back = await self._restart_lost("ProposalWorkflow", proposals, proposal_workflow_id, self._proposal)
        brought_back += await self._restart_lost("AuditWorkflow", audits, audit_workflow_id, self._audit)
        brought_back += await self._restart_lost(
            "OptimizationWorkflow", optimizations, optimization_workflow_id, self._optimization
        )
        brought_back += await self._restart_lost("WatchWorkflow", watches, watch_workflow_id, self._watch)
        brought_back += await self._restart_lost(
            "WebhookDeliveryWorkflow", deliveries, webhook_workflow_id, self._delivery
        )
        await self._settle_lost(runs)
        await self._scheduler.reconcile()
        return brought_back

    async def _proposal(self, record: OpenRecord) -> None:
        await self._starter.resume_proposal(record.customer_id, record.id, record.prompt_id)

    async def _optimization(self, record: OpenRecord) -> None:
        await self._starter.resume_optimization(record.customer_id, record.id, record.prompt_id)

    async def _watch(self, record: OpenRecord) -> None:
        await self._starter.start_watch(record.customer_id, record.id, record.prompt_id)

    async def _delivery(self, record: OpenRecord) -> None:
        await self._starter.deliver_webhook(record.customer_id, record.id)

    async def _audit(self, record: OpenRecord) -> None:
        await self._starter.start_audit(record.customer_id, record.id, record.prompt_id)

    async def _restart_lost(
        self,
        workflow_type: str,
        records: list[OpenRecord],
        workflow_id: Callable[[UUID], str],
        restart: Callable[[OpenRecord], Awaitable[None]],
    ) -> int:
        if not records:
            return 0
        running = await self._running(workflow_type)
        lost = [r for r in records if workflow_id(r.id) not in running and not await self._runs(workflow_id(r.id))]
        if lost:  # a Temporal that has forgotten workflows may have forgotten these too
            await register_search_attributes(self._client)
        for record in lost:
            log.warning("workflow_lost", workflow_id=workflow_id(record.id), customer_id=str(record.customer_id))
            await restart(record)
        return len(lost)

    async def _settle_lost(self, runs: list[ScheduleRun]) -> None:
        """Fail runs of schedules whose workflow is gone: they are over, and the schedule comes again."""
        for run in runs:
            if await self._runs(run.workflow_id):
                continue
            log.warning("workflow_lost", workflow_id=run.workflow_id, customer_id=str(run.customer_id))
            async with self._db.tenant(run.customer_id) as session:
                await settle_lost(session, run.id)

    async def _running(self, workflow_type: str) -> set[str]:
        query = f'WorkflowType = "{workflow_type}" and ExecutionStatus = "Running"'
        return {workflow.id async for workflow in self._client.list_workflows(query, page_size=1000)}

    async def _runs(self, workflow_id: str) -> bool:
        """Ask Temporal itself: its search index, asked before, lags behind."""
        try:
            description = await self._client.get_workflow_handle(workflow_id).describe()
        except RPCError as error:
            if error.status == RPCStatusCode.NOT_FOUND:
                return False
            raise
        return description.status == WorkflowExecutionStatus.RUNNING


async def _open_proposals(session: AsyncSession) -> list[OpenRecord]:
    statement = select(Proposal.customer_id, Proposal.id, Proposal.prompt_id).where(
        col(Proposal.status).in_(OPEN_STATES), col(Proposal.created_at) < now() - GRACE
    )
    return [OpenRecord(*row) for row in await session.exec(statement)]


async def _open_audits(session: AsyncSession) -> list[OpenRecord]:
    statement = select(Audit.customer_id, Audit.id, Audit.prompt_id).where(
        Audit.status == "progressing", col(Audit.deleted_at).is_(None), col(Audit.created_at) < now() - GRACE
    )
    return [OpenRecord(*row) for row in await session.exec(statement)]


async def _open_optimizations(session: AsyncSession) -> list[OpenRecord]:
    statement = select(Optimization.customer_id, Optimization.id, Optimization.prompt_id).where(
        open_records(), col(Optimization.created_at) < now() - GRACE
    )
    return [OpenRecord(*row) for row in await session.exec(statement)]


async def _open_watches(session: AsyncSession) -> list[OpenRecord]:
    statement = select(Watch.customer_id, Watch.id, Watch.prompt_id).where(
        Watch.status == "watching", col(Watch.created_at) < now() - GRACE
    )
    return [OpenRecord(*row) for row in await session.exec(statement)]


async def _open_runs(session: AsyncSession) -> list[ScheduleRun]:
    statement = select(ScheduleRun).where(ScheduleRun.status == "running", col(ScheduleRun.created_at) < now() - GRACE)
    return list(await session.exec(statement))


async def _clean(session: AsyncSession) -> None:
    """Give up calls whose caller died long ago; forget answers nobody needs, errands done, and keys of yesterday."""
    lost = col(ModelCall.created_at) < now() - LOST_CALL_AFTER
    await session.exec(update(ModelCall).where(col(ModelCall.state) == "reserved", lost).values(state="unknown"))
    # A worker that is stopped between booking an answer and storing its draft leaves the answer behind.
    decided = select(Proposal.id).where(Proposal.status != "progressing")
    unneeded = or_(col(ModelCall.created_at) < now() - ANSWERS_KEPT, col(ModelCall.subject_id).in_(decided))
    await session.exec(update(ModelCall).where(col(ModelCall.answer).is_not(None), unneeded).values(answer=None))
    old = col(IdempotencyKey.created_at) < now() - IDEMPOTENCY_KEPT
    await session.exec(delete(IdempotencyKey).where(old))
    await session.exec(delete(OutboxEvent).where(col(OutboxEvent.delivered_at) < now() - ERRANDS_KEPT))
    await session.exec(delete(RateWindow).where(col(RateWindow.window_start) < now() - RATE_WINDOWS_KEPT))
