"""Retention: old traces go, in small transactions; their keys and the figures they counted in stay."""

from __future__ import annotations

from datetime import date, datetime, timedelta
from uuid import UUID

from sqlalchemy import text
from sqlalchemy.exc import DBAPIError
from sqlmodel import select
from sqlmodel.ext.asyncio.session import AsyncSession

from redraft.domain.live.ingest import ensure_partitions
from redraft.store.database import Database, run_sql
from redraft.store.tables import Customer
from redraft.store.tables.base import now

BATCH = 1_000
AHEAD = 2
"""Months that have their partitions before anything of them comes."""
_LOCK_NOT_AVAILABLE = "55P03"

# Keys first, as every writer does; those that somebody writes at this moment wait for the next pass.
_EXPIRE = text(
    "with old as materialized (select k.customer_id, k.trace_id, k.started_at from trace_keys k"
    "   join traces t on t.customer_id = k.customer_id and t.id = k.trace_id and t.started_at = k.started_at"
    "   where t.customer_id = :customer and t.started_at < :before and k.expired_at is null"
    "   order by t.started_at limit :size for no key update of k skip locked),"
    " gone as (delete from traces t using old"
    "   where t.customer_id = old.customer_id and t.id = old.trace_id and t.started_at = old.started_at),"
    " steps as (delete from spans s using old where s.customer_id = old.customer_id and s.trace_id = old.trace_id),"
    " used as (delete from prompt_usages u using old"
    "   where u.customer_id = old.customer_id and u.trace_id = old.trace_id)"
    " update trace_keys k set expired_at = now() from old"
    "   where k.customer_id = old.customer_id and k.trace_id = old.trace_id"
)
# Usage records whose trace never came.
_FORGET_WAITING = text(
    "with old as materialized (select customer_id, trace_id from trace_keys"
    "   where customer_id = :customer and created_at < :before and started_at is null and expired_at is null"
    "   order by created_at limit :size for update skip locked),"
    " used as (delete from prompt_usages u using old"
    "   where u.customer_id = old.customer_id and u.trace_id = old.trace_id)"
    " delete from trace_keys k using old where k.customer_id = old.customer_id and k.trace_id = old.trace_id"
)
_PARTITIONS = text(
    "select to_date(right(c.relname, 6), 'YYYYMM') as month from pg_inherits i join pg_class c on c.oid = i.inhrelid"
    " where i.inhparent = 'traces'::regclass and to_date(right(c.relname, 6), 'YYYYMM') < :before order by 1"
)
_PATIENCE = text("set local lock_timeout = '100ms'")
_DROP = text("select drop_empty_trace_partition(:month)")


async def trace_days_of(session: AsyncSession, customer_id: UUID, default: int | None) -> int | None:
    """Return how many days a customer's traces are kept, None for ever."""
    own = (await session.exec(select(Customer.trace_days).where(Customer.id == customer_id))).one()
    return default if own is None else own


async def keep_retention(db: Database, default_days: int | None, *, batch: int = BATCH) -> int:
    """Delete traces past their retention and empty old partitions, make those of coming months; return how many went.

    Any number of processes may do it at once, and be killed at it. Each transaction deletes at most `batch` traces,
    skips those that somebody writes, and holds no lock that ingestion waits for longer than a tenth of a second.
    """
    async with db.system() as session:
        await ensure_partitions(session, _coming_months())
        customers = list(await session.exec(select(Customer.id, Customer.trace_days)))
    gone, longest = 0, timedelta(0)
    for customer_id, own in customers:
        days = default_days if own is None else own
        if days is None:
            longest = timedelta.max
            continue
        longest = max(longest, timedelta(days=days))
        before = now() - timedelta(days=days)
        for statement in (_EXPIRE, _FORGET_WAITING):
            gone += await _until_done(db, statement, customer_id, before, batch)
    if longest < timedelta.max:
        await _drop_empty_partitions(db, now() - longest)
    return gone


async def _until_done(db: Database, statement: object, customer_id: UUID, before: datetime, batch: int) -> int:
    total = 0
    while True:
        async with db.system() as session:
            result = await run_sql(session, statement, customer=customer_id, before=before, size=batch)  # type: ignore[arg-type]
            count = int(result.rowcount)
        total += count
        if count < batch:
            return total


def _coming_months() -> list[datetime]:
    """Return a moment of this month and of each of the next ones."""
    first = now().replace(day=1)
    return [(first + timedelta(days=31 * ahead)) for ahead in range(AHEAD + 1)]


async def _drop_empty_partitions(db: Database, before: datetime) -> None:
    """Drop the months that ended before this moment and have nothing left; one that is in use waits for next time."""
    async with db.system() as session:
        first_kept: date = before.date().replace(day=1)
        months = list((await run_sql(session, _PARTITIONS, before=first_kept)).scalars())
    for month in months:
        try:
            async with db.system() as session:
                await run_sql(session, _PATIENCE)
                await run_sql(session, _DROP, month=month)
        except DBAPIError as error:
            if getattr(error.orig, "sqlstate", None) != _LOCK_NOT_AVAILABLE:
                raise
