"""Retention of schedules' runs: old ones go, except those that later runs look back at."""

from __future__ import annotations

from sqlalchemy import text

from redraft.store.database import Database
from redraft.store.retention import BATCH, expire

# A later run stands for each that goes, so a schedule keeps its last one, and the last that started something.
_EXPIRE = text(
    "delete from schedule_runs where id in ("
    "  select r.id from schedule_runs r where r.status <> 'running' and r.finished_at < :before"
    "    and exists (select from schedule_runs later where later.schedule_id = r.schedule_id"
    "      and (later.created_at, later.id) > (r.created_at, r.id))"
    "    and (r.status <> 'started' or exists (select from schedule_runs later where later.schedule_id = r.schedule_id"
    "      and later.status = 'started' and later.finished_at > r.finished_at))"
    "  order by r.finished_at limit :size)"
)


async def expire_runs(db: Database, days: int | None, *, batch: int = BATCH) -> int:
    """Delete runs that ended more than `days` ago, None for none, in small transactions; return how many went."""
    return await expire(db, _EXPIRE, days, batch=batch)
