"""The states of an optimization, and every move from one to another.

queued → running → completed | failed | stopped. A completed one stays open until it is applied, dismissed, or its basis
moves. Every write of a state is guarded by the state it leaves, under the row's lock.
"""

from __future__ import annotations

from typing import Literal
from uuid import UUID

from sqlalchemy import ColumnElement, and_, func, or_
from sqlmodel import col, select
from sqlmodel.ext.asyncio.session import AsyncSession

from redraft.domain.commit import lock_prompt
from redraft.domain.optimizations.events import say, say_drifted, say_moved
from redraft.domain.optimizations.reading import get_optimization
from redraft.domain.optimizations.results import results_without_winner
from redraft.store.database import take_turns
from redraft.store.tables import Optimization, Prompt
from redraft.store.tables.base import now

PURPOSE = "optimization"  # of its model calls in the ledger
RUNNING_STATES = ("queued", "running")
Reason = Literal[
    "", "winner", "control_is_best", "no_difference_found", "budget_spent", "stopped", "drifted", "prompt_deleted"
]


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
    await take_turns(session, f"optimization-slots:{optimization.customer_id}")
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
    deleted = prompt.deleted_at is not None
    await say_drifted(session, prompt, optimization)
    if optimization.status in RUNNING_STATES:
        reason: Reason = "prompt_deleted" if deleted else "drifted"
        note = f"the prompt {'was deleted' if deleted else 'moved'} while the experiment ran"
        await end_early(session, optimization, reason, note)
    else:
        optimization.error, optimization.updated_at = "drifted", now()
        session.add(optimization)
        await say(session, optimization, "optimization.drifted")
    return optimization


async def end_early(session: AsyncSession, optimization: Optimization, reason: Reason, note: str) -> None:
    """Stop an experiment, with results that count what it had. They know no deleted prompts: that is `stopped`."""
    said = {"stopped": "Somebody stopped it.", "prompt_deleted": "The prompt was deleted while it ran."}
    published = "drifted" if reason == "drifted" else "stopped"
    explanation = said.get(reason, "The prompt moved while it ran.")
    optimization.results = await results_without_winner(session, optimization, published, explanation)
    optimization.trials_done = optimization.results["trials"]
    await move(session, optimization, "stopped", reason=reason, note=note)
