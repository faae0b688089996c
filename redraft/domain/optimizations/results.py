"""What an optimization came to: the one shape of `results`, with or without a verdict of the rule."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any
from uuid import UUID

from sqlalchemy import text
from sqlmodel.ext.asyncio.session import AsyncSession

from redraft.store.database import run_sql
from redraft.store.tables import Optimization

_TALLY = text(
    "select count(*) as trials, count(*) filter (where fault <> '') as faults,"
    " count(distinct cell) filter (where fault <> '') as excluded"
    " from trials where optimization_id = :id and kind = 'experiment'"
)


@dataclass(frozen=True, slots=True)
class Tally:
    """Stored trials of the experiment, faults of the simulator among them, and the cells these excluded."""

    trials: int
    faults: int
    excluded: int


async def tally_of(session: AsyncSession, optimization_id: UUID) -> Tally:
    """Count the trials of an experiment, regression replays left out."""
    row = (await run_sql(session, _TALLY, id=optimization_id)).one()
    return Tally(row.trials, row.faults, row.excluded)


async def results_without_winner(
    session: AsyncSession, optimization: Optimization, reason: str, explanation: str
) -> dict[str, Any]:
    """Return the results of an experiment that named no winner; `reason` and `explanation` say why."""
    tally = await tally_of(session, optimization.id)
    return {
        "winnerSelected": False,
        "winningVariantId": None,
        "lift": None,
        "confidence": None,
        "liftInterval": None,
        "trials": tally.trials,
        "excludedCells": tally.excluded,
        "simulatorFaults": tally.faults,
        "costUsd": float(optimization.cost_usd),
        "regressions": [],
        "regressionsReplayed": 0,
        "reason": reason,
        "explanation": explanation,
    }
