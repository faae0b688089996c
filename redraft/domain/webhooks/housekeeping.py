"""Deliveries that nobody tries, for the reconciler, and those that are old enough to go."""

from __future__ import annotations

from datetime import datetime
from uuid import UUID

from sqlalchemy import func, text
from sqlmodel import col, select
from sqlmodel.ext.asyncio.session import AsyncSession
from sqlmodel.sql.expression import Select

from redraft.store.database import Database
from redraft.store.retention import BATCH, expire
from redraft.store.tables import WebhookDelivery

GREATEST_OVERDUE = 500
_EXPIRE = text(
    "delete from webhook_deliveries where id in (select id from webhook_deliveries"
    " where status <> 'pending' and created_at < :before order by created_at limit :size)"
)


async def overdue_deliveries(
    session: AsyncSession, before: datetime, limit: int = GREATEST_OVERDUE
) -> list[tuple[UUID, UUID]]:
    """Return (customer, delivery) of at most `limit` deliveries whose next attempt was due before a moment.

    Those that are due longest come first: what was tried since is due later, so one that nobody tries gets its turn.
    """
    return [(customer_id, delivery_id) for customer_id, delivery_id in await session.exec(overdue(before, limit))]


def overdue(before: datetime, limit: int) -> Select[UUID, UUID]:
    """Return the query for it, which reads no more of its index than it answers."""
    due = func.coalesce(col(WebhookDelivery.next_attempt_at), col(WebhookDelivery.round_started_at))
    statement = select(WebhookDelivery.customer_id, WebhookDelivery.id).where(
        WebhookDelivery.status == "pending", due < before
    )
    return statement.order_by(due, col(WebhookDelivery.id)).limit(limit)


async def expire_deliveries(db: Database, days: int, *, batch: int = BATCH) -> int:
    """Delete ended deliveries older than `days` with their attempts, in small transactions; return how many went."""
    return await expire(db, _EXPIRE, days, batch=batch)
