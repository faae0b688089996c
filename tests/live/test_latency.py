"""Bins: within 1 %, the same everywhere."""

from __future__ import annotations

import itertools
import random
from collections import Counter

import pytest
from hypothesis import given
from hypothesis import strategies as st
from sqlalchemy import text

from redraft.domain.live.latency import GREATEST_US, bin_of, edges, middle_of, quantile
from redraft.store.database import Database, run_sql
from tests.support.customers import CustomerFixture

DURATIONS = st.integers(0, GREATEST_US) | st.integers(0, 5_000)


@given(DURATIONS)
def test_what_stands_for_a_bin_is_within_half_a_percent_of_all_in_it(duration: int) -> None:
    assert abs(middle_of(bin_of(duration)) - duration) <= 0.00505 * duration


@given(st.lists(DURATIONS, min_size=1, max_size=60), st.sampled_from([0.5, 0.95, 1.0]))
def test_the_quantile_of_bins_is_within_one_percent_of_the_exact_one(durations: list[int], q: float) -> None:
    exact = quantile(sorted(Counter(map(float, durations)).items()), q)
    bins = sorted(Counter(map(bin_of, durations)).items())
    found = quantile([(middle_of(number), count) for number, count in bins], q)
    assert exact is not None
    assert found is not None
    assert abs(found - exact) <= 0.01 * exact


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
        for size in (1, 2, 19, 20, 21, 60, 100, 199):
            exact = await run_sql(
                session,
                text("select percentile_disc(0.95) within group (order by d) from unnest(cast(:all as bigint[])) d"),
                all=durations[:size],
            )
            counts = sorted(Counter(map(float, durations[:size])).items())
            assert quantile(counts, 0.95) == exact.scalar_one(), size


@pytest.mark.parametrize("q", [0.0, 0.5, 1.0])
def test_nothing_has_no_quantile(q: float) -> None:
    assert quantile([], q) is None
    assert quantile([(5.0, 0)], q) is None
