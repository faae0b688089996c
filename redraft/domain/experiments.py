"""The running part of an optimization: its design, its trials, and what the decision rule says of their scores."""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from decimal import Decimal
from typing import Any, Literal
from uuid import UUID

import numpy as np
from sqlalchemy import func, update
from sqlalchemy.dialects.postgresql import insert
from sqlmodel import col, select
from sqlmodel.ext.asyncio.session import AsyncSession

from redraft.domain.ledger import forget_answers
from redraft.domain.optimization_results import results_without_winner
from redraft.domain.optimizations import get_optimization, lock_optimization, move, variants_of
from redraft.experiment import ArmReport, Cell, Design, Look, Verdict, draw_cells, look
from redraft.settings import Settings
from redraft.store.ids import derived_id
from redraft.store.tables import Optimization, Trial, Variant
from redraft.store.tables.base import now

GREATEST_EXCLUDED_SHARE = 0.5
FEWEST_CELLS_TO_JUDGE = 20
GOOD_SCORE = 70.0
WORSE_BY = 20.0
GREATEST_REGRESSION_SCENARIOS = 5


def design_of_mode(settings: Settings, mode: str, variants: int) -> dict[str, Any]:
    """Return what an experiment of this mode fixes before its first score; all but the seed, which its id gives."""
    exploratory = mode == "exploratory"
    return {
        "delta": settings.exploratory_delta if exploratory else settings.validation_delta,
        "cells": settings.exploratory_cells if exploratory else settings.validation_cells,
        "turns": settings.exploratory_turns if exploratory else settings.validation_turns,
        "minimum_lift": settings.minimum_lift,
        "batch": settings.look_every_cells,
        "weights": dict(zip(("taskCompletion", "sentiment", "quality"), settings.score_weights, strict=True)),
        "variants": variants,
    }


def design_of(optimization: Optimization) -> Design:
    """Return the decision rule's design of an optimization."""
    return design_from(optimization.design)


def design_from(fixed: dict[str, Any]) -> Design:
    """Return the decision rule's design from what a record keeps of it."""
    return Design(
        variants=fixed["variants"],
        delta=fixed["delta"],
        cells=fixed["cells"],
        minimum_lift=fixed["minimum_lift"],
        batch=fixed["batch"],
        seed=fixed["seed"],
    )


@dataclass(frozen=True, slots=True)
class VariantDraft:
    """A variant to try."""

    name: str
    text: str
    hypothesis: str = ""
    evidence: list[dict[str, Any]] | None = None
    checks: list[dict[str, Any]] | None = None


async def store_arms(
    session: AsyncSession, optimization_id: UUID, drafts: list[VariantDraft], scenarios: list[dict[str, Any]]
) -> None:
    """Store control and variants and fix the number of arms; once stored, or once it has ended, nothing changes."""
    _, optimization = await lock_optimization(session, optimization_id)
    if optimization.status != "running" or await variants_of(session, optimization_id):
        return
    control = VariantDraft("Control (Original)", optimization.original_prompt)
    for position, draft in enumerate([control, *drafts]):
        session.add(
            Variant(
                id=derived_id(optimization_id, "variant", position),
                customer_id=optimization.customer_id,
                optimization_id=optimization_id,
                position=position,
                name=draft.name,
                text=draft.text,
                hypothesis=draft.hypothesis,
                evidence=draft.evidence or [],
                checks=draft.checks or [],
            )
        )
    optimization.variant_count = len(drafts)
    optimization.design = {**optimization.design, "variants": len(drafts)}
    optimization.scenarios = scenarios
    optimization.updated_at = now()
    session.add(optimization)
    await forget_answers(session, optimization_id)


# ---------------------------------------------------------------------------------------------- looking


@dataclass(frozen=True, slots=True)
class TrialRef:
    """A trial to run: the arm at `position` in cell number `cell`."""

    position: int
    cell: int
    kind: Literal["experiment", "regression"] = "experiment"


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


def greatest_cells(design: Design) -> int:
    """Return how many cells may be drawn: the horizon, and a quarter more in place of excluded ones.

    Ending the betting early breaks no guarantee, and what an experiment costs at most is known before it begins.
    """
    return design.cells + math.ceil(design.cells / 4)


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
    drawn = len(scores.rows)
    if drawn >= FEWEST_CELLS_TO_JUDGE and len(scores.faulty) > GREATEST_EXCLUDED_SHARE * drawn:
        note = f"{len(scores.faulty)} of {drawn} cells had to be excluded because the simulator failed"
        return Step([], ended=True, error=note)
    cells = [cell for cell in seen.next_cells if cell < greatest_cells(design_of(optimization))]
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


# ---------------------------------------------------------------------------------------------- trials


@dataclass(frozen=True, slots=True)
class TrialBasis:
    """What one trial is made of."""

    optimization: Optimization
    variant: Variant
    trial_id: UUID
    cell: Cell
    persona: dict[str, Any]
    scenario: dict[str, Any]


async def load_trial(session: AsyncSession, optimization_id: UUID, ref: TrialRef) -> TrialBasis | None:
    """Return what a trial is made of; None when it is already stored, or the experiment has ended."""
    optimization = await get_optimization(session, optimization_id)
    if optimization.status != "running":
        return None
    variant = (await variants_of(session, optimization_id))[ref.position]
    trial_id = derived_id(optimization_id, ref.kind, ref.cell, ref.position)
    if await session.get(Trial, trial_id) is not None:
        return None
    cell = cell_of(optimization, ref)
    personas = {persona["id"]: persona for persona in optimization.personas}
    scenarios = {scenario["id"]: scenario for scenario in optimization.scenarios}
    return TrialBasis(optimization, variant, trial_id, cell, personas[cell.persona], scenarios[cell.scenario])


def cell_of(optimization: Optimization, ref: TrialRef) -> Cell:
    """Return the circumstances of a trial; regression replays have fresh seeds and scenarios of their own."""
    personas = [persona["id"] for persona in optimization.personas]
    if ref.kind == "experiment":
        scenarios = [scenario["id"] for scenario in optimization.scenarios]
        return draw_cells(design_of(optimization), personas, scenarios, ref.cell + 1)[-1]
    scenario = optimization.scenarios[ref.cell % len(optimization.scenarios)]["id"]
    seed = derived_id(optimization.id, "regression", ref.cell).int % 2**31
    return Cell(ref.cell, personas[seed % len(personas)], scenario, seed)


@dataclass(frozen=True, slots=True)
class TrialOutcome:
    """What a trial came to: metrics and score 0..100, or the simulator's fault."""

    transcript: list[dict[str, Any]]
    turns: int
    metrics: dict[str, float] | None
    score: float | None
    reasons: dict[str, str]
    checks: list[dict[str, Any]]
    fault: str
    cost_usd: Decimal


async def store_trial(session: AsyncSession, basis: TrialBasis, kind: str, outcome: TrialOutcome) -> None:
    """Store a trial once, while its experiment runs; a second attempt at the same trial changes nothing."""
    running = select(Optimization.id).where(Optimization.id == basis.optimization.id, Optimization.status == "running")
    if (await session.exec(running.with_for_update())).first() is None:
        return  # its results, which were counted when it ended, stay true
    values = {
        "id": basis.trial_id,
        "customer_id": basis.optimization.customer_id,
        "optimization_id": basis.optimization.id,
        "variant_id": basis.variant.id,
        "kind": kind,
        "cell": basis.cell.index,
        "persona_id": basis.cell.persona,
        "scenario_id": UUID(basis.cell.scenario),
        "seed": basis.cell.seed,
        "created_at": now(),
        **asdict(outcome),
    }
    stored = await session.exec(insert(Trial).values(values).on_conflict_do_nothing().returning(col(Trial.id)))
    if stored.first() is not None and kind == "experiment":
        mine = update(Optimization).where(col(Optimization.id) == basis.optimization.id)
        await session.exec(mine.values(trials_done=Optimization.trials_done + 1))
    await forget_answers(session, basis.trial_id)


# ---------------------------------------------------------------------------------------------- concluding


async def plan_regressions(session: AsyncSession, optimization_id: UUID) -> list[TrialRef]:
    """Return replays for the winner and the control of the scenarios that the control did well on.

    They come after the verdict, on fresh seeds, and are no part of it.
    """
    optimization = await get_optimization(session, optimization_id)
    verdict, _ = await _verdict(session, optimization)
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


async def _verdict(session: AsyncSession, optimization: Optimization) -> tuple[Verdict | None, Scores]:
    scores = await scores_of(session, optimization)
    return look(design_of(optimization), scores.rows).verdict, scores


async def conclude(session: AsyncSession, optimization_id: UUID, reason: Literal["", "budget_spent"]) -> Optimization:
    """End the experiment with its results; `reason` when it ended without a verdict of the rule."""
    _, optimization = await lock_optimization(session, optimization_id)
    if optimization.status != "running":
        return optimization
    variants = await variants_of(session, optimization_id)
    if not variants:
        return await _conclude_empty(session, optimization, reason)
    verdict, _ = await _verdict(session, optimization)
    kind = verdict.kind if verdict is not None else reason or "no_difference_found"
    explanation = _why_without_verdict(reason) if verdict is None else verdict.reason
    results = await results_without_winner(session, optimization, kind, explanation)
    if verdict is not None:
        results["lift"] = verdict.lift
        results["liftInterval"] = list(verdict.lift_interval) if verdict.lift_interval else None
    if verdict is not None and verdict.winner is not None:
        results["winnerSelected"], results["winningVariantId"] = True, str(variants[verdict.winner].id)
        results["confidence"] = verdict.confidence
        results["regressionsReplayed"], results["regressions"] = await _regressions(session, optimization_id)
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


async def _regressions(session: AsyncSession, optimization_id: UUID) -> tuple[int, list[dict[str, Any]]]:
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
