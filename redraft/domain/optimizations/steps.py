"""The next step of an experiment: which trials to run, or that it has ended."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any
from uuid import UUID

from sqlmodel.ext.asyncio.session import AsyncSession

from redraft.domain.optimizations.design import design_of, greatest_cells
from redraft.domain.optimizations.reading import variants_of
from redraft.domain.optimizations.scores import Scores, scores_of
from redraft.domain.optimizations.states import lock_optimization
from redraft.domain.optimizations.trials import TrialRef
from redraft.experiment import ArmReport, Look, look
from redraft.store.tables import Optimization
from redraft.store.tables.base import now

GREATEST_EXCLUDED_SHARE = 0.5
FEWEST_CELLS_TO_JUDGE = 20


@dataclass(frozen=True, slots=True)
class Step:
    """What comes next: trials to run, or the end with its reason. `error` when the experiment can't go on."""

    trials: list[TrialRef]
    ended: bool = False
    error: str = ""


async def plan_step(session: AsyncSession, optimization_id: UUID) -> Step:
    """Look at the scores and say what to run next; keep the scoreboard in the record."""
    _, optimization = await lock_optimization(session, optimization_id)
    if optimization.status != "running":
        return Step([], ended=True)
    scores = await scores_of(session, optimization)
    seen = look(design_of(optimization), scores.rows)
    await _show(session, optimization, scores, seen)
    if seen.verdict is not None:
        return Step([], ended=True)
    cells = [cell for cell in seen.next_cells if cell < greatest_cells(design_of(optimization))]
    drawn = len(scores.rows)
    enough = drawn >= FEWEST_CELLS_TO_JUDGE or not cells
    if enough and len(scores.faulty) > GREATEST_EXCLUDED_SHARE * drawn:
        note = f"{len(scores.faulty)} of {drawn} cells had to be excluded because the simulator failed"
        return Step([], ended=True, error=note)
    if not cells:
        return Step([], ended=True)  # the plan is used up by cells that were excluded
    wanted = [TrialRef(arm, cell) for cell in cells for arm in seen.next_arms]
    return Step([t for t in wanted if (t.cell, t.position) not in scores.done and t.cell not in scores.faulty])


async def _show(session: AsyncSession, optimization: Optimization, scores: Scores, seen: Look) -> None:
    """Keep what the rule sees as the record's scoreboard, and on the variants why they were dropped."""
    variants = await variants_of(session, optimization.id)
    optimization.scoreboard = [
        {**_report(arm), "variantId": str(variant.id), "name": variant.name}
        for variant, arm in zip(variants, seen.arms, strict=True)
    ]
    for variant, arm in zip(variants, seen.arms, strict=True):
        if variant.dropped != (arm.dropped or ""):
            variant.dropped = arm.dropped or ""
            session.add(variant)
    optimization.trials_done, optimization.updated_at = scores.trials, now()
    session.add(optimization)


def _report(arm: ArmReport) -> dict[str, Any]:
    report = asdict(arm)
    report.pop("arm")
    return report
