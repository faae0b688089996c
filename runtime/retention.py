"""The worker's housekeeping: what is past its retention goes, partitions of coming months are made."""

from __future__ import annotations

import asyncio

import structlog

from redraft.domain.events import expire_events
from redraft.domain.live.retention import keep_retention
from redraft.domain.schedules.retention import expire_runs
from redraft.domain.webhooks.housekeeping import expire_deliveries
from redraft.settings import Settings
from redraft.store.database import Database

log = structlog.get_logger(__name__)


class Retention:
    """Runs in every worker: what one of them has locked, the others pass over."""

    def __init__(self, db: Database, settings: Settings) -> None:
        self._db = db
        self._settings = settings

    async def run(self) -> None:
        """Keep the retention until cancelled; trouble is logged and tried again."""
        while True:
            try:
                gone = await keep_retention(self._db, self._settings.trace_days)
                if gone:
                    log.info("traces_expired", traces=gone)
                if gone := await expire_events(self._db, self._settings.event_days):
                    log.info("events_expired", events=gone)
                if gone := await expire_runs(self._db, self._settings.schedule_run_days):
                    log.info("schedule_runs_expired", runs=gone)
                await expire_deliveries(self._db, self._settings.webhook_delivery_days)
            except Exception:
                log.exception("retention_failed")
            await asyncio.sleep(self._settings.retention_interval_s)
