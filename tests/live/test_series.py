"""What a version did day by day, held against its traces."""

from __future__ import annotations

import random
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from statistics import fmean
from uuid import UUID, uuid4

import pytest

from redraft.domain.live.documents import Document
from redraft.domain.live.ingest import Report, ingest
from redraft.domain.live.series import daily_reports
from redraft.domain.prompts import PromptDraft, PromptUpdate, create_prompt, update_prompt
from redraft.experiment.live import Outcomes, rate_interval
from redraft.store.database import Database
from tests.support.customers import CustomerFixture

START = datetime(2026, 6, 1, 9, tzinfo=UTC)
DAYS = 6


def a_trace(chance: random.Random, day: int) -> Document:
    return Document(
        "completed",
        START + timedelta(days=day, hours=chance.randrange(10)),
        duration_us=int(chance.lognormvariate(14, 1)),
        success=chance.choice((True, True, False, None)),
        cost_usd=chance.choice((Decimal("0.01"), Decimal("0.07"), None)),
    )


async def test_each_day_says_what_its_traces_say_and_the_interval_is_of_all_days_so_far(
    database: Database, customer: CustomerFixture
) -> None:
    chance = random.Random(3)
    async with database.tenant(customer.id) as session:
        made = await create_prompt(session, customer.id, PromptDraft("p", "text"), "tester")
        newer = (await update_prompt(session, made.prompt.id, PromptUpdate(text="other"), "tester")).version
        traces: dict[tuple[int, int], list[Document]] = {}
        for number, version, days in ((1, made.version, range(4)), (2, newer, range(3, DAYS))):
            used: dict[UUID, UUID | None] = {version.id: None}
            for day in days:
                traces[number, day] = [a_trace(chance, day) for _ in range(chance.randrange(1, 25))]
                await ingest(session, customer.id, [Report(uuid4(), one, usages=used) for one in traces[number, day]])
        first, last = START.date() + timedelta(days=1), START.date() + timedelta(days=DAYS)
        found = await daily_reports(session, "p", first, last)
    assert {number: [report.day for report in days] for number, days in found.items()} == {
        1: [START.date() + timedelta(days=day) for day in (1, 2, 3)],
        2: [START.date() + timedelta(days=day) for day in (3, 4, 5)],
    }
    for number, reports in found.items():
        for report in reports:
            day = (report.day - START.date()).days
            of_day = traces[number, day]
            known = [one.success for one in of_day if one.success is not None]
            costs = [one.cost_usd for one in of_day if one.cost_usd is not None]
            durations = sorted(one.duration_us or 0 for one in of_day)
            assert report.traces == len(of_day)
            assert report.success_rate == (pytest.approx(fmean(known)) if known else None)
            assert report.avg_cost_usd == (pytest.approx(fmean(map(float, costs))) if costs else None)
            median = durations[(len(durations) + 1) // 2 - 1]
            assert report.p50_latency_ms == pytest.approx(median / 1000, rel=0.01)
            so_far = [one.success for (of, at), many in traces.items() if of == number and at <= day for one in many]
            outcomes = Outcomes(so_far.count(True), so_far.count(False))
            assert (report.rate_so_far, report.interval_so_far) == (outcomes.rate, rate_interval(outcomes))
