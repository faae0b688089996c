"""Ending an experiment with its results."""

from __future__ import annotations

from typing import Any, Literal
from uuid import UUID

from sqlmodel.ext.asyncio.session import AsyncSession

from redraft.domain.optimizations.reading import variants_of
from redraft.domain.optimizations.regressions import regressions_of
from redraft.domain.optimizations.results import results_without_winner
from redraft.domain.optimizations.scores import verdict_of
from redraft.domain.optimizations.states import lock_optimization, move
from redraft.experiment import Verdict
from redraft.store.tables import Optimization


async def conclude(session: AsyncSession, optimization_id: UUID, reason: Literal["", "budget_spent"]) -> Optimization:
    """End the experiment with its results; `reason` when it ended without a verdict of the rule."""
    _, optimization = await lock_optimization(session, optimization_id)
    if optimization.status != "running":
        return optimization
    variants = await variants_of(session, optimization_id)
    if not variants:
        return await _conclude_empty(session, optimization, reason)
    verdict = await verdict_of(session, optimization)
    kind = verdict.kind if verdict is not None else reason or "no_difference_found"
    explanation = _why_without_verdict(reason) if verdict is None else verdict.reason
    results = await results_without_winner(session, optimization, kind, explanation)
    if verdict is not None:
        results["lift"] = verdict.lift
        results["liftInterval"] = list(verdict.lift_interval) if verdict.lift_interval else None
    if verdict is not None and verdict.winner is not None:
        results["winnerSelected"], results["winningVariantId"] = True, str(variants[verdict.winner].id)
        results["confidence"] = verdict.confidence
        results["regressionsReplayed"], results["regressions"] = await regressions_of(session, optimization_id)
        optimization.scoreboard = _with_verdict(optimization.scoreboard, verdict, verdict.winner)
    optimization.results, optimization.trials_done = results, results["trials"]
    await move(session, optimization, "completed", reason=kind)  # type: ignore[arg-type]  # `undecided` never comes from look
    return optimization


def _with_verdict(scoreboard: list[dict[str, Any]], verdict: Verdict, winner: int) -> list[dict[str, Any]]:
    """Return the scoreboard with the winner's intervals as the verdict has them: above zero."""
    known = {"lift_interval": verdict.lift_interval, "difference_interval": verdict.difference_interval}
    return [{**line, **known} if place == winner else line for place, line in enumerate(scoreboard)]


def _why_without_verdict(reason: str) -> str:
    if reason == "budget_spent":
        return "The budget was spent before the rule could end."
    return "The simulator failed in more cells than the plan can replace, before the rule could end."


async def _conclude_empty(session: AsyncSession, optimization: Optimization, reason: str) -> Optimization:
    explanation = "The budget did not allow the variants to be written."
    kind = reason or "no_difference_found"
    optimization.results = await results_without_winner(session, optimization, kind, explanation)
    await move(session, optimization, "completed", reason="budget_spent")
    return optimization
