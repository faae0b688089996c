"""Opening an optimization of a prompt's current version."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime
from decimal import Decimal
from typing import Any, Literal
from uuid import UUID

from sqlmodel.ext.asyncio.session import AsyncSession

from redraft.domain.budgets import of_customer, refuse_when_spent
from redraft.domain.clock import refuse_late
from redraft.domain.commit import current_version, lock_prompt
from redraft.domain.errors import RedraftError, invalid
from redraft.domain.optimizations.events import say_created
from redraft.domain.optimizations.states import PURPOSE
from redraft.store.tables import Optimization

GREATEST_VARIANT_COUNT = 5
Mode = Literal["exploratory", "validation"]


@dataclass(frozen=True, slots=True)
class OptimizationRequest:
    """An optimization to open. `max_cost_usd` is a hard stop; `design` and `plan` follow from the mode's settings."""

    id: UUID
    customer_id: UUID
    prompt_id: UUID
    actor: str
    mode: Mode = "exploratory"
    variant_count: int = 3
    intent: dict[str, Any] = field(default_factory=dict)
    personas: list[dict[str, Any]] = field(default_factory=list)
    design: dict[str, Any] = field(default_factory=dict)
    plan: dict[str, Any] = field(default_factory=dict)
    max_cost_usd: Decimal | None = None
    workflow_id: str = ""
    deadline: datetime | None = None
    schedule_id: UUID | None = None


async def open_optimization(
    session: AsyncSession, request: OptimizationRequest, default_budget: Decimal | None = None
) -> Optimization:
    """Open an optimization of the prompt's current version, or answer the one this request opened before.

    `default_budget`: USD per month of a customer without a budget of its own, None for no limit. Raises INVALID for a
    prompt that does not exist, BUDGET_SPENT, DEADLINE_EXCEEDED when whoever asked has given up.
    """
    if (opened := await session.get(Optimization, request.id)) is not None:
        return opened
    try:
        prompt = await lock_prompt(session, request.prompt_id)
    except RedraftError as error:
        raise invalid("promptId", "there is no prompt with this id") from error
    await refuse_late(session, request.deadline)
    await refuse_when_spent(session, of_customer(request.customer_id), default_budget, PURPOSE)
    version = await current_version(session, prompt)
    optimization = Optimization(
        id=request.id,
        customer_id=request.customer_id,
        prompt_id=prompt.id,
        basis_version_id=version.id,
        schedule_id=request.schedule_id,
        original_prompt=version.text,
        mode=request.mode,
        variant_count=request.variant_count,
        intent=request.intent,
        persona_ids=[persona["id"] for persona in request.personas],
        personas=request.personas,
        design={**request.design, "seed": request.id.int % 2**31},
        plan=request.plan,
        max_cost_usd=request.max_cost_usd,
        created_by=request.actor,
        workflow_id=request.workflow_id,
    )
    session.add(optimization)
    await session.flush()
    await say_created(session, optimization)
    return optimization
