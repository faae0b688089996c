"""The reconciler: a record in progress or waiting has a running workflow, and each schedule is as its row says."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import timedelta
from typing import TypeVar
from uuid import UUID

import structlog
from sqlalchemy import delete, or_, text, update
from sqlmodel import col, select
from sqlmodel.ext.asyncio.session import AsyncSession
from temporalio.client import Client, WorkflowExecutionStatus
from temporalio.service import RPCError, RPCStatusCode

from redraft.domain.schedules.run_state import settle_lost
from redraft.store.database import Database
from redraft.store.ids import ZERO_ID
from redraft.store.tables import IdempotencyKey, ModelCall, OutboxEvent, Proposal, RateWindow
from redraft.store.tables.base import now
from runtime.client import register_search_attributes
from runtime.open_records import (
    OpenRecord,
    Page,
    open_audits,
    open_deliveries,
    open_optimizations,
    open_proposals,
    open_runs,
    open_watches,
)
from runtime.schedules import Scheduler
from runtime.starts import Starter
from workflows.ids import (
    audit_workflow_id,
    optimization_workflow_id,
    proposal_workflow_id,
    watch_workflow_id,
    webhook_workflow_id,
)

LOST_CALL_AFTER = timedelta(hours=1)
ANSWERS_KEPT = timedelta(hours=24)
IDEMPOTENCY_KEPT = timedelta(hours=24)
RATE_WINDOWS_KEPT = timedelta(minutes=5)
ERRANDS_KEPT = timedelta(days=7)
IDS_PER_QUERY = 100
LEADER_LOCK = 7213450882
_LEAD = text("select pg_try_advisory_lock(:key)")
_RETIRE = text("select pg_advisory_unlock(:key)")
T = TypeVar("T")
log = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True)
class Kind:
    """Records of one kind that have a workflow each."""

    workflow_type: str
    page: Page
    id_of: Callable[[UUID], str]
    restart: Callable[[OpenRecord], Awaitable[None]]


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
        """Make one pass unless another worker does; return how many workflows were brought back.

        What goes wrong with one kind of record, or with one record, is logged and holds up none of the others.
        """
        async with self._leadership() as leading:
            if not leading:
                return 0
            await self._guarded("schedules", self._scheduler.reconcile())
            counts = [await self._guarded(kind.workflow_type, self._restart_lost(kind)) for kind in self._kinds()]
            await self._guarded("schedule runs", self._settle_lost())
            await self._guarded("cleaning", self._clean())
        return sum(count or 0 for count in counts)

    @asynccontextmanager
    async def _leadership(self) -> AsyncIterator[bool]:
        """Whether this worker makes the pass: it holds the lock until the pass is over."""
        async with self._db.engine.connect() as connection:
            await connection.execution_options(isolation_level="AUTOCOMMIT")
            leading: bool = (await connection.execute(_LEAD, {"key": LEADER_LOCK})).scalar_one()
            try:
                yield leading
            finally:
                if leading:
                    await connection.execute(_RETIRE, {"key": LEADER_LOCK})

    async def _guarded(self, stage: str, work: Awaitable[T]) -> T | None:
        try:
            return await work
        except Exception:
            log.exception("reconcile_failed", stage=stage)
            return None

    def _kinds(self) -> list[Kind]:
        return [
            Kind("ProposalWorkflow", open_proposals, proposal_workflow_id, self._proposal),
            Kind("AuditWorkflow", open_audits, audit_workflow_id, self._audit),
            Kind("OptimizationWorkflow", open_optimizations, optimization_workflow_id, self._optimization),
            Kind("WatchWorkflow", open_watches, watch_workflow_id, self._watch),
            Kind("WebhookDeliveryWorkflow", open_deliveries, webhook_workflow_id, self._delivery),
        ]

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

    async def _restart_lost(self, kind: Kind) -> int:
        after, lost = ZERO_ID, 0
        while True:
            async with self._db.system() as session:
                records = await kind.page(session, after)
            if not records:
                return lost
            lost += await self._restart_lost_of(kind, records)
            after = records[-1].id

    async def _restart_lost_of(self, kind: Kind, records: list[OpenRecord]) -> int:
        running = await self._running(kind.workflow_type, [kind.id_of(record.id) for record in records])
        lost = [r for r in records if kind.id_of(r.id) not in running and not await self._runs(kind.id_of(r.id))]
        if lost:  # a Temporal that has forgotten workflows may have forgotten these too
            await register_search_attributes(self._client)
        for record in lost:
            log.warning("workflow_lost", workflow_id=kind.id_of(record.id), customer_id=str(record.customer_id))
            await self._guarded(kind.id_of(record.id), kind.restart(record))
        return len(lost)

    async def _settle_lost(self) -> None:
        """Fail runs of schedules whose workflow is gone: they are over, and the schedule comes again."""
        after = ZERO_ID
        while True:
            async with self._db.system() as session:
                runs = await open_runs(session, after)
            if not runs:
                return
            for customer_id, run_id, workflow_id in runs:
                await self._guarded(workflow_id, self._settle_if_lost(customer_id, run_id, workflow_id))
            after = runs[-1][1]

    async def _settle_if_lost(self, customer_id: UUID, run_id: UUID, workflow_id: str) -> None:
        if await self._runs(workflow_id):
            return
        log.warning("workflow_lost", workflow_id=workflow_id, customer_id=str(customer_id))
        async with self._db.tenant(customer_id) as session:
            await settle_lost(session, run_id)

    async def _clean(self) -> None:
        async with self._db.system() as session:
            await _clean(session)

    async def _running(self, workflow_type: str, ids: list[str]) -> set[str]:
        running: set[str] = set()
        for start in range(0, len(ids), IDS_PER_QUERY):
            names = ", ".join(f'"{each}"' for each in ids[start : start + IDS_PER_QUERY])
            query = f'WorkflowType = "{workflow_type}" and ExecutionStatus = "Running" and WorkflowId in ({names})'
            running.update([workflow.id async for workflow in self._client.list_workflows(query)])
        return running

    async def _runs(self, workflow_id: str) -> bool:
        """Ask Temporal itself: its search index, asked before, lags behind."""
        try:
            description = await self._client.get_workflow_handle(workflow_id).describe()
        except RPCError as error:
            if error.status == RPCStatusCode.NOT_FOUND:
                return False
            raise
        return description.status == WorkflowExecutionStatus.RUNNING


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
