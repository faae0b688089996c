"""Reported lifts: the interval covers after stopping and selection, and agrees with the verdict."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.stats import binom

from redraft.experiment.intervals import Bets, difference_interval, ratio_interval
from redraft.experiment.report import report_variant, verdict_of
from tests.support.scores import correlated, race_through


def test_the_winners_interval_covers_its_lift_after_stopping_and_selection() -> None:
    """Missed, or a false winner: at most delta of all experiments."""
    rng = np.random.default_rng(1)
    runs, delta, means = 500, 0.2, [0.7, 0.7, 0.8, 0.75]
    scores = correlated(rng, runs, 100, means, 0.5)
    race = race_through(scores, delta=delta, trials=300, batch=5)
    missed = won = 0
    for index in np.flatnonzero(race.winner):
        winner = int(race.winner[index])
        line = report_variant(race, int(index), scores[index], winner, 0.0, 100.0)
        verdict = verdict_of(race, int(index), line, undecided=False)
        assert verdict is not None
        assert verdict.lift_interval is not None
        assert verdict.difference_interval is not None
        lift = 100 * (means[winner] / means[0] - 1)
        low, high = verdict.lift_interval
        in_ratio = low <= lift <= (np.inf if high is None else high)
        in_points = verdict.difference_interval[0] <= lift * means[0] <= verdict.difference_interval[1]
        missed += lift <= 0 or not in_ratio or not in_points
        won += 1
    assert won > 100
    assert missed <= binom.isf(1e-4, runs, delta)


@settings(max_examples=60, deadline=None)
@given(seed=st.integers(0, 10_000), cells=st.integers(0, 60), share=st.floats(0.1, 1))
def test_more_confidence_takes_wider_intervals(seed: int, cells: int, share: float) -> None:
    rng = np.random.default_rng(seed)
    control, arm = rng.random(cells), rng.random(cells)
    widths = []
    for delta in (0.01, 0.2):
        bets = Bets(arm, control, ((0, share),), delta, 60.0)
        low, high = difference_interval(bets)
        assert -1 <= low < high <= 1
        assert ratio_interval(bets)[0] >= -1
        widths.append(high - low)
    assert widths[1] <= widths[0]


def test_an_interval_misses_the_truth_no_more_often_than_its_level_says() -> None:
    """Both arms are the same, so that the truth is 0. What was seen is outside more rarely: these samples are fixed."""
    runs, delta = 300, 0.2
    missed, without_what_was_seen = np.zeros(2), 0
    for seed in range(runs):
        rng = np.random.default_rng(seed)
        bets = Bets(rng.random(60), rng.random(60), ((0, 1.0),), delta, 60.0)
        low, high = difference_interval(bets)
        below, above = ratio_interval(bets)
        assert above is not None
        missed += [not low <= 0 <= high, not below <= 0 <= above]
        without_what_was_seen += not low <= (bets.arm - bets.control).mean() <= high
    assert without_what_was_seen <= runs * delta / 4
    assert (missed <= binom.isf(1e-4, runs, delta)).all()


def test_stakes_know_nothing_of_later_deposits() -> None:
    """Deposits answer to scores: a stake that knew of a later one would know of scores that are still to come."""
    rng = np.random.default_rng(3)
    arm, control = rng.random(60), rng.random(60)
    early = Bets(arm, control, ((0, 0.01),), 0.05, 60.0).leans()
    late = Bets(arm, control, ((0, 0.01), (40, 0.9)), 0.05, 60.0).leans()
    assert np.array_equal(early[:40], late[:40])
    assert (late[40:] < early[40:]).all()


def test_no_cells_say_nothing() -> None:
    nothing = Bets(np.empty(0), np.empty(0), ((0, 1.0),), 0.05, 50.0)
    assert difference_interval(nothing) == (-1.0, 1.0)
    assert ratio_interval(nothing) == (-1.0, None)


def test_the_interval_narrows_with_cells() -> None:
    rng = np.random.default_rng(2)
    arm, control = rng.random(2000), rng.random(2000)
    widths = []
    for cells in (100, 500, 2000):
        low, high = difference_interval(Bets(arm[:cells], control[:cells], ((0, 1.0),), 0.05, cells))
        widths.append(high - low)
    assert widths[0] > widths[1] > widths[2]
    assert widths[2] == pytest.approx(2 * np.sqrt(2 * np.log(40) / 2000 / 6), rel=0.4)
