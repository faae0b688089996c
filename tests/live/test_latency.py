"""Bins: within 1 %, the same everywhere."""

from __future__ import annotations

import itertools
import random
from datetime import UTC, datetime, timedelta
from uuid import UUID, uuid4

import pytest
from hypothesis import given
from hypothesis import strategies as st
from sqlalchemy import text

from redraft.domain.live.compare import Period, compare_versions
from redraft.domain.live.documents import Document
from redraft.domain.live.ingest import Report, ingest
from redraft.domain.live.latency import GREATEST_US, bin_of, edges, middle_of
from redraft.domain.prompts import PromptDraft, create_prompt
from redraft.store.database import Database, run_sql
from tests.support.customers import CustomerFixture

START = datetime(2026, 6, 1, tzinfo=UTC)
DURATIONS = st.integers(0, GREATEST_US) | st.integers(0, 5_000)


@given(DURATIONS)
def test_what_stands_for_a_bin_is_within_half_a_percent_of_all_in_it(duration: int) -> None:
    assert abs(middle_of(bin_of(duration)) - duration) <= 0.00505 * duration


def test_bins_are_one_percent_wide_and_cover_a_year() -> None:
    found = edges()
    assert found[0] == 1
    assert found[-1] > GREATEST_US
    assert all(low < high <= low * 1.01 + 1 for low, high in itertools.pairwise(found))


async def test_postgresql_agrees_on_bins_and_quantiles(database: Database, customer: CustomerFixture) -> None:
    chance = random.Random(7)
    durations = [0, 1, 2, 99, 100, 101, *edges()[:500:7], *(int(chance.lognormvariate(14, 2)) for _ in range(500))]
    async with database.tenant(customer.id) as session:
        rows = await run_sql(
            session,
            text("select d, width_bucket(d, cast(:edges as bigint[])) from unnest(cast(:all as bigint[])) d"),
            edges=list(edges()),
            all=durations,
        )
        assert all(bin_of(row.d) == row.width_bucket for row in rows)


@pytest.mark.parametrize("number", [1, 19, 20, 100, 199, 200, 700])
async def test_compare_has_median_and_95th_percentile_exactly_or_within_one_percent(
    database: Database, customer: CustomerFixture, number: int
) -> None:
    chance = random.Random(number)
    async with database.tenant(customer.id) as session:
        made = await create_prompt(session, customer.id, PromptDraft("p", "text"), "tester")
    used: dict[UUID, UUID | None] = {made.version.id: None}
    durations = [int(chance.lognormvariate(14, 1)) for _ in range(number)]
    documents = [
        Document("completed", START + timedelta(hours=n), duration_us=duration) for n, duration in enumerate(durations)
    ]
    reports = [Report(uuid4(), document, usages=used) for document in documents]
    for at in range(0, number, 150):
        async with database.tenant(customer.id) as session:
            await ingest(session, customer.id, reports[at : at + 150])
    async with database.tenant(customer.id) as session:
        [found] = await compare_versions(session, "p")
        [period] = await compare_versions(session, "p", Period(first=START.date() + timedelta(days=1)))
        rows = (
            "select percentile_disc(array[0.5, 0.95]) within group (order by duration_us) from traces"
            " where started_at >= :since"
        )
        whole = (await run_sql(session, text(rows), since=START)).scalar_one()
        later = (await run_sql(session, text(rows), since=START.replace(hour=0) + timedelta(days=1))).scalar_one()
    for report, right in ((found, whole), (period, later)):
        seen = (report.p50_latency_ms, report.p95_latency_ms)
        exact = (None, None) if right is None else tuple(float(value) / 1000 for value in right)
        assert seen == (exact if right is None else pytest.approx(exact, rel=1e-9 if number < 200 else 0.01))
