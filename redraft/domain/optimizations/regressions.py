"""After the verdict: replays of the scenarios that the control did well on, to see where the winner does worse."""

from __future__ import annotations

from collections import defaultdict
from typing import Any
from uuid import UUID

from sqlalchemy import func
from sqlmodel import col, select
from sqlmodel.ext.asyncio.session import AsyncSession

from redraft.domain.optimizations.reading import get_optimization
from redraft.domain.optimizations.scores import verdict_of
from redraft.domain.optimizations.trials import TrialRef
from redraft.store.tables import Optimization, Trial, Variant

GOOD_SCORE = 70.0
WORSE_BY = 20.0
GREATEST_REGRESSION_SCENARIOS = 5


async def plan_regressions(session: AsyncSession, optimization_id: UUID) -> list[TrialRef]:
    """Return replays for the winner and the control of the scenarios that the control did well on.

    They come after the verdict, on fresh seeds, and are no part of it.
    """
    optimization = await get_optimization(session, optimization_id)
    verdict = await verdict_of(session, optimization)
    if optimization.status != "running" or verdict is None or verdict.winner is None:
        return []
    good = await _scenarios_done_well(session, optimization)
    return [TrialRef(arm, cell, "regression") for cell in good for arm in (0, verdict.winner)]


async def _scenarios_done_well(session: AsyncSession, optimization: Optimization) -> list[int]:
    """Return the scenarios, by their place in the record, whose mean score under the control was good."""
    statement = (
        select(Trial.scenario_id, func.avg(Trial.score))
        .join(Variant, col(Variant.id) == Trial.variant_id)
        .where(
            Trial.optimization_id == optimization.id,
            Trial.kind == "experiment",
            Variant.position == 0,
            Trial.fault == "",
        )
        .group_by(col(Trial.scenario_id))
        .having(func.avg(Trial.score) >= GOOD_SCORE)
    )
    good = {str(scenario_id) for scenario_id, _ in await session.exec(statement)}
    places = [place for place, scenario in enumerate(optimization.scenarios) if scenario["id"] in good]
    return places[:GREATEST_REGRESSION_SCENARIOS]


async def regressions_of(session: AsyncSession, optimization_id: UUID) -> tuple[int, list[dict[str, Any]]]:
    """Return how many scenarios were replayed, and those in which the winner did clearly worse than the control."""
    statement = (
        select(Trial, Variant.position)
        .join(Variant, col(Variant.id) == Trial.variant_id)
        .where(Trial.optimization_id == optimization_id, Trial.kind == "regression", Trial.fault == "")
        .order_by(col(Trial.cell), col(Variant.position))
    )
    cells: dict[int, dict[bool, Trial]] = defaultdict(dict)
    for trial, position in await session.exec(statement):
        cells[trial.cell][position == 0] = trial
    pairs = [pair for pair in cells.values() if len(pair) == 2]
    return len(pairs), [
        {
            "scenarioId": str(pair[True].scenario_id),
            "controlScore": pair[True].score,
            "winnerScore": pair[False].score,
            "controlTrialId": str(pair[True].id),
            "winnerTrialId": str(pair[False].id),
        }
        for pair in pairs
        if (pair[False].score or 0.0) <= (pair[True].score or 0.0) - WORSE_BY
    ]
