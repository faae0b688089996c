"""Optimizations: opened, run, concluded, then applied or dismissed by a person.

States: queued → running → completed | failed | stopped. A completed one stays open until it is applied, dismissed,
or its basis moves. Every write of a state is guarded by the state it leaves, under the row's lock.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime
from decimal import Decimal
from typing import Any, Literal
from uuid import UUID

from sqlalchemy import ColumnElement, and_, func, or_
from sqlmodel import col, select
from sqlmodel.ext.asyncio.session import AsyncSession

from redraft.domain.budgets import of_customer, refuse_when_spent
from redraft.domain.clock import refuse_late
from redraft.domain.commit import Change, commit, current_version, lock_prompt
from redraft.domain.errors import RedraftError, conflict, invalid, not_found
from redraft.domain.optimization_events import say, say_applied, say_created, say_drifted, say_moved
from redraft.domain.optimization_results import results_without_winner
from redraft.domain.settled import Settled
from redraft.store.tables import Decision, Optimization, Prompt, Variant
from redraft.store.tables.base import now

PURPOSE = "optimization"  # of its model calls in the ledger
GREATEST_VARIANT_COUNT = 5
RUNNING_STATES = ("queued", "running")
Mode = Literal["exploratory", "validation"]
Reason = Literal[
    "", "winner", "control_is_best", "no_difference_found", "budget_spent", "stopped", "drifted", "prompt_deleted"
]


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


# ---------------------------------------------------------------------------------------------- state


async def lock_optimization(session: AsyncSession, optimization_id: UUID) -> tuple[Prompt, Optimization]:
    """Return an optimization and its prompt, both locked, the prompt first. Raises NOT_FOUND."""
    found = await get_optimization(session, optimization_id)
    prompt = await lock_prompt(session, found.prompt_id, deleted_too=True)
    statement = select(Optimization).where(Optimization.id == optimization_id).with_for_update()
    return prompt, (await session.exec(statement.execution_options(populate_existing=True))).one()


def has_drifted(prompt: Prompt, optimization: Optimization) -> bool:
    """Return whether the prompt has left the version that the experiment was made on."""
    return prompt.deleted_at is not None or prompt.current_version_id != optimization.basis_version_id


def is_open(optimization: Optimization) -> bool:
    """Return whether anything can still happen: it runs, or it waits for a person on an unmoved basis."""
    if optimization.status in RUNNING_STATES:
        return True
    undecided = optimization.applied_variant_id is None and optimization.dismissed_at is None
    return optimization.status == "completed" and undecided and optimization.error != "drifted"


def open_records() -> ColumnElement[bool]:
    """Return the condition for `is_open`, in SQL."""
    waiting = and_(
        col(Optimization.status) == "completed",
        col(Optimization.applied_variant_id).is_(None),
        col(Optimization.dismissed_at).is_(None),
        col(Optimization.error) != "drifted",
    )
    return or_(col(Optimization.status).in_(RUNNING_STATES), waiting)


async def open_on_moved_basis(session: AsyncSession, prompt_id: UUID) -> list[UUID]:
    """Return the open optimizations of a prompt that has left their basis, or was deleted."""
    moved = or_(
        col(Prompt.deleted_at).is_not(None),
        col(Optimization.basis_version_id).is_distinct_from(Prompt.current_version_id),
    )
    statement = (
        select(Optimization.id)
        .join(Prompt, col(Prompt.id) == Optimization.prompt_id)
        .where(Optimization.prompt_id == prompt_id, open_records(), moved)
    )
    return list(await session.exec(statement))


async def move(
    session: AsyncSession,
    optimization: Optimization,
    status: str,
    *,
    reason: Reason = "",
    error: str = "",
    note: str = "",
) -> None:
    """Move a locked optimization that runs on to another state, and say so in the event log."""
    if optimization.status not in RUNNING_STATES:
        raise AssertionError(f"optimization {optimization.id} is {optimization.status}: it has ended")
    optimization.status, optimization.updated_at = status, now()
    optimization.reason, optimization.error = reason or optimization.reason, error
    optimization.note = note or optimization.note
    if status == "running":
        optimization.started_at = now()
    else:
        optimization.completed_at = now()
    session.add(optimization)
    await say_moved(session, optimization)


async def claim_slot(session: AsyncSession, optimization_id: UUID, slots: int) -> bool:
    """Start a queued optimization if fewer than `slots` of its customer run; return whether it left the queue."""
    _, optimization = await lock_optimization(session, optimization_id)
    if optimization.status != "queued":
        return True
    # One claim at a time per customer: two may not take the last slot together.
    await session.exec(select(func.pg_advisory_xact_lock(func.hashtextextended(str(optimization.customer_id), 1))))
    running = select(func.count()).where(
        col(Optimization.customer_id) == optimization.customer_id, col(Optimization.status) == "running"
    )
    if (await session.exec(running)).one() >= slots:
        return False
    await move(session, optimization, "running")
    return True


async def fail_optimization(session: AsyncSession, optimization_id: UUID, error: str, note: str) -> Optimization:
    """Fail an optimization that runs; any other is left as it is."""
    _, optimization = await lock_optimization(session, optimization_id)
    if optimization.status in RUNNING_STATES:
        await move(session, optimization, "failed", error=error, note=note)
    return optimization


async def recheck_basis(session: AsyncSession, optimization_id: UUID) -> Optimization:
    """Stop an optimization whose basis has moved; one that waits is marked, because nothing of it can be applied."""
    prompt, optimization = await lock_optimization(session, optimization_id)
    if not is_open(optimization) or not has_drifted(prompt, optimization):
        return optimization
    reason: Reason = "prompt_deleted" if prompt.deleted_at is not None else "drifted"
    await say_drifted(session, prompt, optimization)
    if optimization.status in RUNNING_STATES:
        await _end_early(session, optimization, reason, "the prompt moved while the experiment ran")
    else:
        optimization.error, optimization.updated_at = "drifted", now()
        session.add(optimization)
        await say(session, optimization, "optimization.drifted")
    return optimization


# ---------------------------------------------------------------------------------------------- deciding


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
    await _end_early(session, optimization, "stopped", decision.note)
    return Settled(optimization)


async def _end_early(session: AsyncSession, optimization: Optimization, reason: Reason, note: str) -> None:
    """Stop an experiment, with results that count what it had."""
    said = "Somebody stopped it." if reason == "stopped" else "The prompt moved while it ran."
    optimization.results = await results_without_winner(session, optimization, reason, said)
    optimization.trials_done = optimization.results["trials"]
    await move(session, optimization, "stopped", reason=reason, note=note)


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
