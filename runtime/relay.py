"""The outbox relay: does what an event asks for, after the transaction that wrote it, at least once."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from datetime import timedelta
from uuid import UUID

import psycopg
import structlog
from sqlalchemy import func, update
from sqlmodel import col, or_, select

from redraft.domain import watches
from redraft.domain.optimizations.states import open_on_moved_basis
from redraft.domain.outbox import CHANNEL
from redraft.domain.proposals.states import OPEN_STATES, UNFINISHED_STATES
from redraft.domain.schedules.revising import pause_schedules_of_deleted
from redraft.domain.webhooks.fanout import REQUESTED
from redraft.store.database import Database
from redraft.store.tables import Audit, OutboxEvent, Prompt, Proposal, ProposalAudit, ProposalRun, WebhookDelivery
from redraft.store.tables.base import now
from runtime.schedules import Scheduler
from runtime.starts import Starter

BATCH = 50
LEASE = timedelta(seconds=30)
GREATEST_DELAY_S = 60
log = structlog.get_logger(__name__)


class Relay:
    """Any number of relays may run: each claims events for 30 s, so that none is lost when one of them dies."""

    def __init__(self, db: Database, starter: Starter, interval_s: float) -> None:
        self._db = db
        self._starter = starter
        self._scheduler = Scheduler(starter.client, db, starter.settings)
        self._interval_s = interval_s
        self._handlers: dict[str, Callable[[OutboxEvent], Awaitable[None]]] = {
            "prompt.version_committed": self._prompt_moved,
            "prompt.deleted": self._prompt_deleted,
            "audit.withdrawn": self._audit_withdrawn,
            "audit.requested": self._audit_requested,
            "run.withdrawn": self._run_withdrawn,
            "proposal.queued": self._proposal_queued,
            "watch.requested": self._watch_requested,
            REQUESTED: self._webhook_requested,
            "schedule.created": self._schedule_changed,
            "schedule.updated": self._schedule_changed,
            "schedule.paused": self._schedule_changed,
            "schedule.resumed": self._schedule_changed,
            "schedule.deleted": self._schedule_changed,
        }

    async def run(self) -> None:
        """Deliver until cancelled; trouble is logged and tried again."""
        async with _Bell(self._db, self._interval_s) as bell:
            while True:
                try:
                    delivered = await self.deliver_due()
                except Exception:
                    log.exception("relay_failed")
                    delivered = 0
                if delivered < BATCH:
                    await bell.wait()

    async def deliver_due(self) -> int:
        """Deliver one batch of due events and return how many were claimed."""
        events = await self._claim()
        for event in events:
            try:
                await self._handlers[event.topic](event)
            except Exception:  # one bad event must not hold up the others; it comes again later
                log.exception("relay_event_failed", topic=event.topic, event_id=event.id, attempts=event.attempts)
                await self._postpone(event)
            else:
                await self._delivered(event)
        return len(events)

    async def _claim(self) -> list[OutboxEvent]:
        due = (
            select(OutboxEvent.id)
            .where(col(OutboxEvent.delivered_at).is_(None), col(OutboxEvent.next_attempt_at) <= func.now())
            .order_by(col(OutboxEvent.id))
            .limit(BATCH)
            .with_for_update(skip_locked=True)
        )
        claim = (
            update(OutboxEvent)
            .where(col(OutboxEvent.id).in_(due))
            .values(next_attempt_at=func.now() + LEASE, attempts=OutboxEvent.attempts + 1)
            .returning(OutboxEvent)
        )
        async with self._db.system() as session:
            return sorted((await session.exec(claim)).scalars().all(), key=lambda event: event.id or 0)

    async def _delivered(self, event: OutboxEvent) -> None:
        await self._set(event, delivered_at=now())

    async def _postpone(self, event: OutboxEvent) -> None:
        delay = min(2.0**event.attempts, GREATEST_DELAY_S)
        await self._set(event, next_attempt_at=now() + timedelta(seconds=delay))

    async def _set(self, event: OutboxEvent, **values: object) -> None:
        async with self._db.system() as session:
            await session.exec(update(OutboxEvent).where(col(OutboxEvent.id) == event.id).values(**values))

    # ------------------------------------------------------------------------------------------ handlers

    async def _prompt_moved(self, event: OutboxEvent) -> None:
        statement = (
            select(Proposal.id)
            .join(Prompt, col(Prompt.id) == Proposal.prompt_id)
            .where(
                Proposal.prompt_id == event.subject_id,
                col(Proposal.status).in_(OPEN_STATES),
                or_(
                    col(Prompt.deleted_at).is_not(None),
                    col(Proposal.basis_version_id).is_distinct_from(Prompt.current_version_id),
                ),
            )
        )
        async with self._db.tenant(event.customer_id) as session:
            proposals = list(await session.exec(statement))
            optimizations = await open_on_moved_basis(session, event.subject_id)
        for proposal_id in proposals:
            await self._starter.resume_proposal(event.customer_id, proposal_id, event.subject_id, "basis_changed")
        for optimization_id in optimizations:
            await self._starter.resume_optimization(
                event.customer_id, optimization_id, event.subject_id, "basis_changed"
            )

    async def _watch_requested(self, event: OutboxEvent) -> None:
        async with self._db.tenant(event.customer_id) as session:
            watch = await watches.begin(session, event.subject_id, UUID(event.payload["previous_version_id"]))
        if watch is not None:
            await self._starter.start_watch(event.customer_id, watch.id, watch.prompt_id)

    async def _prompt_deleted(self, event: OutboxEvent) -> None:
        await self._prompt_moved(event)
        async with self._db.tenant(event.customer_id) as session:
            await pause_schedules_of_deleted(session, event.subject_id)

    async def _schedule_changed(self, event: OutboxEvent) -> None:
        await self._scheduler.settle(event.customer_id, event.subject_id)

    async def _audit_withdrawn(self, event: OutboxEvent) -> None:
        statement = (
            select(Proposal.id, Proposal.prompt_id)
            .join(ProposalAudit, col(ProposalAudit.proposal_id) == Proposal.id)
            .where(ProposalAudit.audit_id == event.subject_id, Proposal.status == "progressing")
        )
        async with self._db.tenant(event.customer_id) as session:
            proposals = list(await session.exec(statement))
        for proposal_id, prompt_id in proposals:
            await self._starter.resume_proposal(event.customer_id, proposal_id, prompt_id, "basis_changed")

    async def _run_withdrawn(self, event: OutboxEvent) -> None:
        statement = (
            select(Proposal.id, Proposal.prompt_id)
            .join(ProposalRun, col(ProposalRun.proposal_id) == Proposal.id)
            .where(ProposalRun.run_id == event.subject_id, col(Proposal.status).in_(UNFINISHED_STATES))
        )
        async with self._db.tenant(event.customer_id) as session:
            proposals = list(await session.exec(statement))
        for proposal_id, prompt_id in proposals:
            await self._starter.resume_proposal(event.customer_id, proposal_id, prompt_id, "basis_changed")

    async def _proposal_queued(self, event: OutboxEvent) -> None:
        async with self._db.tenant(event.customer_id) as session:
            proposal = await session.get(Proposal, event.subject_id)
        if proposal is not None and proposal.status in OPEN_STATES:
            await self._starter.start_queued_proposal(event.customer_id, proposal.id, proposal.prompt_id)

    async def _webhook_requested(self, event: OutboxEvent) -> None:
        async with self._db.tenant(event.customer_id) as session:
            delivery = await session.get(WebhookDelivery, event.subject_id)
        if delivery is not None and delivery.status == "pending":
            again = bool(event.payload.get("again"))
            await self._starter.deliver_webhook(event.customer_id, delivery.id, again=again)

    async def _audit_requested(self, event: OutboxEvent) -> None:
        async with self._db.tenant(event.customer_id) as session:
            audit = await session.get(Audit, event.subject_id)
        if audit is not None and audit.status == "progressing":
            await self._starter.start_audit(event.customer_id, event.subject_id, audit.prompt_id)


class _Bell:
    """Rings when an event was written (LISTEN/NOTIFY), and at the latest every `interval_s`."""

    def __init__(self, db: Database, interval_s: float) -> None:
        self._url = db.engine.url.set(drivername="postgresql").render_as_string(hide_password=False)
        self._interval_s = interval_s
        self._rung = asyncio.Event()

    async def __aenter__(self) -> _Bell:
        self._task = asyncio.create_task(self._listen())
        return self

    async def __aexit__(self, *exc: object) -> None:
        self._task.cancel()
        await asyncio.gather(self._task, return_exceptions=True)

    async def wait(self) -> None:
        """Return at the next ring, or after the interval."""
        try:
            # Unlike `wait_for`, which in Python 3.11 forgets a cancellation that comes together with the ring.
            async with asyncio.timeout(self._interval_s):
                await self._rung.wait()
        except TimeoutError:
            return
        self._rung.clear()

    async def _listen(self) -> None:
        """Listen for ever; while the database is away the interval alone rings."""
        while True:
            try:
                connection = await psycopg.AsyncConnection.connect(self._url, autocommit=True, connect_timeout=5)
                async with connection:
                    await connection.execute(f"listen {CHANNEL}")
                    async for _ in connection.notifies():
                        self._rung.set()
            except psycopg.Error:
                await asyncio.sleep(1)
