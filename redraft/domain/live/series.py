"""What each version of a prompt did day by day."""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass
from datetime import date
from typing import Any
from uuid import UUID

from sqlalchemy import Row, text
from sqlmodel.ext.asyncio.session import AsyncSession

from redraft.domain.live.figures import ALL_DAYS
from redraft.domain.live.latency import middle_of
from redraft.domain.live.quantiles import quantiles
from redraft.domain.named_prompts import versions_named
from redraft.experiment.live import Outcomes, rate_interval
from redraft.store.database import run_sql

# The sums so far begin with the version's first day, whichever days are asked for.
_DAYS = text(
    "select * from (select prompt_version_id as version, day, traces, successes, failures,"
    "  cost_usd / nullif(priced, 0) as cost_usd,"
    "  sum(successes) over so_far as successes_so_far, sum(failures) over so_far as failures_so_far"
    "  from version_figures where prompt_version_id = any(cast(:versions as uuid[])) and day > :all"
    "  window so_far as (partition by prompt_version_id order by day)) d"
    " where day between :first and :last and traces > 0 order by day"
)
_QUANTILES = quantiles("latency_bins", "bin", by_day=True)


@dataclass(frozen=True, slots=True)
class DayReport:
    """One version's traces that began on a UTC day. Rates and means are None where nothing is known; ms within 1 %.

    `rate_so_far` and `interval_so_far` are of all days up to this one: the interval is one of the version's confidence
    sequence, so that the truth lies in all of them together with 95 %, however often one looks.
    """

    day: date
    traces: int
    success_rate: float | None
    rate_so_far: float | None
    interval_so_far: tuple[float, float]
    avg_cost_usd: float | None
    p50_latency_ms: float | None
    p95_latency_ms: float | None


async def daily_reports(session: AsyncSession, name: str, first: date, last: date) -> dict[int, list[DayReport]]:
    """Return the days from `first` to `last`, both included, on which a version was used, by version number.

    Raises NOT_FOUND for no such prompt.
    """
    numbers = {version.id: version.number for version in await versions_named(session, name)}
    bounds: dict[str, Any] = {"versions": list(numbers), "first": first, "last": last}
    latency: dict[tuple[UUID, date], tuple[float, float]] = {
        (row.version, row.day): (middle_of(row.p50) / 1000, middle_of(row.p95) / 1000)
        for row in await run_sql(session, _QUANTILES, **bounds)
    }
    found: defaultdict[int, list[DayReport]] = defaultdict(list)
    for row in await run_sql(session, _DAYS, all=ALL_DAYS, **bounds):
        found[numbers[row.version]].append(_report(row, latency.get((row.version, row.day))))
    return dict(sorted(found.items()))


def _report(row: Row[Any], latency: tuple[float, float] | None) -> DayReport:
    so_far = Outcomes(int(row.successes_so_far), int(row.failures_so_far))
    p50, p95 = latency or (None, None)
    return DayReport(
        day=row.day,
        traces=row.traces,
        success_rate=Outcomes(row.successes, row.failures).rate,
        rate_so_far=so_far.rate,
        interval_so_far=rate_interval(so_far),
        avg_cost_usd=None if row.cost_usd is None else float(row.cost_usd),
        p50_latency_ms=p50,
        p95_latency_ms=p95,
    )
