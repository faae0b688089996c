"""Events, written in the transaction that makes them true, delivered by the relay afterwards."""

from __future__ import annotations

from typing import Any
from uuid import UUID

from sqlalchemy import text
from sqlmodel.ext.asyncio.session import AsyncSession

from redraft.store.database import run_sql
from redraft.store.tables import OutboxEvent
from redraft.store.tables.base import now

CHANNEL = "redraft_outbox"
_WAKE = text(f"notify {CHANNEL}")
RELAYED = frozenset(
    {
        "prompt.version_committed",
        "prompt.deleted",
        "audit.withdrawn",
        "audit.requested",
        "run.withdrawn",
        "proposal.queued",
        "schedule.created",
        "schedule.updated",
        "schedule.paused",
        "schedule.resumed",
        "schedule.deleted",
    }
)
"""The topics that something has to be done about; the others are on record as soon as they are written."""


async def emit(session: AsyncSession, customer_id: UUID, topic: str, subject_id: UUID, **payload: Any) -> None:
    """Record that something happened and wake the relay, if it has to act, once this transaction commits.

    Payloads carry ids and numbers, never text of prompts or transcripts.
    """
    relayed = topic in RELAYED
    event = OutboxEvent(
        customer_id=customer_id,
        topic=topic,
        subject_id=subject_id,
        payload=payload,
        delivered_at=None if relayed else now(),
    )
    session.add(event)
    if relayed:  # a NOTIFY makes commits queue up, so only where somebody listens
        await run_sql(session, _WAKE)
