"""What each version of a prompt did live: success with its interval, cost, latency, volume over time."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta

from sqlmodel.ext.asyncio.session import AsyncSession

from console.views.trends import Trends, trends_of
from redraft.domain.live.compare import VersionReport, compare_versions
from redraft.domain.live.series import daily_reports
from redraft.store.tables import Prompt
from redraft.store.tables.base import now

PERIODS = (30, 90)
"""Days that may be looked back."""


@dataclass(frozen=True, slots=True)
class LiveVersion:
    """A version's figures; `at`, `low` and `high` are the success rate and its interval, 0..1."""

    report: VersionReport
    at: float | None
    low: float
    high: float
    verdict: str


@dataclass(frozen=True, slots=True)
class LiveFigures:
    """Figures of the versions that were used, newest first, and what they did over time."""

    versions: list[LiveVersion]
    days: int
    trends: Trends | None


async def live_figures(session: AsyncSession, prompt: Prompt, days: int = PERIODS[0]) -> LiveFigures | None:
    """Return a prompt's live figures, None when no conversation has been recorded."""
    reports = [report for report in await compare_versions(session, prompt.prompt_name) if report.total_traces]
    if not reports:
        return None
    today = now().date()
    daily = await daily_reports(session, prompt.prompt_name, today - timedelta(days=days - 1), today)
    return LiveFigures([_version(report) for report in reports], days, trends_of(daily, today, days))


def _version(report: VersionReport) -> LiveVersion:
    low, high = report.success_rate_interval or (0.0, 1.0)
    return LiveVersion(report, report.success_rate, low, high, _verdict(report))


def _verdict(report: VersionReport) -> str:
    against = report.against_previous
    if against is None or against.difference is None:
        return ""
    words = {"better": "Better than", "worse": "Worse than"}
    return f"{words.get(against.verdict, 'No difference found from')} version {report.previous}"
