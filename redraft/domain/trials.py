"""Reading an experiment's trials: pages of them, and the mean metrics of each arm."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping
from uuid import UUID

from sqlalchemy import func
from sqlmodel import col, select
from sqlmodel.ext.asyncio.session import AsyncSession

from redraft.store.tables import Trial

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
