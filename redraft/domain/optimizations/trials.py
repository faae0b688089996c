"""Trials of an experiment: what each is made of, its outcome, stored once, and pages of them."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from decimal import Decimal
from typing import Any, Literal
from uuid import UUID

from sqlalchemy import func, update
from sqlalchemy.dialects.postgresql import insert
from sqlmodel import col, select
from sqlmodel.ext.asyncio.session import AsyncSession

from redraft.domain.ledger import forget_answers
from redraft.domain.optimizations.design import design_of
from redraft.domain.optimizations.reading import get_optimization, variants_of
from redraft.experiment import Cell, draw_cells
from redraft.store.ids import derived_id
from redraft.store.tables import Optimization, Trial, Variant
from redraft.store.tables.base import now


@dataclass(frozen=True, slots=True)
class TrialRef:
    """A trial to run: the arm at `position` in cell number `cell`."""

    position: int
    cell: int
    kind: Literal["experiment", "regression"] = "experiment"


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


METRICS = ("taskCompletion", "sentiment", "quality")


async def trials_at(
    session: AsyncSession, optimization_id: UUID, variant_id: UUID | None, limit: int, offset: int
) -> tuple[list[Trial], int]:
    """Return one page of trials in the order of their cells, and how many there are in all."""
    statement = select(Trial).where(Trial.optimization_id == optimization_id)
    counting = select(func.count()).select_from(Trial).where(col(Trial.optimization_id) == optimization_id)
    if variant_id is not None:
        statement = statement.where(Trial.variant_id == variant_id)
        counting = counting.where(col(Trial.variant_id) == variant_id)
    ordered = statement.order_by(col(Trial.kind), col(Trial.cell), col(Trial.id)).limit(limit).offset(offset)
    return list(await session.exec(ordered)), (await session.exec(counting)).one()


async def excluded_cells(session: AsyncSession, optimization_id: UUID) -> set[tuple[str, int]]:
    """Return the cells, as (kind, number), that a fault of the simulator or judge excludes for all arms."""
    statement = select(Trial.kind, Trial.cell).where(Trial.optimization_id == optimization_id, Trial.fault != "")
    return {(kind, cell) for kind, cell in await session.exec(statement)}


async def mean_metrics(session: AsyncSession, optimization_id: UUID) -> dict[UUID, tuple[int, dict[str, float | None]]]:
    """Return for each arm how many trials count, and the means of its metrics (0..100, None before any)."""
    excluded = await excluded_cells(session, optimization_id)
    statement = select(Trial.variant_id, Trial.cell, Trial.metrics).where(
        Trial.optimization_id == optimization_id, Trial.kind == "experiment"
    )
    found: dict[UUID, list[Mapping[str, float]]] = defaultdict(list)
    for variant_id, cell, metrics in await session.exec(statement):
        if metrics is not None and ("experiment", cell) not in excluded:
            found[variant_id].append(metrics)
    return {
        variant_id: (len(rows), {name: sum(row[name] for row in rows) / len(rows) for name in METRICS})
        for variant_id, rows in found.items()
    }
