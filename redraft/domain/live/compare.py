"""What each version of a prompt did live, read from the figures: a few rows, however many traces there are."""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass, replace
from datetime import date, timedelta
from typing import Any
from uuid import UUID

from sqlalchemy import Row, text
from sqlmodel.ext.asyncio.session import AsyncSession

from redraft.domain.errors import invalid
from redraft.domain.live.figures import ALL_DAYS, EXACT_BELOW
from redraft.domain.live.latency import middle_of
from redraft.domain.live.quantiles import quantiles
from redraft.domain.named_prompts import versions_named
from redraft.experiment.live import Difference, Outcomes, compare_rates, rate_interval
from redraft.store.database import run_sql
from redraft.store.tables import PromptVersion

_SUMS = text(
    "select prompt_version_id as version, sum(traces)::bigint as traces, sum(successes)::bigint as successes,"
    " sum(failures)::bigint as failures, sum(cost_usd) / nullif(sum(priced), 0) as cost_usd,"
    " sum(duration_us) / nullif(sum(timed), 0) as duration_us"
    " from version_figures where prompt_version_id = any(cast(:versions as uuid[])) and day between :first and :last"
    " group by prompt_version_id"
)


_OF_BINS = quantiles("latency_bins", "bin")
_OF_VALUES = quantiles("latency_values", "duration_us")


@dataclass(frozen=True, slots=True)
class Period:
    """UTC days of the traces' starts, both included. None: no bound."""

    first: date | None = None
    last: date | None = None

    def __post_init__(self) -> None:
        if self.first is not None and self.last is not None and self.first > self.last:
            raise invalid("to", "is before from")


@dataclass(frozen=True, slots=True)
class VersionReport:
    """What one version did. Means, rates and intervals are None where nothing is known; durations are in ms.

    `against_previous` compares with the next lower version, `previous`; None for the lowest, and for a period, which
    somebody may have picked because of what it shows.
    """

    version: PromptVersion
    total_traces: int
    success_rate: float | None
    success_rate_interval: tuple[float, float] | None
    avg_cost_usd: float | None
    avg_latency_ms: float | None
    p50_latency_ms: float | None
    p95_latency_ms: float | None
    against_previous: Difference | None = None
    previous: int | None = None


async def compare_versions(session: AsyncSession, name: str, period: Period | None = None) -> list[VersionReport]:
    """Return what each version of a prompt did, newest first. Raises NOT_FOUND for no such prompt."""
    versions = await versions_named(session, name)
    bounds = _bounds(period)
    ids = [version.id for version in versions]
    rows = {row.version: row for row in await run_sql(session, _SUMS, versions=ids, **bounds)}
    latency = await _quantiles_of(session, ids, bounds)
    outcomes: defaultdict[UUID, Outcomes] = defaultdict(lambda: Outcomes(0, 0))
    outcomes |= {version_id: Outcomes(row.successes, row.failures) for version_id, row in rows.items()}
    reports = [
        _report(version, rows.get(version.id), outcomes[version.id], latency.get(version.id)) for version in versions
    ]
    if period is not None:
        return reports
    compared = [
        replace(
            newer, previous=older.number, against_previous=compare_rates(outcomes[older.id], outcomes[newer.version.id])
        )
        for newer, older in zip(reports, versions[1:], strict=False)
    ]
    return compared + reports[len(compared) :]


async def outcomes_of(session: AsyncSession, version_ids: list[UUID]) -> dict[UUID, Outcomes]:
    """Return each version's known outcomes of all time; none are known of a version without traces."""
    rows = await run_sql(session, _SUMS, versions=version_ids, **_bounds(None))
    found = {row.version: Outcomes(row.successes, row.failures) for row in rows}
    return {version_id: found.get(version_id, Outcomes(0, 0)) for version_id in version_ids}


def _bounds(period: Period | None) -> dict[str, date]:
    if period is None:
        return {"first": ALL_DAYS, "last": ALL_DAYS}
    after = ALL_DAYS + timedelta(days=1)  # ALL_DAYS itself stands for all days together and belongs to no period
    return {"first": max(period.first or after, after), "last": period.last or date.max}


async def _quantiles_of(
    session: AsyncSession, ids: list[UUID], bounds: dict[str, date]
) -> dict[UUID, tuple[float, float]]:
    """Return p50 and p95 in ms: of the durations themselves for versions with few traces, else of bins."""
    few = await run_sql(session, _FEW, versions=ids, all=ALL_DAYS, exact=EXACT_BELOW)
    exact = set(few.scalars())
    many = [version_id for version_id in ids if version_id not in exact]
    found: dict[UUID, tuple[float, float]] = {}
    if exact:
        days = bounds if bounds["first"] > ALL_DAYS else _bounds(Period())
        for row in await run_sql(session, _OF_VALUES, versions=sorted(exact), **days):
            found[row.version] = (row.p50 / 1000, row.p95 / 1000)
    if many:
        for row in await run_sql(session, _OF_BINS, versions=many, **bounds):
            found[row.version] = (middle_of(row.p50) / 1000, middle_of(row.p95) / 1000)
    return found


_FEW = text(
    "select prompt_version_id from version_figures where prompt_version_id = any(cast(:versions as uuid[]))"
    " and day = :all and traces < :exact"
)


def _report(
    version: PromptVersion, row: Row[Any] | None, mine: Outcomes, latency: tuple[float, float] | None
) -> VersionReport:
    p50, p95 = latency or (None, None)
    return VersionReport(
        version=version,
        total_traces=0 if row is None else row.traces,
        success_rate=mine.rate,
        success_rate_interval=None if mine.rate is None else rate_interval(mine),
        avg_cost_usd=None if row is None or row.cost_usd is None else float(row.cost_usd),
        avg_latency_ms=None if row is None or row.duration_us is None else float(row.duration_us) / 1000,
        p50_latency_ms=p50,
        p95_latency_ms=p95,
    )
