"""Runs: recorded, read, corrected, deleted. The numbers of a run live in its trace, so it counts in compare."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Literal
from uuid import UUID

from sqlalchemy import ColumnElement, func
from sqlmodel import col, select
from sqlmodel.ext.asyncio.session import AsyncSession

from redraft.domain.errors import RedraftError, invalid, not_found
from redraft.domain.live.bounds import check_start
from redraft.domain.prompts import PromptWithVersion, prompt_by_alias
from redraft.domain.runs.transcript import Turn
from redraft.domain.traces import (
    TraceDraft,
    amend_trace,
    delete_trace,
    find_trace,
    lock_key,
    record_trace,
    withdraw_runs,
)
from redraft.store.database import take_turns
from redraft.store.ids import new_id
from redraft.store.tables import Run, Trace
from redraft.store.tables.base import now

GREATEST_NUMBER = 2**31 - 1
TraceStatus = Literal["running", "completed", "failed", "timed_out"]
_ENDED: dict[str, TraceStatus] = {
    "completed": "completed",
    "cancelled": "completed",
    "failed": "failed",
    "timeout": "timed_out",
}
_PASSED = {"success": True, "reviewed_success": True, "failure": False, "reviewed_failure": False}
_SPEAKERS = {"testing agent": "user", "main agent": "assistant", "tool": "tool", "system": "system"}


@dataclass(frozen=True, slots=True)
class RunDraft:
    """A run to record. `agent` is a prompt's id or number; `content` is what has no column and goes back as it came.

    `success` None: what the evaluation status says. `started_at` None means now; `trace_id` None makes a new trace.
    """

    agent: UUID | int
    status: str = "completed"
    evaluation_status: str | None = None
    success: bool | None = None
    turns: Sequence[Turn] = ()
    content: dict[str, Any] = field(default_factory=dict)
    started_at: datetime | None = None
    duration_ms: float | None = None
    trace_id: UUID | None = None
    id: UUID | None = None


async def create_run(session: AsyncSession, customer_id: UUID, draft: RunDraft) -> Run:
    """Record a run under the customer's next number, and its trace unless that is there already.

    A repeated `draft.id` answers the run made before. Raises INVALID (agent unknown, a trace of another
    agent, a time that can't be).
    """
    run_id = draft.id or new_id()
    if (made := await session.get(Run, run_id)) is not None:
        return made
    if draft.started_at is not None:
        check_start("executed_at", draft.started_at)
    prompt = await _prompt_of(session, draft.agent)
    await take_turns(session, f"runs:{customer_id}")
    number = ((await session.exec(select(func.max(Run.number)).where(Run.customer_id == customer_id))).one() or 0) + 1
    trace = await _trace_of(session, customer_id, prompt.prompt.id, draft)
    run = Run(
        id=run_id,
        customer_id=customer_id,
        number=number,
        prompt_id=prompt.prompt.id,
        trace_id=trace.id,
        status=draft.status,
        evaluation_status=draft.evaluation_status,
        success=draft.success,
        content=draft.content,
    )
    session.add(run)
    await session.flush()
    return run


async def _prompt_of(session: AsyncSession, agent: UUID | int) -> PromptWithVersion:
    try:
        return await prompt_by_alias(session, agent)
    except RedraftError as error:
        raise invalid("agent", "there is no agent with this id") from error


async def _trace_of(session: AsyncSession, customer_id: UUID, prompt_id: UUID, draft: RunDraft) -> Trace:
    trace_id = draft.trace_id or new_id()
    passed = passed_of(draft.success, draft.evaluation_status)
    if (known := await find_trace(session, trace_id)) is not None:  # it came as a trace of its own
        if known.prompt_id not in (None, prompt_id):
            raise invalid("trace_id", "is a trace of another agent; name the agent it ran under, or leave it out")
        if passed is None or known.deleted_at is not None:
            return known
        return await amend_trace(session, customer_id, trace_id, success=passed)
    record = TraceDraft(
        id=trace_id,
        kind="run",
        prompt_id=prompt_id,
        messages=messages_of(draft.turns),
        status=_ENDED.get(draft.status, "running"),
        started_at=draft.started_at,
        duration_ms=draft.duration_ms,
        success=passed,
        outcome=draft.status if draft.status == "cancelled" else None,
    )
    return await record_trace(session, customer_id, record)


def passed_of(success: bool | None, evaluation_status: str | None) -> bool | None:
    """Return whether a run passed its evaluation, None when nobody has said."""
    return success if success is not None else _PASSED.get(evaluation_status or "")


def messages_of(turns: Sequence[Turn]) -> list[dict[str, Any]]:
    """Return a transcript as the messages of a trace: the testing agent is the user, the main agent the assistant."""
    return [
        {"role": _SPEAKERS.get(turn.role.casefold(), "user"), "content": turn.content, "tm": turn.timestamp}
        for turn in turns
    ]


# ---------------------------------------------------------------------------------------------- reading


async def get_run(session: AsyncSession, number: int) -> Run:
    """Return a run by its number. Raises NOT_FOUND."""
    statement = select(Run).where(Run.number == number, col(Run.deleted_at).is_(None))
    run = (await session.exec(statement)).one_or_none()
    if run is None:
        raise not_found("run")
    return run


async def lock_run(session: AsyncSession, number: int) -> Run:
    """Return a run, locked until the transaction ends. Raises NOT_FOUND.

    Its trace's key is locked first, as whoever erases the trace does, so that the two never wait in a circle.
    """
    await lock_key(session, (await get_run(session, number)).trace_id)
    statement = select(Run).where(Run.number == number, col(Run.deleted_at).is_(None)).with_for_update()
    run = (await session.exec(statement.execution_options(populate_existing=True))).one_or_none()
    if run is None:
        raise not_found("run")
    return run


async def runs_by_number(session: AsyncSession, numbers: Sequence[int]) -> list[Run]:
    """Return the runs with these numbers, in this order; numbers that nobody has are left out."""
    possible = [number for number in numbers if 0 < number <= GREATEST_NUMBER]  # the column takes no other
    statement = select(Run).where(col(Run.number).in_(possible), col(Run.deleted_at).is_(None))
    found = {run.number: run for run in await session.exec(statement)}
    return [found[number] for number in dict.fromkeys(numbers) if number in found]


async def list_runs(
    session: AsyncSession, prompt_id: UUID | None, status: str | None, limit: int, offset: int
) -> tuple[list[Run], int]:
    """Return a page of runs, newest first, and how many there are in all."""
    wanted: list[ColumnElement[bool]] = [col(Run.deleted_at).is_(None)]
    if prompt_id is not None:
        wanted.append(col(Run.prompt_id) == prompt_id)
    if status is not None:
        wanted.append(col(Run.status) == status)
    total = (await session.exec(select(func.count()).select_from(Run).where(*wanted))).one()
    page = select(Run).where(*wanted).order_by(col(Run.number).desc()).limit(limit).offset(offset)
    return list(await session.exec(page)), total


# ---------------------------------------------------------------------------------------------- changing


@dataclass(frozen=True, slots=True)
class RunChange:
    """What to change in a run. `turns`, `duration_ms`, `started_at` None: they stay."""

    status: str
    evaluation_status: str | None
    success: bool | None
    content: dict[str, Any]
    turns: Sequence[Turn] | None = None
    duration_ms: float | None = None
    started_at: datetime | None = None


async def update_run(session: AsyncSession, run: Run, change: RunChange) -> Run:
    """Correct a locked run and its trace: what it counted is taken back, what it counts now is added."""
    run.status, run.evaluation_status, run.success = change.status, change.evaluation_status, change.success
    run.content, run.updated_at = change.content, now()
    session.add(run)
    await session.flush()
    trace = await find_trace(session, run.trace_id)
    if trace is None or trace.deleted_at is not None:
        return run
    changes: dict[str, Any] = {"success": passed_of(change.success, change.evaluation_status)}
    if trace.kind == "run":
        changes["status"] = _ENDED.get(change.status, "running")
        if change.duration_ms is not None:
            changes["duration_us"] = round(change.duration_ms * 1_000)
        if change.started_at is not None:
            started_at = check_start("executed_at", change.started_at)
            changes["started_at"] = started_at
            if trace.ended_at is not None:
                changes["ended_at"] = trace.ended_at + (started_at - trace.started_at)
    messages = None if change.turns is None or trace.kind != "run" else messages_of(change.turns)
    await amend_trace(session, run.customer_id, run.trace_id, messages=messages, **changes)
    return run


async def delete_run(session: AsyncSession, number: int) -> None:
    """Erase a run's text and keep its numbers; proposals in progress that stand on it end. Raises NOT_FOUND."""
    run = await get_run(session, number)
    trace = await find_trace(session, run.trace_id)
    if trace is not None and trace.deleted_at is None:
        await delete_trace(session, run.trace_id)
    else:
        await withdraw_runs(session, run.customer_id, run.trace_id)
