"""The arms of an experiment: the control, which is the prompt as it is, and the variants."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any
from uuid import UUID

from sqlmodel.ext.asyncio.session import AsyncSession

from redraft.domain.ledger import forget_answers
from redraft.domain.optimizations.reading import variants_of
from redraft.domain.optimizations.states import lock_optimization
from redraft.store.ids import derived_id
from redraft.store.tables import Variant
from redraft.store.tables.base import now


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
