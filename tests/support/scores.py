"""Scores of made-up experiments, and running the rule on many of them."""

import numpy as np

from redraft.experiment.horizon_bet import Floats
from redraft.experiment.pace import GIVEN, STEERING
from redraft.experiment.race import Race, Rule, run


def correlated(rng: np.random.Generator, runs: int, cells: int, means: list[float], share: float) -> Floats:
    """0/1 scores of shape (runs, cells, arms); two arms share their luck in a cell with chance `share`."""
    shape = (runs, cells, len(means))
    common = rng.random((runs, cells, 1))
    luck = np.where(rng.random(shape) < np.sqrt(share), common, rng.random(shape))
    return np.asarray(luck < np.array(means), dtype=np.float64)


def race_through(
    scores: Floats, *, delta: float = 0.05, trials: float = np.inf, batch: int = 1, minimum_lift: float = 0.03
) -> Race:
    """Run the rule over scores of shape (R, N, K + 1) in [0, 1], looking after every `batch` cells."""
    runs, cells = scores.shape[:2]
    rule = Rule(
        variants=scores.shape[2] - 1,
        delta=delta,
        cells=np.full(runs, cells),
        trials=np.full(runs, float(trials)),
        minimum_lift=minimum_lift,
        pace=STEERING if np.isfinite(trials) else GIVEN,
    )
    looks = np.broadcast_to(np.arange(1, cells + 1) % batch == 0, (runs, cells))
    return run(rule, scores, looks)
