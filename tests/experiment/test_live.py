"""Live versions: the promise holds though one looks every day."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from redraft.experiment.live import Outcomes, compare_rates, log_wealth, rate_interval

COUNTS = st.builds(Outcomes, st.integers(0, 10**7), st.integers(0, 10**7))
ALPHA = 0.05


@given(COUNTS)
def test_the_interval_holds_the_rate_and_ends_where_the_wealth_reaches_the_bound(counts: Outcomes) -> None:
    low, high = rate_interval(counts, ALPHA)
    assert 0 <= low <= high <= 1
    if counts.rate is not None:
        assert low <= counts.rate <= high
    for border in (low, high):
        if 0 < border < 1:
            assert log_wealth(counts, border) == pytest.approx(-math.log(ALPHA), abs=1e-3)


@given(COUNTS)
def test_success_and_failure_are_treated_alike(counts: Outcomes) -> None:
    low, high = rate_interval(counts, ALPHA)
    turned = rate_interval(Outcomes(counts.failures, counts.successes), ALPHA)
    assert turned == pytest.approx((1 - high, 1 - low), abs=1e-7)


@given(COUNTS, COUNTS)
def test_a_verdict_is_given_exactly_where_the_difference_excludes_zero(older: Outcomes, newer: Outcomes) -> None:
    found = compare_rates(older, newer, ALPHA)
    low, high = found.interval
    assert found.verdict == ("better" if low > 0 else "worse" if high < 0 else "no_difference_found")
    if found.difference is not None:
        assert low <= found.difference <= high
    turned = compare_rates(newer, older, ALPHA)
    assert turned.interval == pytest.approx((-high, -low))


def test_nothing_known_says_nothing() -> None:
    assert rate_interval(Outcomes(0, 0)) == (0.0, 1.0)
    found = compare_rates(Outcomes(0, 0), Outcomes(10**6, 0))
    assert (found.difference, found.verdict) == (None, "no_difference_found")


def test_intervals_narrow_with_traces() -> None:
    widths = [high - low for low, high in (rate_interval(Outcomes(8 * n, 2 * n)) for n in (1, 10, 100, 1_000, 100_000))]
    assert widths == sorted(widths, reverse=True)
    assert widths[-1] < 0.005


@pytest.mark.parametrize("rate", [0.02, 0.5, 0.81])
def test_looking_every_day_for_a_year_keeps_the_promise(rate: float) -> None:
    """The rate leaves its interval on any day, in at most alpha of the years: 2,000 years of 10 traces a day."""
    years, days = 2_000, 365
    chance = np.random.default_rng(7)
    successes = chance.binomial(10, rate, size=(years, days)).cumsum(axis=1)
    failures = 10 * np.arange(1, days + 1) - successes
    lgamma = np.array([math.lgamma(n) if n else 0.0 for n in range(10 * days + 3)])
    wealth = (
        lgamma[successes + 1]
        + lgamma[failures + 1]
        - lgamma[successes + failures + 2]
        - successes * math.log(rate)
        - failures * math.log(1 - rate)
    )
    assert wealth[0, 9] == pytest.approx(log_wealth(Outcomes(int(successes[0, 9]), int(failures[0, 9])), rate))
    missed = (wealth.max(axis=1) >= -math.log(ALPHA)).mean()
    assert missed <= ALPHA
    fixed = abs(successes / (successes + failures) - rate) > 1.96 * math.sqrt(rate * (1 - rate)) / np.sqrt(
        successes + failures
    )
    assert fixed.any(axis=1).mean() > 2 * ALPHA, "what is made for one look breaks the promise: this test would see it"


def test_two_equal_versions_are_called_different_in_at_most_alpha_of_the_years() -> None:
    chance = np.random.default_rng(11)
    false = 0
    for _ in range(100):
        older, newer = (np.cumsum(chance.binomial(20, 0.7, size=30)).tolist() for _ in range(2))
        seen = [20 * (day + 1) for day in range(30)]
        false += any(
            compare_rates(Outcomes(a, n - a), Outcomes(b, n - b), ALPHA).verdict != "no_difference_found"
            for a, b, n in zip(older, newer, seen, strict=True)
        )
    assert false / 100 <= ALPHA


def test_a_real_difference_is_found() -> None:
    assert compare_rates(Outcomes(730, 270), Outcomes(810, 190)).verdict == "no_difference_found"
    assert compare_rates(Outcomes(7_300, 2_700), Outcomes(8_100, 1_900)).verdict == "better"
    assert compare_rates(Outcomes(800, 200), Outcomes(600, 400)).verdict == "worse"
