"""What a race says about its arms: means, lifts corrected for selection, intervals, the verdict."""

from dataclasses import dataclass
from typing import Literal

from redraft.experiment.estimate import corrected_base, corrected_difference
from redraft.experiment.horizon_bet import Floats
from redraft.experiment.intervals import Bets, difference_interval, ratio_interval
from redraft.experiment.race import End, Race, Why

Kind = Literal["winner", "control_is_best", "no_difference_found", "undecided"]
Dropped = Literal["outpaced", "futile", "missing"]

_DROPPED: dict[int, Dropped] = {Why.OUTPACED: "outpaced", Why.FUTILE: "futile", Why.MISSING: "missing"}
LEAST_CONTROL = 0.01  # a control whose mean is under 1 point of 100 makes a percentage meaningless


@dataclass(frozen=True)
class ArmReport:
    """One line of the scoreboard; scores and differences in units of the score.

    Attributes:
        arm: 0 is the control.
        cells: cells the arm met.
        mean: mean score, None before the first.
        difference: how much better than the control on the same cells, corrected for selection; None for
            the control and before the first score.
        difference_interval: holds for all arms together at level 1 - delta, whenever one looks.
        lift: the difference in percent of the control's mean; None where that is under 1 % of the scale.
        lift_interval: the same for the ratio of the means; None above where it is unbounded.
        confidence: 1 - the anytime-valid p-value, adjusted for all variants, of "no better than the control".
        live: whether the rule still tries it.
        dropped: why it does not.
    """

    arm: int
    cells: int
    mean: float | None
    difference: float | None = None
    difference_interval: tuple[float, float] | None = None
    lift: float | None = None
    lift_interval: tuple[float, float | None] | None = None
    confidence: float | None = None
    live: bool = True
    dropped: Dropped | None = None


@dataclass(frozen=True)
class Verdict:
    """How an experiment ended.

    Attributes:
        kind: `winner`; `control_is_best` (every variant shown, at level delta, to lack the lift that matters,
            and measured lower); `no_difference_found`; `undecided`, only where given scores ran out.
        winner: the arm named, or None.
        reason: one sentence.
        lift: the winner's, in percent; None without a winner or where the control's mean is next to 0.
        lift_interval: the winner's, above 0; see `ArmReport`.
        difference: the winner's, in units of the score.
        difference_interval: the winner's, above 0.
        confidence: the winner's, at least 1 - delta; None without a winner.
    """

    kind: Kind
    winner: int | None
    reason: str
    lift: float | None = None
    lift_interval: tuple[float, float | None] | None = None
    difference: float | None = None
    difference_interval: tuple[float, float] | None = None
    confidence: float | None = None


def report_arms(race: Race, run: int, scores: Floats, low: float, high: float) -> tuple[ArmReport, ...]:
    """The scoreboard of experiment `run`.

    Args:
        race: its state.
        run: which of the experiments in `race`.
        scores: the cells of that experiment in order, shape (n, K + 1), in [0, 1].
        low: the score that was scaled to 0.
        high: the score that was scaled to 1.
    """
    cells = int(race.cells[run])
    control = float(race.total[run, 0] / cells * (high - low) + low) if cells else None
    variants = (report_variant(race, run, scores, arm, low, high) for arm in range(1, race.rule.variants + 1))
    return (ArmReport(0, cells, control), *variants)


def report_variant(
    race: Race,
    run: int,
    scores: Floats,
    arm: int,
    low: float,
    high: float,
    groups: Floats | None = None,
    at_most: Floats | None = None,
) -> ArmReport:
    """The line of one variant; arguments as for `report_arms`, groups as for `corrected_difference`.

    `at_most` is `scores` with what is missing for the variants, not against them. The lift is halfway between.
    """
    met = int(race.met[run, arm - 1])
    why = _DROPPED.get(int(race.why[run, arm - 1]))
    if not met:
        return ArmReport(arm, 0, None, live=why is None, dropped=why)
    bets = bets_on(race, run, scores, arm, at_most)
    most, least = bets.at_most()
    own, control = (bets.arm + most) / 2, (bets.control + least) / 2
    mean = float(own.mean())
    gains = own - control
    difference = corrected_difference(gains, None if groups is None else groups[:met])
    interval = difference_interval(bets)
    difference = min(max(difference, interval[0]), interval[1])
    base = corrected_base(control, gains, difference)
    lift = lift_interval = None
    if base >= LEAST_CONTROL and low == 0:
        lower, upper = ratio_interval(bets)
        lift_interval = (100 * lower, None if upper is None else 100 * upper)
        lift = max(100 * difference / base, 100 * lower)
        lift = lift if upper is None else min(lift, 100 * upper)
    scale = high - low
    return ArmReport(
        arm=arm,
        cells=met,
        mean=mean * scale + low,
        difference=difference * scale,
        difference_interval=(interval[0] * scale, interval[1] * scale),
        lift=lift,
        lift_interval=lift_interval,
        confidence=float(max(0.0, 1 - 1 / race.peak[run, arm - 1])),
        live=why is None,
        dropped=why,
    )


def bets_on(race: Race, run: int, scores: Floats, arm: int, at_most: Floats | None = None) -> Bets:
    """One variant's scores and the money that worked for it, as `intervals` takes them."""
    met = int(race.met[run, arm - 1])
    deposits = ((cell, float(amounts[run, arm - 1])) for cell, amounts in race.deposits)
    return Bets(
        arm=scores[:met, arm],
        control=scores[:met, 0],
        deposits=tuple((cell, amount) for cell, amount in deposits if amount > 0 and cell <= met),
        delta=race.rule.delta,
        span=float(race.rule.span[run]),
        most=None if at_most is None else at_most[:met, arm],
        least=None if at_most is None else at_most[:met, 0],
    )


def verdict_of(race: Race, run: int, winner: ArmReport | None, *, undecided: bool) -> Verdict | None:
    """The verdict of experiment `run`, None while it goes on.

    Args:
        race: its state.
        run: which of the experiments in `race`.
        winner: the winner's line of the scoreboard, None where there is no winner.
        undecided: call it undecided, rather than no difference found, when the cells are spent.
    """
    end = End(int(race.end[run]))
    if end is End.RUNNING:
        return None
    if winner is not None:
        return _won(winner)
    if end is End.CONTROL_IS_BEST:
        return Verdict("control_is_best", None, "Every variant was shown to lack the smallest lift that matters.")
    if end is End.FUTILE:
        return Verdict("no_difference_found", None, "No variant had a fair chance left to show a lift that matters.")
    if undecided:
        return Verdict("undecided", None, "The scores ran out before the rule could end.")
    return Verdict("no_difference_found", None, "All trials were spent and no variant was shown to be better.")


def _won(arm: ArmReport) -> Verdict:
    """The winner's line as its verdict: that it is better is what was shown, so lift and intervals begin at 0."""
    interval, difference_interval = arm.lift_interval, arm.difference_interval
    if interval is not None:
        interval = (max(0.0, interval[0]), interval[1])
    if difference_interval is not None:
        difference_interval = (max(0.0, difference_interval[0]), difference_interval[1])
    return Verdict(
        kind="winner",
        winner=arm.arm,
        reason=f"The winner scored higher than the control on the same {arm.cells} cells.",
        lift=None if arm.lift is None else max(0.0, arm.lift),
        lift_interval=interval,
        difference=None if arm.difference is None else max(0.0, arm.difference),
        difference_interval=difference_interval,
        confidence=arm.confidence,
    )
