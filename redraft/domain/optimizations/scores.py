"""The scores of an experiment as the decision rule reads them: by cell, in order, from the stored trials."""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from sqlmodel import col, select
from sqlmodel.ext.asyncio.session import AsyncSession

from redraft.domain.optimizations.design import design_of
from redraft.experiment import Design, Verdict, look
from redraft.store.tables import Optimization, Trial, Variant


@dataclass(frozen=True, slots=True)
class Scores:
    """The scores so far: `rows` (cells × arms) up to the first cell that is not finished, NaN as in `look`.

    `faulty` are the cells excluded for all arms, `faults` counts the trials that made them so.
    """

    rows: np.ndarray[Any, np.dtype[np.float64]]
    done: frozenset[tuple[int, int]]
    faulty: frozenset[int]
    faults: int
    trials: int


async def scores_of(session: AsyncSession, optimization: Optimization) -> Scores:
    """Return the experiment's scores from the stored trials, in the order of the cells, not of completion."""
    statement = (
        select(Trial.cell, Variant.position, Trial.score, Trial.fault)
        .join(Variant, col(Variant.id) == Trial.variant_id)
        .where(Trial.optimization_id == optimization.id, Trial.kind == "experiment")
    )
    by_cell: dict[int, dict[int, float | None]] = defaultdict(dict)
    faults = 0
    for cell, position, score, fault in await session.exec(statement):
        by_cell[cell][position] = None if fault else score
        faults += bool(fault)
    design = design_of(optimization)
    rows = _rows(design, by_cell)
    done = frozenset((cell, position) for cell, arms in by_cell.items() for position in arms)
    faulty = frozenset(cell for cell, arms in by_cell.items() if None in arms.values())
    return Scores(rows, done, faulty, faults, len(done))


def _rows(design: Design, by_cell: dict[int, dict[int, float | None]]) -> np.ndarray[Any, np.dtype[np.float64]]:
    """Return the finished cells in order: each is finished when all arms that live at it have an outcome.

    A batch is planned only when the one before is finished, so all but the newest cells need no second look.
    """
    settled = max(by_cell, default=-1) - design.batch + 1
    rows = [_row(design, by_cell.get(cell, {}), range(design.arms)) for cell in range(settled)]
    while True:
        seen = look(design, _array(rows, design.arms))
        if seen.verdict is not None:
            return _array(rows, design.arms)
        for cell in seen.next_cells:
            outcomes = by_cell.get(cell, {})
            faulty = any(score is None for score in outcomes.values())
            if not faulty and any(arm not in outcomes for arm in seen.next_arms):
                return _array(rows, design.arms)
            rows.append(_row(design, outcomes, seen.next_arms))


def _row(design: Design, outcomes: dict[int, float | None], live: Sequence[int]) -> list[float]:
    """Return one cell's scores: NaN for an arm that did not live, and throughout when any of them was faulty."""
    if any(score is None for score in outcomes.values()):
        return [math.nan] * design.arms
    scores = {arm: score for arm, score in outcomes.items() if arm in live and score is not None}
    return [scores.get(arm, math.nan) for arm in range(design.arms)]


def _array(rows: list[list[float]], arms: int) -> np.ndarray[Any, np.dtype[np.float64]]:
    return np.array(rows, dtype=np.float64).reshape(len(rows), arms)


async def verdict_of(session: AsyncSession, optimization: Optimization) -> Verdict | None:
    """Return what the rule says of the stored scores; None while it wants more of them."""
    scores = await scores_of(session, optimization)
    return look(design_of(optimization), scores.rows).verdict
