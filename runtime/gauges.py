"""Keeps the gauges that only the database knows: waiting decisions, and how far the outbox lags."""

from __future__ import annotations

import asyncio

import structlog
from sqlalchemy import text

from redraft.store.database import Database, run_sql
from redraft.telemetry import IN_PROGRESS, OUTBOX_LAG_SECONDS, OUTBOX_PENDING, WAITING_DECISIONS

INTERVAL_S = 10.0
_READ = text("""
select
  (select count(*) from proposals where status = 'completed' and deleted_at is null) as waiting,
  (select count(*) from proposals where status = 'progressing' and deleted_at is null) as in_progress,
  (select count(*) from outbox where delivered_at is null) as pending,
  (select coalesce(extract(epoch from now() - min(created_at)), 0) from outbox where delivered_at is null) as lag
""")
log = structlog.get_logger(__name__)


class Gauges:
    """Reads them every 10 s."""

    def __init__(self, db: Database) -> None:
        self._db = db

    async def run(self) -> None:
        """Read until cancelled; while the database is away the gauges keep what they had."""
        while True:
            try:
                await self.read()
            except Exception:
                log.exception("gauges_failed")
            await asyncio.sleep(INTERVAL_S)

    async def read(self) -> None:
        """Read once."""
        async with self._db.system() as session:
            row = (await run_sql(session, _READ)).one()
        WAITING_DECISIONS.set(row.waiting)
        IN_PROGRESS.set(row.in_progress)
        OUTBOX_PENDING.set(row.pending)
        OUTBOX_LAG_SECONDS.set(float(row.lag))
