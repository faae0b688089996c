"""What others do to call a variant better, in a few lines each, and the scores to try it on.

Every rule takes scores of shape (R, N, K + 1), control first, in [0, 1], and answers shape (R,): the arm it
calls better, 0 for none.
"""

from collections.abc import Callable

import numpy as np
from scipy.stats import norm, t

from redraft.experiment.horizon_bet import Floats
from redraft.experiment.race import Ints

Rule = Callable[[Floats], Ints]
DELTA = 0.05


def best_where(called: Floats, means: Floats) -> Ints:
    """The arm with the best mean among those called better; 0 where there is none."""
    best = np.where(called, means, -np.inf).argmax(axis=1) + 1
    return np.asarray(np.where(called.any(axis=1), best, 0), dtype=np.int64)


def argmax(scores: Floats) -> Ints:
    """The best mean on all examples (GEPA's last step, MLflow, Opik, DeepEval)."""
    lift = scores[:, :, 1:].mean(axis=1) - scores[:, :, :1].mean(axis=1)
    return best_where(lift > 0, lift)


def minibatch(scores: Floats) -> Ints:
    """A better sum on three examples (GEPA's acceptance test)."""
    return argmax(scores[:, :3])


def peeking_t(scores: Floats, block: int = 30) -> Ints:
    """A paired one-sided t test at 5 % after every block of 30 (CAPO's racing)."""
    found = np.zeros(len(scores), dtype=np.int64)
    for end in range(block, scores.shape[1] + 1, block):
        gain = scores[:, :end, 1:] - scores[:, :end, :1]
        mean, deviation = gain.mean(axis=1), gain.std(axis=1, ddof=1)
        statistic = mean / np.maximum(deviation / np.sqrt(end), 1e-12)
        called = best_where(statistic > t.isf(DELTA, end - 1), mean)
        found = np.where(found == 0, called, found)
    return found


def bootstrap_holm(scores: Floats, resamples: int = 400) -> Ints:
    """A bootstrap of the mean difference on all examples, Holm's correction (Promptline's gate)."""
    runs, cells, arms = scores.shape
    draws = np.random.default_rng(0).multinomial(cells, np.full(cells, 1 / cells), resamples)
    gain = (scores[:, :, 1:] - scores[:, :, :1]).astype(np.float32)
    flat = gain.transpose(1, 0, 2).reshape(cells, -1)
    below = ((draws.astype(np.float32) @ flat) <= 1e-4).mean(axis=0)
    p = np.maximum(below, 1 / resamples).reshape(runs, arms - 1)
    order = np.sort(p, axis=1)
    steps = (order <= DELTA / np.arange(arms - 1, 0, -1)).cumprod(axis=1).sum(axis=1)
    limit = np.take_along_axis(order, np.maximum(steps - 1, 0)[:, None], axis=1)
    return best_where((p <= limit) & (steps > 0)[:, None], gain.mean(axis=1))


def mixture(scores: Floats) -> Ints:
    """The 40-line prototype: a mixture of betting martingales, union bound, looking after every cell."""
    leans = np.array([0.05, 0.1, 0.2, 0.3, 0.45, 0.6, 0.8])
    runs, cells, arms = scores.shape
    capital = np.ones((runs, arms - 1, len(leans)))
    found = np.zeros(runs, dtype=np.int64)
    for cell in range(cells):
        gain = scores[:, cell, 1:] - scores[:, cell, :1]
        capital *= 1 + leans * gain[:, :, None]
        means = capital.mean(axis=2)
        found = np.where(found == 0, best_where(means >= (arms - 1) / DELTA, means), found)
    return found


PEERS: dict[str, Rule] = {
    "argmax": argmax,
    "minibatch of 3": minibatch,
    "t, peeking": peeking_t,
    "bootstrap + Holm": bootstrap_holm,
    "mixture + union": mixture,
}


def copula(rng: np.random.Generator, runs: int, cells: int, means: list[float], correlation: float) -> Floats:
    """0/1 scores with these means from normal variables with this correlation between arms."""
    shape = (runs, cells, len(means))
    shared = np.sqrt(correlation) * rng.standard_normal((runs, cells, 1))
    own = np.sqrt(1 - correlation) * rng.standard_normal(shape)
    return np.asarray(shared + own < norm.ppf(means), dtype=np.float64)


def nulls(rng: np.random.Generator, runs: int, cells: int, arms: int) -> dict[str, Callable[[], Floats]]:
    """Scores of arms that are all equally good, by name of their distribution."""
    shape = (runs, cells, arms)
    return {
        "Bernoulli": lambda: np.asarray(rng.random(shape) < 0.7, dtype=np.float64),
        "Beta-skewed": lambda: rng.beta(8.0, 0.8, shape),
        "two-point": lambda: np.where(rng.random(shape) < 0.03, 0.0, 0.8),
        "correlated": lambda: copula(rng, runs, cells, [0.7] * arms, 0.5),
        "tied": lambda: copula(rng, runs, cells, [0.7] * arms, 0.97),
    }
