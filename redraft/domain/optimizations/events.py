"""What the event log is told about an optimization: one event for each step it takes."""

from __future__ import annotations

from typing import Any

from sqlmodel.ext.asyncio.session import AsyncSession

from redraft.domain.outbox import emit
from redraft.store.tables import Optimization, Prompt, PromptVersion


async def say(session: AsyncSession, optimization: Optimization, topic: str, **facts: Any) -> None:
    """Record an event of an optimization."""
    await emit(session, optimization.customer_id, topic, optimization.id, prompt_id=optimization.prompt_id, **facts)


async def say_created(session: AsyncSession, optimization: Optimization) -> None:
    """Record what was asked for."""
    await say(
        session,
        optimization,
        "optimization.created",
        actor=optimization.created_by,
        mode=optimization.mode,
        variant_count=optimization.variant_count,
        basis_version_id=optimization.basis_version_id,
    )


async def say_moved(session: AsyncSession, optimization: Optimization) -> None:
    """Record that it left the queue, or how the experiment ended."""
    cost = float(optimization.cost_usd)
    if optimization.status == "running":
        await say(session, optimization, "optimization.started")
    elif optimization.status == "failed":
        await say(session, optimization, "optimization.failed", error=optimization.error, cost_usd=cost)
    elif optimization.status == "stopped":
        facts = {"reason": optimization.reason, "actor": optimization.decided_by, "cost_usd": cost}
        await say(session, optimization, "optimization.stopped", **facts)
    else:
        results = optimization.results or {}
        await say(
            session,
            optimization,
            "optimization.completed",
            reason=optimization.reason,
            winning_variant_id=results.get("winningVariantId"),
            lift=results.get("lift"),
            confidence=results.get("confidence"),
            trials=results.get("trials"),
            cost_usd=cost,
        )


async def say_applied(session: AsyncSession, optimization: Optimization, version: PromptVersion) -> None:
    """Record that a person applied a variant, and which version that made."""
    winner = (optimization.results or {}).get("winningVariantId")
    await say(
        session,
        optimization,
        "optimization.applied",
        actor=optimization.decided_by,
        variant_id=optimization.applied_variant_id,
        winner=str(optimization.applied_variant_id) == winner,
        version_id=version.id,
        version=version.number,
    )


async def say_drifted(session: AsyncSession, prompt: Prompt, optimization: Optimization) -> None:
    """Record that the basis has moved; that of a prompt which was deleted may not have."""
    if prompt.current_version_id == optimization.basis_version_id:
        return
    await emit(
        session,
        prompt.customer_id,
        "prompt.drifted",
        prompt.id,
        prompt_id=prompt.id,
        basis_version_id=optimization.basis_version_id,
        current_version_id=prompt.current_version_id,
        optimization_id=optimization.id,
    )
