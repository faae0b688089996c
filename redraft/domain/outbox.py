"""Events, written in the transaction that makes them true, delivered by the relay afterwards."""

from __future__ import annotations

from typing import Any
from uuid import UUID

from sqlalchemy import text
from sqlmodel.ext.asyncio.session import AsyncSession

from redraft.store.tables import OutboxEvent

CHANNEL = "redraft_outbox"


async def emit(session: AsyncSession, customer_id: UUID, topic: str, subject_id: UUID, **payload: Any) -> None:
    """Record that something happened and wake the relay once this transaction commits.

    Payloads carry ids and numbers, never text of prompts or transcripts.
    """
    session.add(OutboxEvent(customer_id=customer_id, topic=topic, subject_id=subject_id, payload=payload))
    await session.execute(text(f"notify {CHANNEL}"))
