"""The lift to report: corrected for the fact that the arm reported is the one that looked best.

One stops when an arm looks good and reports the best-looking one, so its plain mean is too high on average.
The posterior mean does not depend on when or why one stopped (Berger & Wolpert 1988, "The likelihood
principle") nor on which arm was picked (Dawid 1994, "Selection paradoxes of Bayesian inference"). Its prior
is a Cauchy distribution around "no difference": small and noisy differences are drawn in strongly, large ones
that many cells support hardly at all (by about 2 noise / difference: Tweedie's formula, Efron 2011, JASA).
"""

import numpy as np

from redraft.experiment.horizon_bet import Floats

PRIOR_SCALE = 0.06  # half of all true differences between prompts are taken to be smaller, of a scale of 1
PRIOR_CELLS, PRIOR_VARIANCE = (
    4.0,
    0.3,
)  # what the variance of a difference is taken for before there are scores
LEAST_GROUPS = 5  # fewer groups than this say too little of their own spread

_GRID = np.linspace(-1.0, 1.0, 1601)
_PRIOR = 1 / (1 + (_GRID / PRIOR_SCALE) ** 2)


def corrected_difference(differences: Floats, groups: Floats | None = None) -> float:
    """Posterior mean of an arm's true difference from the control, on the scale of [0, 1].

    Args:
        differences: one a cell, shape (n,), n >= 1.
        groups: number of the group each cell came with, shape (n,). Cells of one group may be alike (a block
            of examples): given at least five groups with several cells, their means show the noise.
    """
    mean = float(differences.mean())
    likelihood = np.exp(-0.5 * (mean - _GRID) ** 2 / _noise(differences, groups))
    weight = likelihood * _PRIOR
    return float((weight * _GRID).sum() / weight.sum())


def corrected_base(control: Floats, differences: Floats, corrected: float) -> float:
    """The control's mean, moved along with the difference as far as the two vary together.

    A difference that luck made too large has, for a part of it, a control that luck made too low.

    Args:
        control: its scores, shape (n,), n >= 1.
        differences: an arm's scores less the control's, shape (n,).
        corrected: what `corrected_difference` made of their mean.
    """
    variance = float(differences.var()) + PRIOR_CELLS * PRIOR_VARIANCE / len(differences)
    slope = float(((control - control.mean()) * differences).mean()) / variance
    return float(control.mean()) + slope * (corrected - float(differences.mean()))


def _noise(differences: Floats, groups: Floats | None) -> float:
    """Squared standard error of the mean difference."""
    cells = len(differences)
    spread = float(((differences - differences.mean()) ** 2).sum())
    plain = (spread + PRIOR_CELLS * PRIOR_VARIANCE) / (cells + PRIOR_CELLS) / cells
    if groups is None:
        return plain
    _, member = np.unique(groups, return_inverse=True)
    count = int(member.max()) + 1
    if count < LEAST_GROUPS or count == cells:
        return plain
    sums = np.bincount(member, weights=differences - differences.mean())
    return max(float((sums**2).sum()) * count / (count - 1) / cells**2, 1e-6)
