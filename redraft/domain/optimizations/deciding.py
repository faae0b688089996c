"""Deciding on an optimization: apply a variant, dismiss it, stop it, each in one transaction."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal
from uuid import UUID

from sqlmodel.ext.asyncio.session import AsyncSession

from redraft.domain.commit import Change, commit
from redraft.domain.errors import RedraftError, conflict, not_found
from redraft.domain.optimizations.events import say, say_applied
from redraft.domain.optimizations.states import RUNNING_STATES, end_early, has_drifted, lock_optimization, recheck_basis
from redraft.domain.settled import Settled
from redraft.store.tables import Decision, Optimization, Prompt, Variant
from redraft.store.tables.base import now


@dataclass(frozen=True, slots=True)
class OptimizationDecision:
    """What a person wants: `variant_id` only with apply, where None means the winner."""

    action: Literal["apply", "dismiss", "stop"]
    actor: str
    note: str = ""
    variant_id: UUID | None = None


async def decide_optimization(
    session: AsyncSession, optimization_id: UUID, decision: OptimizationDecision
) -> Settled[Optimization]:
    """Take a decision in one transaction. A refusal is returned beside the record: drift marks the record as well."""
    prompt, optimization = await lock_optimization(session, optimization_id)
    if decision.action == "apply":
        return await _apply(session, prompt, optimization, decision)
    if decision.action == "dismiss":
        return await _dismiss(session, optimization, decision)
    return await _stop(session, optimization, decision)


async def _apply(
    session: AsyncSession, prompt: Prompt, optimization: Optimization, decision: OptimizationDecision
) -> Settled[Optimization]:
    if optimization.status != "completed":
        running = optimization.status in RUNNING_STATES
        if optimization.reason == "drifted" or (running and has_drifted(prompt, optimization)):
            return Settled(optimization, _drift(prompt, optimization))
        return _refused(optimization, "Cannot apply variant: optimization not complete")
    variant = await _variant_to_apply(session, optimization, decision.variant_id)
    if isinstance(variant, RedraftError):
        return Settled(optimization, variant)
    if optimization.applied_variant_id == variant.id:
        return Settled(optimization)
    if optimization.applied_variant_id is not None:
        return _refused(optimization, "Cannot apply variant: another variant of this optimization was applied")
    if optimization.dismissed_at is not None:
        return _refused(optimization, "Cannot apply variant: the optimization was dismissed")
    if has_drifted(prompt, optimization):
        await recheck_basis(session, optimization.id)
        return Settled(optimization, _drift(prompt, optimization))
    winner_id = (optimization.results or {}).get("winningVariantId")
    change = Change(
        prompt_id=prompt.id,
        text=variant.text,
        source="optimization",
        actor=decision.actor,
        action="apply",
        basis_version_id=optimization.basis_version_id,
        note=decision.note,
        optimization_id=optimization.id,
        evidence={"variant_id": str(variant.id), "winner": str(variant.id) == winner_id},
    )
    version = await commit(session, change)
    optimization.applied_variant_id, optimization.applied_version_id = variant.id, version.id
    _sign(optimization, decision)
    session.add(optimization)
    await say_applied(session, optimization, version)
    return Settled(optimization)


async def _variant_to_apply(
    session: AsyncSession, optimization: Optimization, variant_id: UUID | None
) -> Variant | RedraftError:
    if variant_id is None:
        winner = (optimization.results or {}).get("winningVariantId")
        if winner is None:
            return conflict("INVALID_STATE", "Cannot apply variant: the optimization has no winner; name a variantId")
        variant_id = UUID(winner)
    variant = await session.get(Variant, variant_id)
    if variant is None or variant.optimization_id != optimization.id:
        return not_found("Variant")
    if variant.position == 0:
        return conflict("INVALID_STATE", "Cannot apply variant: the control is the prompt as it is")
    return variant


async def _dismiss(
    session: AsyncSession, optimization: Optimization, decision: OptimizationDecision
) -> Settled[Optimization]:
    if optimization.dismissed_at is not None:
        return Settled(optimization)
    if optimization.status != "completed" or optimization.applied_variant_id is not None:
        return _refused(optimization, "Cannot dismiss: only a completed optimization that was not applied")
    optimization.dismissed_at = now()
    _sign(optimization, decision)
    session.add_all([optimization, _record(optimization, decision)])
    await say(session, optimization, "optimization.dismissed", actor=decision.actor)
    return Settled(optimization)


async def _stop(
    session: AsyncSession, optimization: Optimization, decision: OptimizationDecision
) -> Settled[Optimization]:
    if optimization.status == "stopped":
        return Settled(optimization)
    if optimization.status not in RUNNING_STATES:
        return _refused(optimization, f"Cannot stop: the optimization is {optimization.status}")
    _sign(optimization, decision)
    session.add(_record(optimization, decision))
    await end_early(session, optimization, "stopped", decision.note)
    return Settled(optimization)


def _record(optimization: Optimization, decision: OptimizationDecision) -> Decision:
    return Decision(
        customer_id=optimization.customer_id,
        prompt_id=optimization.prompt_id,
        subject_kind="optimization",
        subject_id=optimization.id,
        action=decision.action,
        actor=decision.actor,
        note=decision.note,
    )


def _sign(optimization: Optimization, decision: OptimizationDecision) -> None:
    optimization.decided_by, optimization.decided_at, optimization.updated_at = decision.actor, now(), now()


def _refused(optimization: Optimization, message: str) -> Settled[Optimization]:
    return Settled(optimization, conflict("INVALID_STATE", message, status=optimization.status))


def _drift(prompt: Prompt, optimization: Optimization) -> RedraftError:
    return conflict(
        "PROMPT_VERSION_DRIFTED",
        "Cannot apply variant: the prompt has changed since the optimization began",
        basis_version_id=str(optimization.basis_version_id),
        current_version_id=str(prompt.current_version_id),
    )
