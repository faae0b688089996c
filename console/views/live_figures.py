"""What each version of a prompt did live: success with its interval, cost, latency, volume over time."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date, timedelta

from sqlalchemy import text
from sqlmodel.ext.asyncio.session import AsyncSession

from redraft.domain.live.compare import VersionReport, compare_versions
from redraft.domain.live.figures import ALL_DAYS
from redraft.store.database import run_sql
from redraft.store.tables import Prompt
from redraft.store.tables.base import now

DAYS = 30
WIDTH, HEIGHT = 600, 90
_VOLUME = text(
    "select f.day, sum(f.traces)::bigint as traces from version_figures f"
    " join prompt_versions v on v.id = f.prompt_version_id"
    " where v.prompt_id = :prompt and f.day > :since and f.day <> :all group by f.day order by f.day"
)


@dataclass(frozen=True, slots=True)
class LiveVersion:
    """A version's figures; `at`, `low` and `high` are the success rate and its interval, 0..1."""

    report: VersionReport
    at: float | None
    low: float
    high: float
    verdict: str


@dataclass(frozen=True, slots=True)
class DayBar:
    """Conversations that began on a day, as a bar."""

    day: date
    traces: int
    x: float
    y: float
    width: float
    height: float


@dataclass(frozen=True, slots=True)
class LiveFigures:
    """Figures of the versions that were used, newest first, and the conversations of the last days."""

    versions: list[LiveVersion]
    bars: list[DayBar]
    total: int


async def live_figures(session: AsyncSession, prompt: Prompt) -> LiveFigures | None:
    """Return a prompt's live figures, None when no conversation has been recorded."""
    reports = [report for report in await compare_versions(session, prompt.prompt_name) if report.total_traces]
    if not reports:
        return None
    since = now().date() - timedelta(days=DAYS)
    rows = list(await run_sql(session, _VOLUME, prompt=prompt.id, since=since, all=ALL_DAYS))
    counts = {row.day: int(row.traces) for row in rows}
    return LiveFigures([_version(report) for report in reports], _bars(counts, since), sum(counts.values()))


def _version(report: VersionReport) -> LiveVersion:
    low, high = report.success_rate_interval or (0.0, 1.0)
    return LiveVersion(report, report.success_rate, low, high, _verdict(report))


def _verdict(report: VersionReport) -> str:
    against = report.against_previous
    if against is None or against.difference is None:
        return ""
    words = {"better": "Better than", "worse": "Worse than"}
    return f"{words.get(against.verdict, 'No difference found from')} version {report.previous}"


def _bars(counts: dict[date, int], since: date) -> list[DayBar]:
    most = max(counts.values(), default=1)
    step = WIDTH / DAYS
    days = [since + timedelta(days=n + 1) for n in range(DAYS)]
    heights = [round((HEIGHT - 4) * counts.get(day, 0) / most, 1) for day in days]
    return [
        DayBar(day, counts.get(day, 0), round(n * step + 1, 1), HEIGHT - height, round(step - 2, 1), height)
        for n, (day, height) in enumerate(zip(days, heights, strict=True))
    ]
