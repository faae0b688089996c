"""Requests per minute, counted in the database for all processes together.

A process leases permits in chunks, so that most requests need no write: with one process the limit is exact; with
several, a few permits may lie unused in one while another already refuses. Windows are the minutes of the
database's clock.
"""

from __future__ import annotations

import asyncio
import math
import time
from dataclasses import dataclass

from sqlalchemy import text

from redraft.domain.errors import Kind, RedraftError
from redraft.store.database import Database, run_sql

WINDOW_S = 60.0
_GREATEST_CHUNK = 64
_CHUNKS = 8  # of what is left, so that chunks shrink towards the end of the minute's permits
_GREATEST_MEMORY = 10_000

_TAKE = text(
    "insert into rate_windows as w (subject, window_start, taken)"
    " values (:subject, date_trunc('minute', clock_timestamp()), :chunk)"
    " on conflict (subject) do update set window_start = excluded.window_start,"
    " taken = excluded.taken + case when w.window_start = excluded.window_start then w.taken else 0 end"
    " where w.window_start < excluded.window_start"
    " or (w.window_start = excluded.window_start and w.taken + excluded.taken <= :limit)"
    " returning taken, extract(epoch from window_start - clock_timestamp())::float8 + :window as seconds"
)
_NONE_LEFT = text(
    "select :limit as taken,"
    " extract(epoch from date_trunc('minute', clock_timestamp()) - clock_timestamp())::float8 + :window as seconds"
)


@dataclass(slots=True)
class _Lease:
    """Permits of one minute that this process holds, and how many nobody had taken when it last looked."""

    permits: int
    left: int
    ends: float


class RateLimiter:
    """Grants `per_minute` permits to each subject; 0 means no limit."""

    def __init__(self, database: Database, per_minute: int, *, greatest_chunk: int = _GREATEST_CHUNK) -> None:
        self._database = database
        self._limit = per_minute
        self._greatest_chunk = greatest_chunk
        self._leases: dict[str, _Lease] = {}
        self._asking: dict[str, asyncio.Future[None]] = {}

    def take(self, subject: str) -> bool:
        """Take a permit that this process already holds; return whether there was one."""
        if not self._limit:
            return True
        lease = self._leases.get(subject)
        if lease is None or lease.permits <= 0 or lease.ends <= time.monotonic():
            return False
        lease.permits -= 1
        return True

    async def lease(self, subject: str) -> None:
        """Take a permit, of the database when this process holds none. Raises RATE_LIMITED.

        Opens a transaction of its own: call it without holding one, or a full pool waits for itself.
        """
        while not self.take(subject):
            lease = self._leases.get(subject)
            if lease is not None and lease.left <= 0 and lease.ends > time.monotonic():
                raise self._refusal(lease.ends)
            # However many wait, one asks the database.
            asking = self._asking.get(subject)
            if asking is None:
                asking = self._asking[subject] = asyncio.ensure_future(self._ask(subject, lease))
                asking.add_done_callback(lambda task: self._asked(subject, task))
            await asyncio.shield(asking)

    def _asked(self, subject: str, task: asyncio.Future[None]) -> None:
        del self._asking[subject]
        if not task.cancelled():
            task.exception()  # those who wait have it; there may be none left

    async def _ask(self, subject: str, lease: _Lease | None) -> None:
        left = lease.left if lease is not None and lease.ends > time.monotonic() else self._limit
        chunk = max(1, min(self._greatest_chunk, left // _CHUNKS))
        async with self._database.system() as session:
            for size in dict.fromkeys((chunk, 1)):
                values = {"subject": subject, "chunk": size, "limit": self._limit, "window": WINDOW_S}
                row = (await run_sql(session, _TAKE, **values)).one_or_none()
                if row is not None:
                    break
            else:
                size = 0
                row = (await run_sql(session, _NONE_LEFT, limit=self._limit, window=WINDOW_S)).one()
        self._remember(subject, size, self._limit - row.taken, row.seconds)

    def _remember(self, subject: str, permits: int, left: int, seconds: float) -> None:
        moment = time.monotonic()
        held = self._leases.get(subject)
        if held is not None and held.ends > moment:
            permits += held.permits
        elif len(self._leases) >= _GREATEST_MEMORY:
            self._leases = {name: lease for name, lease in self._leases.items() if lease.ends > moment}
        self._leases[subject] = _Lease(permits, left, moment + seconds)

    def _refusal(self, ends: float) -> RedraftError:
        seconds = max(1, math.ceil(ends - time.monotonic()))
        return RedraftError(
            Kind.RATE_LIMITED,
            "RATE_LIMITED",
            f"more than {self._limit} in this minute; wait {seconds} seconds",
            retry_after_s=seconds,
        )
