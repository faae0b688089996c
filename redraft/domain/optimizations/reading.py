"""Reading optimizations and their variants."""

from __future__ import annotations

from uuid import UUID

from sqlalchemy import func
from sqlmodel import col, select
from sqlmodel.ext.asyncio.session import AsyncSession

from redraft.domain.errors import not_found
from redraft.store.tables import Optimization, Variant


async def get_optimization(session: AsyncSession, optimization_id: UUID) -> Optimization:
    """Return an optimization. Raises NOT_FOUND."""
    optimization = await session.get(Optimization, optimization_id)
    if optimization is None:
        raise not_found("Optimization")
    return optimization


async def list_optimizations(
    session: AsyncSession, prompt_id: UUID | None, status: str | None, limit: int, offset: int
) -> tuple[list[Optimization], int]:
    """Return one page, newest first, and how many there are in all."""
    statement = select(Optimization)
    counting = select(func.count()).select_from(Optimization)
    if prompt_id is not None:
        statement = statement.where(Optimization.prompt_id == prompt_id)
        counting = counting.where(col(Optimization.prompt_id) == prompt_id)
    if status is not None:
        statement = statement.where(Optimization.status == status)
        counting = counting.where(col(Optimization.status) == status)
    ordered = statement.order_by(col(Optimization.created_at).desc(), col(Optimization.id).desc())
    rows = await session.exec(ordered.limit(limit).offset(offset))
    return list(rows), (await session.exec(counting)).one()


async def variants_of(session: AsyncSession, optimization_id: UUID) -> list[Variant]:
    """Return the arms of an experiment, the control first."""
    statement = select(Variant).where(Variant.optimization_id == optimization_id).order_by(col(Variant.position))
    return list(await session.exec(statement))
