"""Figures per version and UTC day, changed by what a trace adds and takes back, in the trace's own transaction.

Every change also goes to the row of `ALL_DAYS`, so that comparing versions reads the same few rows however many days
and traces there are.
"""

from __future__ import annotations

import json
from collections import Counter
from dataclasses import dataclass, field
from datetime import UTC, date
from decimal import Decimal
from typing import Any, Self
from uuid import UUID

from sqlalchemy import TextClause, text
from sqlmodel.ext.asyncio.session import AsyncSession

from redraft.domain.live.documents import Document
from redraft.domain.live.latency import bin_of
from redraft.store.database import run_sql

ALL_DAYS = date.min
EXACT_BELOW = 200
"""Durations are kept as they are until a version has this many traces."""

_FIGURES = ("traces", "successes", "failures", "priced", "cost_usd", "timed", "duration_us")
_ADD_FIGURES = text(
    "insert into version_figures as f (customer_id, prompt_version_id, day, traces, successes, failures, priced,"
    " cost_usd, timed, duration_us)"
    " select :customer, * from jsonb_to_recordset(cast(:rows as jsonb)) as r(prompt_version_id uuid, day date,"
    " traces bigint, successes bigint, failures bigint, priced bigint, cost_usd numeric, timed bigint,"
    " duration_us numeric)"
    " order by prompt_version_id, day"  # the order in which everyone locks them
    " on conflict (prompt_version_id, day) do update set traces = f.traces + excluded.traces,"
    " successes = f.successes + excluded.successes, failures = f.failures + excluded.failures,"
    " priced = f.priced + excluded.priced, cost_usd = f.cost_usd + excluded.cost_usd,"
    " timed = f.timed + excluded.timed, duration_us = f.duration_us + excluded.duration_us"
    " returning prompt_version_id, day, traces"
)


def _counting(table: str, value: str) -> TextClause:
    return text(
        f"insert into {table} as t (customer_id, prompt_version_id, day, {value}, traces)"  # noqa: S608 - our names
        " select :customer, * from jsonb_to_recordset(cast(:rows as jsonb))"
        f" as r(prompt_version_id uuid, day date, {value} bigint, traces bigint)"
        f" order by prompt_version_id, day, {value}"
        f" on conflict (prompt_version_id, day, {value}) do update set traces = t.traces + excluded.traces"
    )


_ADD_BINS = _counting("latency_bins", "bin")
_ADD_VALUES = _counting("latency_values", "duration_us")
_FORGET_VALUES = text("delete from latency_values where prompt_version_id = any(cast(:versions as uuid[]))")


@dataclass(frozen=True, slots=True)
class Counted:
    """What one trace adds to the figures of each version that it used."""

    day: date
    success: bool | None
    cost_usd: Decimal | None
    duration_us: int | None

    @classmethod
    def of(cls, document: Document) -> Self:
        """Return what a trace adds."""
        day = document.started_at.astimezone(UTC).date()
        return cls(day, document.known_outcome, document.cost_usd, document.duration_us)


@dataclass(slots=True)
class Changes:
    """Sums of what traces add and take back, by version and day."""

    sums: dict[tuple[UUID, date], list[Any]] = field(default_factory=dict)
    values: Counter[tuple[UUID, date, int]] = field(default_factory=Counter)

    def add(self, version_id: UUID, counted: Counted, sign: int = 1) -> None:
        """Add what a trace counts for a version; `sign` -1 takes it back."""
        success, cost, duration = counted.success, counted.cost_usd, counted.duration_us
        for day in (counted.day, ALL_DAYS):
            sums = self.sums.setdefault((version_id, day), [0, 0, 0, 0, Decimal(0), 0, 0])
            sums[0] += sign
            if success is not None:
                sums[1 if success else 2] += sign
            if cost is not None:
                sums[3] += sign
                sums[4] += sign * cost
            if duration is not None:
                sums[5] += sign
                sums[6] += sign * duration
        if duration is not None:
            self.values[version_id, counted.day, duration] += sign

    def replace(self, version_id: UUID, old: Counted, new: Counted) -> None:
        """Take back what a trace counted before and add what it counts now."""
        if old != new:
            self.add(version_id, old, -1)
            self.add(version_id, new)

    async def store(self, session: AsyncSession, customer_id: UUID) -> None:
        """Apply the changes. The last thing a transaction should do: everyone who counts waits for these rows."""
        versions = {version for (version, _), sums in self.sums.items() if any(sums)}
        if not versions:
            return
        # Also where nothing changes in all: the row of all days is the lock on the version's durations.
        rows = [
            {"prompt_version_id": str(version), "day": str(day), **dict(zip(_FIGURES, map(str, sums), strict=True))}
            for (version, day), sums in self.sums.items()
            if version in versions and (day == ALL_DAYS or any(sums))
        ]
        after = await run_sql(session, _ADD_FIGURES, customer=customer_id, rows=json.dumps(rows))
        totals = {row.prompt_version_id: row.traces for row in after if row.day == ALL_DAYS}
        await self._store_durations(session, customer_id, totals)

    async def _store_durations(self, session: AsyncSession, customer_id: UUID, totals: dict[UUID, int]) -> None:
        few = {version for version, traces in totals.items() if traces < EXACT_BELOW}
        bins: Counter[tuple[UUID, date, int]] = Counter()
        for (version, day, duration), count in self.values.items():
            number = bin_of(duration)
            bins[version, day, number] += count
            bins[version, ALL_DAYS, number] += count
        await _count(session, customer_id, _ADD_BINS, "bin", bins)
        exact = Counter({key: count for key, count in self.values.items() if key[0] in few})
        await _count(session, customer_id, _ADD_VALUES, "duration_us", exact)
        left = [
            version
            for version, traces in totals.items()
            if traces >= EXACT_BELOW > traces - self.sums[version, ALL_DAYS][0]
        ]
        if left:
            await run_sql(session, _FORGET_VALUES, versions=left)


async def _count(
    session: AsyncSession, customer_id: UUID, statement: TextClause, value: str, counts: Counter[tuple[UUID, date, int]]
) -> None:
    rows = [
        {"prompt_version_id": str(version), "day": str(day), value: number, "traces": count}
        for (version, day, number), count in counts.items()
        if count
    ]
    if rows:
        await run_sql(session, statement, customer=customer_id, rows=json.dumps(rows))
