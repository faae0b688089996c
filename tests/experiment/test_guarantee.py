"""The promise: a variant that is not better than the control is named with chance at most delta.

Small experiments are enumerated: every path of scores is run once, and its chance under any distribution of
a cell is then a product. So the error is exact, with no Monte Carlo noise to hide behind.
"""

from collections.abc import Callable
from itertools import product

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.stats import binom

from redraft.experiment.horizon_bet import Floats
from redraft.experiment.race import End, Race
from tests.support.scores import correlated, race_through

ROUNDING = 1e-9


class Enumeration:
    """Every path of `cells` cells whose outcomes are `outcomes` (one row a joint outcome of all arms)."""

    def __init__(self, outcomes: Floats, cells: int, delta: float, trials: float) -> None:
        self.outcomes = outcomes
        self.delta = delta
        self.paths = np.array(list(product(range(len(outcomes)), repeat=cells)))
        self.race: Race = race_through(outcomes[self.paths], delta=delta, trials=trials)

    def chances(self, distribution: Floats) -> Floats:
        """Chance of each path when a cell's outcomes have these chances."""
        return np.asarray(distribution[self.paths].prod(axis=1))

    def lifts(self, distribution: Floats) -> Floats:
        """True difference of each variant from the control."""
        means = distribution @ self.outcomes
        return np.asarray(means[1:] - means[0])

    def check(self, distribution: Floats) -> None:
        """The chance of a false winner, and the mean capital of the arms that are not better."""
        chances, lifts = self.chances(distribution), self.lifts(distribution)
        null = np.flatnonzero(lifts <= 1e-12)
        false = np.isin(self.race.winner, null + 1)
        assert chances[false].sum() <= self.delta + ROUNDING
        capital = self.race.pot + self.race.account[:, null].sum(axis=1)
        assert (chances * capital).sum() <= 1 + ROUNDING


BITS = np.array(list(product([0.0, 1.0], repeat=2)))
ONE_VARIANT = Enumeration(BITS, cells=6, delta=0.2, trials=np.inf)
THREE_POINTS = Enumeration(np.array(list(product([0.0, 0.3, 1.0], repeat=2))), cells=4, delta=0.3, trials=np.inf)
TWO_VARIANTS = Enumeration(np.array(list(product([0.0, 1.0], repeat=3))), cells=5, delta=0.3, trials=np.inf)
STEERED = Enumeration(np.array(list(product([0.0, 1.0], repeat=3))), cells=5, delta=0.3, trials=13)
ALL = [ONE_VARIANT, THREE_POINTS, TWO_VARIANTS, STEERED]
NAMES = ["one variant", "three points", "two variants", "steered"]


@pytest.mark.parametrize("enumeration", ALL, ids=NAMES)
def test_the_enumeration_can_fail(enumeration: Enumeration) -> None:
    """Winners are named in these experiments, and arms dropped, or the tests below would promise nothing."""
    assert (enumeration.race.end == End.WINNER).any()
    if enumeration.race.rule.variants > 1:
        assert (enumeration.race.why != 0).any()


@pytest.mark.parametrize("enumeration", ALL, ids=NAMES)
@settings(max_examples=150, deadline=None)
@given(data=st.data())
def test_false_winners_for_any_distribution(enumeration: Enumeration, data: st.DataObject) -> None:
    """Any joint distribution of the arms' scores, whichever variants it makes better."""
    weights = data.draw(
        st.lists(st.floats(0, 1), min_size=len(enumeration.outcomes), max_size=len(enumeration.outcomes)).filter(
            lambda drawn: sum(drawn) > 1e-3
        )
    )
    enumeration.check(np.array(weights) / sum(weights))


@pytest.mark.parametrize("rate", [0.05, 0.2, 0.35, 0.5])
def test_false_winners_at_the_border(rate: float) -> None:
    """One variant exactly as good as the control: the capital is a martingale, its mean exactly 1."""
    distribution = np.array([0.5 - rate, rate, rate, 0.5 - rate])
    ONE_VARIANT.check(distribution)
    capital = (ONE_VARIANT.chances(distribution) * ONE_VARIANT.race.account[:, 0]).sum()
    assert capital == pytest.approx(1, abs=1e-9)


def test_the_worst_distribution() -> None:
    """Search upwards for the equal-arms distribution with most false winners: still at most delta."""
    rng = np.random.default_rng(0)
    outcomes = TWO_VARIANTS.outcomes

    def fair(weights: Floats) -> Floats:
        """Average over renaming the arms, so that all are equally good."""
        total = np.zeros(len(outcomes))
        for order in ([0, 1, 2], [0, 2, 1], [1, 0, 2], [1, 2, 0], [2, 0, 1], [2, 1, 0]):
            index = outcomes[:, order] @ [4, 2, 1]
            total += weights[index.astype(int)]
        return np.asarray(total / total.sum())

    best = fair(np.ones(8))
    named = TWO_VARIANTS.race.winner > 0
    worst = 0.0
    for _ in range(300):
        trial = fair(np.abs(best + rng.normal(0, 0.08, 8)))
        error = TWO_VARIANTS.chances(trial)[named].sum()
        if error > worst:
            best, worst = trial, error
    assert 0.02 < worst <= TWO_VARIANTS.delta


@pytest.mark.parametrize("variants", [1, 3, 5])
@pytest.mark.parametrize("kind", ["bernoulli", "skewed", "two-point", "correlated"])
def test_false_winners_in_simulated_experiments(variants: int, kind: str) -> None:
    """At full length, looking after every batch: within the noise of a binomial at delta."""
    rng = np.random.default_rng(hash_of(kind) + variants)
    runs, cells, delta = 600, 80, 0.1
    shape = (runs, cells, variants + 1)
    made: dict[str, Callable[[], Floats]] = {
        "bernoulli": lambda: (rng.random(shape) < 0.7).astype(np.float64),
        "skewed": lambda: rng.beta(8, 0.8, shape),
        "two-point": lambda: np.where(rng.random(shape) < 0.05, 0.0, 0.9),
        "correlated": lambda: correlated(rng, runs, cells, [0.5] * (variants + 1), 0.6),
    }
    race = race_through(made[kind](), delta=delta, trials=cells * (variants + 1) * 0.7, batch=5)
    assert (race.winner > 0).sum() <= binom.isf(1e-4, runs, delta)


def hash_of(text: str) -> int:
    """A seed that is the same in every process."""
    return sum(ord(letter) for letter in text)


def test_a_rare_disaster_does_not_make_a_winner() -> None:
    """A variant better in most cells and much worse in few, with the control's mean, is not named."""
    rng = np.random.default_rng(5)
    runs, cells = 2000, 150
    disaster = rng.random((runs, cells)) < 0.02
    scores = np.stack([np.full((runs, cells), 0.5), np.where(disaster, 0.01, 0.51)], axis=2)
    race = race_through(scores, delta=0.05)
    assert (race.winner > 0).sum() <= binom.isf(1e-4, runs, 0.05)


def test_control_is_best_is_shown_not_guessed() -> None:
    """With one variant better by more than matters, `control_is_best` is said in at most delta."""
    rng = np.random.default_rng(6)
    runs = 1500
    scores = correlated(rng, runs, 100, [0.6, 0.64, 0.3], 0.3)
    race = race_through(scores, delta=0.1)
    assert (race.end == End.CONTROL_IS_BEST).sum() <= binom.isf(1e-4, runs, 0.1)
    worse = race_through(correlated(rng, 200, 200, [0.9, 0.4], 0.3), delta=0.1)
    assert (worse.end == End.CONTROL_IS_BEST).mean() > 0.5
