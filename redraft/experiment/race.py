"""The rule itself, run on R experiments at once: bets after every cell, decisions after every look.

Theorem. Let X_i be the score of arm i in a cell, scaled to [0, 1], X_0 the control's, cells independent and
identically distributed (or, weaker, E[X_i - X_0 | past] constant), and D_i = X_i - X_0. One unit of capital
is split into a pot P, which is never at stake, and an account a_i for each variant. Before each cell the rule
moves any part of the pot into accounts and stakes s_i on variant i, 0 <= s_i <= a_i, both chosen from past
scores only; the cell turns a_i into a_i + s_i D_i, which is never negative as D_i >= -1. Let S be the set of
variants that are not better than the control (E[D_i] <= 0). Then Y = P + sum of a_i over S is a non-negative
supermartingale with Y = 1 at most at the start: moving money from the pot cannot raise it, and no bet on S
has a positive mean. By Ville's inequality (1939) Y ever reaches 1/delta with chance at most delta. The rule
names variant i only when P + a_i >= 1/delta, and for i in S that is at most Y. So

    P(a variant that is not better than the control is ever named) <= delta,

over all variants together, for any distribution of scores and any dependence between arms, however often one
looks and whyever one stops. Dropping an arm sets its stake to zero. The pot goes, bit by bit, to the arms in
the lead, which is where this gains on a Bonferroni correction (accounts of 1/K, no pot).

Sources: betting on bounded means, Waudby-Smith & Ramdas (2023), "Estimating means of bounded random variables
by betting", JRSS B 86, theorem 1 and section 4; testing by supermartingale and optional stopping, Ramdas,
Gruenwald, Vovk & Shafer (2023), "Game-theoretic statistics and safe anytime-valid inference", Stat. Sci. 38;
averaging e-processes over hypotheses, Vovk & Wang (2021), "E-values: calibration, combination and
applications", Ann. Stat. 49, sections 3 and 5. The pot is their average e-value with part of the money kept
in cash until data that is not used for bets says where it is needed.

What is *not* needed for the theorem, only for few trials, is how stakes are sized (`horizon_bet`) and when
arms are dropped (`_outpaced`, `_futile`): see `pace`.
"""

from dataclasses import dataclass, field
from enum import IntEnum

import numpy as np
from numpy.typing import NDArray

from redraft.experiment.horizon_bet import normal_quantile, stake_table, stakes
from redraft.experiment.pace import Pace

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]
Bools = NDArray[np.bool_]

CAP = 0.95  # greatest share of an account staked on one cell
OVERSHOOT = 1.01  # capital aims a little beyond 1/delta, or it would creep up to it
PRIOR_CELLS, PRIOR_SQUARE = 8.0, 0.3  # what E[D^2] is taken for before there are scores


class End(IntEnum):
    """How an experiment ended; RUNNING when it has not."""

    RUNNING = 0
    WINNER = 1
    CONTROL_IS_BEST = 2
    FUTILE = 3
    SPENT = 4


class Why(IntEnum):
    """Why an arm was dropped; LIVE when it was not."""

    LIVE = 0
    OUTPACED = 1
    FUTILE = 2
    MISSING = 3


@dataclass(frozen=True)
class Rule:
    """Numbers of R experiments run side by side; scores are scaled to [0, 1].

    Attributes:
        variants: K.
        delta: greatest chance of a false winner, per experiment.
        cells: horizon in cells, shape (R,).
        trials: horizon in trials, shape (R,); infinite where scores are there already and cost nothing.
        minimum_lift: the smallest lift that matters, on the scale of [0, 1].
        pace: how fast to commit.
    """

    variants: int
    delta: float
    cells: Ints
    trials: Floats
    minimum_lift: float
    pace: Pace

    @property
    def pot(self) -> float:
        """Share of the capital kept in cash at the start; a lone variant needs none."""
        return self.pace.pot if self.variants > 1 else 0.0

    @property
    def span(self) -> Floats:
        """Cells each arm would get if none were dropped, shape (R,)."""
        return np.minimum(self.cells, self.trials / (self.variants + 1))


@dataclass
class Race:
    """State of R experiments: capital, sums of scores, who is live, who has won."""

    rule: Rule
    active: Bools = field(init=False)
    live: Bools = field(init=False)
    account: Floats = field(init=False)
    pot: Floats = field(init=False)
    against: Floats = field(init=False)
    peak: Floats = field(init=False)
    met: Ints = field(init=False)
    cells: Ints = field(init=False)
    trials: Ints = field(init=False)
    total: Floats = field(init=False)
    control_total: Floats = field(init=False)
    squares: Floats = field(init=False)
    products: Floats = field(init=False)
    doubt: Floats = field(init=False)
    end: Ints = field(init=False)
    winner: Ints = field(init=False)
    why: Ints = field(init=False)
    deposits: list[tuple[int, Floats]] = field(init=False)

    def __post_init__(self) -> None:
        """Open the accounts."""
        runs, variants = len(self.rule.cells), self.rule.variants
        share = (1 - self.rule.pot) / variants
        self.active = np.ones(runs, dtype=bool)
        self.live = np.ones((runs, variants), dtype=bool)
        self.account = np.full((runs, variants), share)
        self.pot = np.full(runs, self.rule.pot)
        self.against = np.ones((runs, variants))
        self.peak = np.ones((runs, variants))
        self.met = np.zeros((runs, variants), dtype=np.int64)
        self.cells = np.zeros(runs, dtype=np.int64)
        self.trials = np.zeros(runs, dtype=np.int64)
        self.total = np.zeros((runs, variants + 1))
        self.control_total = np.zeros((runs, variants))
        self.squares = np.zeros((runs, variants))
        self.products = np.zeros((runs, variants, variants))
        self.doubt = np.zeros((runs, variants))
        self.end = np.zeros(runs, dtype=np.int64)
        self.winner = np.zeros(runs, dtype=np.int64)
        self.why = np.zeros((runs, variants), dtype=np.int64)
        self.deposits = [(0, np.full((runs, variants), share))]

    def affordable(self) -> Bools:
        """Experiments that may meet one more cell, shape (R,)."""
        price = self.live.sum(axis=1) + 1
        within = (self.cells < self.rule.cells) & (self.trials + price <= self.rule.trials)
        return np.asarray(self.active & within)

    def cells_left(self) -> Floats:
        """Cells that a lone survivor could still meet, shape (R,)."""
        return np.asarray(np.minimum(self.rule.cells - self.cells, (self.rule.trials - self.trials) / 2))

    def deviation(self) -> Floats:
        """Root mean square of each difference so far, with a prior, shape (R, K)."""
        return np.asarray(np.sqrt((self.squares + PRIOR_CELLS * PRIOR_SQUARE) / (self.met + PRIOR_CELLS)))

    def bet(self, scores: Floats, running: Bools, at_most: Floats | None = None) -> None:
        """Stake on one cell and settle.

        Args:
            scores: shape (R, K + 1), control first, in [0, 1]; scores of arms that are not live are not read.
            running: which experiments meet this cell, shape (R,).
            at_most: the same with what is missing for the variants, not against them; None where nothing is missing.
        """
        control = np.where(running, scores[:, 0], 0.0)[:, None]
        betting = self.live & running[:, None]
        arm = np.where(betting, scores[:, 1:], 0.0)
        difference = np.where(betting, arm - control, 0.0)
        greatest = difference if at_most is None else np.where(betting, at_most[:, 1:] - at_most[:, :1], 0.0)
        horizon = self.cells + np.maximum(self.cells_left(), 1.0)
        fraction = (self.cells / horizon)[:, None]
        scale = self.deviation() * np.sqrt(horizon)[:, None]
        table = stake_table(self.rule.delta, self.rule.pace.shape)
        within_reach = self.account + self.pot[:, None]
        lean = stakes(table, fraction, self.rule.delta / OVERSHOOT * within_reach) / scale
        self.account += np.minimum(lean * within_reach, CAP * self.account) * difference
        lean = stakes(table, fraction, self.rule.delta / OVERSHOOT * self.against) / scale
        shortfall = np.where(betting, self.rule.minimum_lift - greatest, 0.0)
        self.against *= 1 + np.minimum(lean, CAP) * shortfall
        self.peak = np.maximum(self.peak, np.where(betting, self.account + self.pot[:, None], 0.0))
        self.doubt += greatest - difference
        self._record(control, arm, difference, betting, running)

    def _record(self, control: Floats, arm: Floats, difference: Floats, betting: Bools, running: Bools) -> None:
        self.total[:, 0] += control[:, 0]
        self.total[:, 1:] += arm
        self.control_total += np.where(betting, control, 0.0)
        self.squares += difference * difference
        self.products += difference[:, :, None] * difference[:, None, :]
        self.met += betting
        self.trials += betting.sum(axis=1) + running
        self.cells += running

    def difference(self) -> Floats:
        """Mean of each variant's score less the control's on the cells it met, shape (R, K)."""
        return np.asarray((self.total[:, 1:] - self.control_total) / np.maximum(self.met, 1))

    def review(self, looked: Bools) -> None:
        """Look: name a winner, drop arms, end what is decided or spent. `looked` has shape (R,)."""
        looked = looked & self.active
        if not looked.any():
            return
        reached = self.live & looked[:, None] & (self.account + self.pot[:, None] >= 1 / self.rule.delta)
        won = np.asarray(reached.any(axis=1))
        best = np.where(reached, self.difference(), -np.inf).argmax(axis=1)
        self.winner = np.where(won, best + 1, self.winner)
        self._close(won, End.WINNER)
        self._close(looked & self._control_is_best(), End.CONTROL_IS_BEST)
        self._drop(looked & self.active)
        self._close(looked & ~self.affordable(), End.SPENT)

    def _close(self, which: Bools, end: End) -> None:
        self.end = np.where(which & self.active, int(end), self.end)
        self.active = self.active & ~which

    def _control_is_best(self) -> Bools:
        """Whether every variant is shown, at level delta, to lack the lift that matters, and measured lower.

        Each is a betting test of E[D_i] >= minimum_lift, in which a missing score is worth the most to the variant.
        All must reject, so no correction is due (intersection-union test: Berger 1982).
        """
        greatest = self.difference() + self.doubt / np.maximum(self.met, 1)
        shown = (self.against >= 1 / self.rule.delta) & (greatest < 0)
        return np.asarray(shown.all(axis=1))

    def _drop(self, looked: Bools) -> None:
        settled = looked & (self.cells >= self.rule.pace.settling * self.rule.span) & (self.cells > 1)
        outpaced = self.live & settled[:, None] & self._outpaced()
        futile = self.live & settled[:, None] & self._futile() & ~outpaced
        self.retire(outpaced, Why.OUTPACED)
        self.retire(futile, Why.FUTILE)
        gone = looked & ~self.live.any(axis=1)
        given_out = np.asarray((self.why == Why.MISSING).any(axis=1))
        self._close(gone & given_out, End.SPENT)
        self._close(gone, End.FUTILE)
        self._release(looked)

    def retire(self, dropped: Bools, why: Why) -> None:
        """End betting on arms, shape (R, K)."""
        self.why = np.where(dropped & self.live, int(why), self.why)
        self.live = self.live & ~dropped

    def _release(self, looked: Bools) -> None:
        """Move cash to the accounts of live arms, most to those in the lead; all of it to a last one."""
        pace, share = self.rule.pace, self.cells / np.maximum(self.rule.span, 1.0)
        kept = np.clip((pace.release_to - share) / (pace.release_to - pace.release_from), 0.0, 1.0) ** 2 * self.rule.pot
        kept = np.where(self.live.sum(axis=1) <= 1, 0.0, kept)
        released = np.where(looked & self.active, np.maximum(self.pot - kept, 0.0), 0.0)
        if not released.any():
            return
        weight = np.where(self.live, np.exp(-pace.leading * self._lag() ** 2), 0.0)
        deposit = released[:, None] * weight / np.maximum(weight.sum(axis=1, keepdims=True), 1e-300)
        self.pot = self.pot - released
        self.account = self.account + deposit
        self.deposits.append((int(self.cells.max()), deposit))

    def _lag(self) -> Floats:
        """How far each arm lies behind the best live one, in standard errors, shape (R, K)."""
        difference = np.where(self.live, self.difference(), -np.inf)
        lead = difference.max(axis=1, keepdims=True)
        lag = np.where(np.isfinite(lead), lead, 0.0) - self.difference()
        cells = np.maximum(self.cells, 1)[:, None]
        own = np.diagonal(self.products, axis1=1, axis2=2)
        apart = own[:, :, None] + own[:, None, :] - 2 * self.products
        leading = (difference == lead) & self.live  # of several in the lead, the one an arm differs most from
        square = np.where(leading[:, :, None], apart, 0.0).max(axis=1) / cells
        variance = np.maximum(square - lag**2, 0.0) + PRIOR_SQUARE * 4 / (cells + 4)
        return np.asarray(lag / np.sqrt(variance / cells))

    def _outpaced(self) -> Bools:
        """Arms whose lag no longer looks like chance, shape (R, K).

        The bound on the lag in standard errors falls as 1/sqrt(share of the horizon): a constant bound on the
        sum of differences, as in a sequential probability ratio test. Early looks are the ones that err.
        """
        share = np.minimum(self.cells / np.maximum(self.rule.span, 1.0), 1.0)[:, None]
        return np.asarray(self._lag() > self.rule.pace.outpaced / np.sqrt(np.maximum(share, 1e-9)))

    def _futile(self) -> Bools:
        """Arms that have next to no chance to reach 1/delta in the cells left, shape (R, K).

        The chance is that of the optimal bet with a deadline (Browne 1999), Phi(z(delta W) + lift
        sqrt(cells) / deviation), at the lift measured plus half a standard error, or at the smallest lift
        that matters where that is more.
        """
        deviation = self.deviation()
        error = deviation / np.sqrt(np.maximum(self.met, 1))
        hoped = np.maximum(self.difference() + 0.5 * error, self.rule.minimum_lift)
        left = np.maximum(self.cells_left(), 0.0)[:, None]
        capital = self.rule.delta * (self.account + self.pot[:, None])
        bound = normal_quantile(np.array([self.rule.pace.futile_chance]))[0]
        return np.asarray(normal_quantile(capital) + hoped * np.sqrt(left) / deviation < bound)


def run(rule: Rule, scores: Floats, looks: Bools, at_most: Floats | None = None) -> Race:
    """Run R experiments through scores that are there.

    Args:
        rule: shared numbers.
        scores: shape (R, N, K + 1), control first, in [0, 1]; NaN where an arm was not tried, which ends
            betting on it. A cell without the control's score is past the end of its experiment.
        looks: after which cells the rule looks, shape (R, N).
        at_most: scores with what is missing for the variants, not against them; None where nothing is missing.

    Returns:
        The state after the last cell or decision. An experiment that could go on is RUNNING.
    """
    race = Race(rule)
    for cell in range(scores.shape[1]):
        present = ~np.isnan(scores[:, cell, 0])
        running = race.affordable() & present
        if not running.any():
            break
        missing = race.live & running[:, None] & np.isnan(scores[:, cell, 1:])
        if missing.any():
            race.retire(missing, Why.MISSING)
        race.bet(scores[:, cell], running, None if at_most is None else at_most[:, cell])
        last = running & ~race.affordable()
        race.review(running & (looks[:, cell] | last))
    return race
