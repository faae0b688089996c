"""What an orchestrator calls after every batch: `look(design, scores)`."""

from dataclasses import dataclass

import numpy as np

from redraft.experiment.design import Design
from redraft.experiment.horizon_bet import Floats
from redraft.experiment.pace import STEERING
from redraft.experiment.race import Bools, Ints, Race, Rule, Why, run
from redraft.experiment.report import ArmReport, Verdict, report_arms, verdict_of

__all__ = ["ArmReport", "Look", "Verdict", "look"]


@dataclass(frozen=True)
class Look:
    """What the rule says after the scores so far.

    Attributes:
        verdict: how it ended, or None while it goes on.
        next_cells: rows of `scores` to fill next, in the order of the drawn cells; empty after a verdict.
        next_arms: arms to run on each of them, 0 (the control) first; empty after a verdict.
        arms: one report an arm, the control first.
        cells: cells consumed, excluded ones not counted.
        trials: trials on the cells consumed.
    """

    verdict: Verdict | None
    next_cells: tuple[int, ...]
    next_arms: tuple[int, ...]
    arms: tuple[ArmReport, ...]
    cells: int
    trials: int


def look(design: Design, scores: Floats) -> Look:
    """Apply the decision rule to the scores so far; the same scores always give the same answer.

    Args:
        design: fixed before the first score.
        scores: shape (cells drawn so far, K + 1), control first, between `design.low` and `design.high`, in
            the order in which cells were drawn. A row that is NaN throughout is an excluded cell: it counts
            for nothing, and another is asked for in its place. NaN in a column is an arm that was not tried,
            which is allowed once the rule has dropped it. Rows after the verdict are ignored.

    Raises:
        ValueError: the shape is wrong, a score lies outside the bounds, or a live arm has no score.
    """
    rows = _checked(design, np.asarray(scores, dtype=np.float64))
    kept = ~np.isnan(rows).all(axis=1)
    scaled = (rows[kept] - design.low) / (design.high - design.low)
    looks = (np.arange(1, len(scaled) + 1) % design.batch == 0)[None, :]
    race = run(rule_of(design), scaled[None], looks)
    _check_live(race, rows, np.flatnonzero(kept))
    arms = report_arms(race, 0, scaled, design.low, design.high)
    winner = int(race.winner[0])
    verdict = verdict_of(race, 0, arms[winner] if winner else None, undecided=False)
    cells, trials = int(race.cells[0]), int(race.trials[0])
    if verdict is not None:
        return Look(verdict, (), (), arms, cells, trials)
    live = (0, *(int(arm) + 1 for arm in np.flatnonzero(race.live[0])))
    wanted = min(design.batch - cells % design.batch, _affordable_cells(race))
    following = range(len(rows), len(rows) + wanted)
    return Look(None, tuple(following), live, arms, cells, trials)


def rule_of(design: Design) -> Rule:
    """The design's numbers as `race` takes them: one experiment, scores scaled to [0, 1]."""
    return Rule(
        variants=design.variants,
        delta=design.delta,
        cells=np.array([design.cells]),
        trials=np.array([float(design.max_trials)]),
        minimum_lift=design.minimum_lift / (design.high - design.low),
        pace=STEERING,
    )


def _affordable_cells(race: Race) -> int:
    price = int(race.live[0].sum()) + 1
    return int(min(race.rule.cells[0] - race.cells[0], (race.rule.trials[0] - race.trials[0]) // price))


def _check_live(race: Race, scores: Floats, kept: Ints) -> None:
    """Refuse scores in which the control, or an arm the rule had not dropped, was left out."""
    bare = np.isnan(scores[kept, 0])
    if bare.any():
        raise ValueError(f"the control has no score in cell {kept[bare.argmax()]}; exclude a cell for all arms")
    missing = race.why[0] == Why.MISSING
    if missing.any():
        arm = int(missing.argmax())
        cell = kept[race.met[0, arm]]
        raise ValueError(f"arm {arm + 1} is live but has no score in cell {cell}; exclude a cell for all arms")


def _checked(design: Design, scores: Floats) -> Floats:
    if scores.ndim != 2 or scores.shape[1] != design.arms:
        raise ValueError(f"scores must have shape (cells, {design.arms}), not {scores.shape}")
    outside: Bools = (scores < design.low) | (scores > design.high)
    if outside.any():
        cell, arm = np.argwhere(outside)[0]
        raise ValueError(
            f"the score of arm {arm} in cell {cell} is {scores[cell, arm]:g}; "
            f"it must lie between {design.low:g} and {design.high:g}"
        )
    return scores
