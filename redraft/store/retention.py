"""Deleting what is older than its retention, in small transactions: each holds its locks for a moment only."""

from __future__ import annotations

from datetime import timedelta

from sqlalchemy import TextClause

from redraft.store.database import Database, run_sql
from redraft.store.tables.base import now

BATCH = 1_000


async def expire(
    db: Database, delete: TextClause, days: int | None, *, batch: int = BATCH, first: TextClause | None = None
) -> int:
    """Delete what is more than `days` old, None for nothing; return how many rows went.

    `delete` takes `:before` and deletes at most `:size` rows. `first` is run in each transaction before it.
    """
    if days is None:
        return 0
    before, total = now() - timedelta(days=days), 0
    while True:
        async with db.system() as session:
            if first is not None:
                await run_sql(session, first)
            gone = int((await run_sql(session, delete, before=before, size=batch)).rowcount)
        total += gone
        if gone < batch:
            return total
