"""Confidence intervals for a lift that hold after optional stopping and selection.

For each candidate value r of the lift of arm i, two gamblers bet, with half of the account's money each, on
and against X_i - (1 + r) X_0 having a mean above 0 (for a difference d: X_i - X_0 - d). Where r is the truth,
neither can expect to gain, so by the theorem in `race`, applied to all K true values at once, either purse
ever reaches 1/delta for any arm with chance at most delta. The values at which neither has got there are an
interval, and the K intervals hold together, whichever arm is named and whenever: the hedged betting
confidence sequence of Waudby-Smith & Ramdas (2023, theorem 3), with our shared pot in place of a Bonferroni
correction. Deposits are the same for every candidate, which makes the pot valid for them all.

Scores that are missing may be missing because of what they were. So the lower end takes them for the least the
lift could be, the upper end for the most: each gambler gains at most what the true scores would have paid.

A winner's interval is cut off at 0: there, lifts above 0 face these tests and lifts of 0 and less face the
rule's own, of the same size. So P(a false winner, or a winner whose interval misses its lift) <= delta.
"""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from redraft.experiment.horizon_bet import Floats

CAP = 0.95  # greatest share of a purse staked on one cell
HALVINGS = 26
GREATEST_EXPONENT = 300.0  # exp of more than that, or of its negative, may not fit a float
GREATEST_RATIO = 1000.0  # a lift beyond this counts as unbounded


@dataclass(frozen=True)
class Bets:
    """One arm's scores with what was staked on them.

    Attributes:
        arm: the arm's scores in [0, 1], shape (n,).
        control: the control's scores on the same cells, shape (n,).
        deposits: (cell, amount) in order of cells: money that starts to work at that cell.
        delta: level of all intervals together.
        span: cells an arm would get if none were dropped; the width is least around there.
        most: the arm's scores where those that are missing, and count against it in `arm`, count for it; None
            where nothing is missing.
        least: the same of the control.
    """

    arm: Floats
    control: Floats
    deposits: tuple[tuple[int, float], ...]
    delta: float
    span: float
    most: Floats | None = None
    least: Floats | None = None

    def at_most(self) -> tuple[Floats, Floats]:
        """Scores of arm and control with which the lift is greatest: what the upper end has to allow for."""
        return self.arm if self.most is None else self.most, self.control if self.least is None else self.least

    def leans(self) -> Floats:
        """Stakes before each cell, as shares of a purse, from earlier cells only; shape (n,)."""
        difference = self.arm - self.control
        seen = np.arange(len(difference)) + 2.0
        first = np.concatenate([[0.0], np.cumsum(difference)[:-1]]) / seen
        second = (np.concatenate([[0.0], np.cumsum(difference**2)[:-1]]) + 0.6) / seen
        variance = np.maximum(second - first**2, 1e-4)
        money = np.zeros(len(difference) + 1)
        for cell, amount in self.deposits:
            money[cell] += amount
        paid_in = np.cumsum(money)[:-1]  # what has come by then: later deposits answer to later scores
        size = np.log(2 / self.delta) + 0.5 * np.maximum(0.0, -np.log(np.maximum(paid_in, 1e-9)))
        return np.asarray(np.sqrt(2 * size / (0.7 * max(self.span, 1.0) * variance)))

    def survives(self, gains: Floats, leans: Floats) -> bool:
        """Whether a purse whose bets pay `gains` per unit staked has always stayed short of 1/delta."""
        grown = np.concatenate([[0.0], np.cumsum(np.log1p(leans * gains))])
        paid_in = np.zeros(len(grown))
        for cell, amount in self.deposits:
            paid_in[cell] += amount / 2
        if np.abs(grown).max() < GREATEST_EXPONENT:
            purse = np.exp(grown) * np.cumsum(paid_in * np.exp(-grown))
        else:
            since = np.where(np.tri(len(grown), dtype=bool), grown[:, None] - grown[None, :], -np.inf)
            purse = np.exp(np.minimum(since, GREATEST_EXPONENT)) @ paid_in
        return bool(purse.max() < 1 / self.delta)


def _last_true(holds: Callable[[float], bool], inside: float, outside: float) -> float:
    """The border between `inside`, where `holds` is true, and `outside`, where it is not."""
    for _ in range(HALVINGS):
        middle = (inside + outside) / 2
        if holds(middle):
            inside = middle
        else:
            outside = middle
    return outside


def difference_interval(bets: Bets) -> tuple[float, float]:
    """Interval for E[X_i - X_0], on the scale of [0, 1]; (-1, 1) before any cell."""
    gain = bets.arm - bets.control
    most, least = bets.at_most()
    greatest = most - least
    leans = bets.leans()

    def not_more(d: float) -> bool:  # the gambler on "the difference is more than d" stays poor
        return bets.survives(gain - d, np.minimum(leans, CAP / (1 + d)))

    def not_less(d: float) -> bool:
        return bets.survives(d - greatest, np.minimum(leans, CAP / (1 - d)))

    edge = 1 - 1e-9
    low = -1.0 if not_more(-edge) else _last_true(not_more, edge, -edge)
    high = 1.0 if not_less(edge) else _last_true(not_less, -edge, edge)
    return low, high


def ratio_interval(bets: Bets) -> tuple[float, float | None]:
    """Interval for E[X_i] / E[X_0] - 1; None above when the scores leave it unbounded."""
    most, least = bets.at_most()
    leans = bets.leans()

    def not_more(r: float) -> bool:
        return bets.survives(bets.arm - (1 + r) * bets.control, np.minimum(leans, CAP / (1 + r)))

    def not_less(r: float) -> bool:
        return bets.survives((1 + r) * least - most, np.minimum(leans, CAP))

    edge = -1 + 1e-9
    low = -1.0 if not_more(edge) else _last_true(not_more, GREATEST_RATIO, edge)
    if not_less(GREATEST_RATIO):
        return low, None
    return low, _last_true(not_less, edge, GREATEST_RATIO)
