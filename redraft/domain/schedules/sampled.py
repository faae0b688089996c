"""Having a sample of a version's conversations audited, for a run of a schedule."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, time
from decimal import Decimal
from typing import Any
from uuid import UUID

from sqlalchemy import func, text
from sqlmodel import col, select
from sqlmodel.ext.asyncio.session import AsyncSession

from redraft.domain.audits import AuditDraft, create_audit
from redraft.domain.commit import current_version
from redraft.domain.errors import Kind, RedraftError
from redraft.domain.live.documents import outcome_of
from redraft.domain.live.figures import ALL_DAYS
from redraft.domain.schedules.budget import left_usd
from redraft.domain.schedules.records import settings_of
from redraft.domain.schedules.run_state import audit_ids_of, enter
from redraft.domain.schedules.sampling import OUTCOMES, Outcome, draw
from redraft.domain.traces import find_trace
from redraft.store.database import run_sql, take_turns
from redraft.store.ids import derived_id
from redraft.store.tables import Audit, PromptVersion, ScheduleRun

LOOK_BACK = 2_000
"""Newest finished traces of a version that a run looks at."""

GreatestCost = Callable[[str, list[dict[str, Any]]], Decimal]
"""Upper bound, in USD, of what an audit costs: from a version's text and a conversation's messages.

Called in a thread.
"""


@dataclass
class Looked:
    """The newest traces of a version: those to choose from, by outcome, and how many are not and why."""

    candidates: dict[Outcome, list[UUID]] = field(default_factory=lambda: {outcome: [] for outcome in OUTCOMES})
    audited: int = 0
    without_conversation: int = 0


_FIRST_DAY = text("select min(day) from version_figures where prompt_version_id = :version and day > :all_days")
_NEWEST = text(
    "select t.id, t.success, t.status, t.message_count, exists (select from audits a where a.trace_id = t.id"
    "   and a.status in ('progressing', 'completed') and a.deleted_at is null) as audited"
    " from traces t where t.prompt_id = :prompt and t.prompt_version_id = :version and t.started_at >= :since"
    "   and t.status <> 'running' and t.deleted_at is null"
    " order by t.started_at desc, t.id desc limit :look_back"
)


async def request_audits(
    session: AsyncSession, run_id: UUID, greatest_cost: GreatestCost, default_budget: Decimal | None
) -> ScheduleRun:
    """Request audits of a sample of the current version's conversations, once per run, as many as can be paid.

    Each audit is requested as if a client had: the outbox starts its workflow. Conversations that were audited, or are
    being audited, are left out, and traces without messages too. `default_budget`: as in `create_audit`.
    """
    run, schedule, prompt = await enter(session, run_id)
    if run.status != "running" or "sample" in run.saw:
        return run
    # Not the prompt's own lock, which people who decide would wait for.
    await take_turns(session, f"schedule-sample:{prompt.id}")
    version = await current_version(session, prompt)
    looked = await _look(session, version)
    size = settings_of(schedule).sample_size
    drawn = draw(looked.candidates, size, run.id.int)
    left = await left_usd(session, run.customer_id, schedule.id, default_budget)
    affordable = await _affordable(session, drawn, left, lambda messages: greatest_cost(version.text, messages))
    audits, refused = await _request(session, run, affordable, default_budget)
    outcomes = {trace_id: outcome for outcome, ids in looked.candidates.items() for trace_id in ids}
    run.saw = {
        **run.saw,
        "version": {"id": str(version.id), "number": version.number},
        "sample": {
            "size": size,
            "alreadyAudited": looked.audited,
            "withoutConversation": looked.without_conversation,
            "unaudited": {outcome: len(ids) for outcome, ids in looked.candidates.items()},
            "taken": dict.fromkeys(OUTCOMES, 0) | Counter(outcomes[trace_id] for trace_id in audits),
            "notAffordable": len(drawn) - len(affordable) + refused,
            "auditIds": [str(audit_id) for audit_id in audits.values()],
        },
    }
    run.audits_started = len(audits)
    session.add(run)
    return run


async def _look(session: AsyncSession, version: PromptVersion) -> Looked:
    first_day: date | None = (await run_sql(session, _FIRST_DAY, version=version.id, all_days=ALL_DAYS)).scalar()
    looked = Looked()
    if first_day is None:
        return looked
    since = datetime.combine(first_day, time(), UTC)
    where = {"prompt": version.prompt_id, "version": version.id, "since": since, "look_back": LOOK_BACK}
    for row in await run_sql(session, _NEWEST, **where):
        if not row.message_count:
            looked.without_conversation += 1
        elif row.audited:
            looked.audited += 1
        else:
            success = outcome_of(row.success, row.status)
            looked.candidates["unknown" if success is None else "success" if success else "failed"].append(row.id)
    return looked


async def _affordable(
    session: AsyncSession,
    drawn: list[UUID],
    left: Decimal | None,
    greatest_cost: Callable[[list[dict[str, Any]]], Decimal],
) -> list[UUID]:
    """Return the beginning of a sample whose audits can all be reserved at once, so that no budget fails one."""
    if left is None:
        return drawn
    fitting: list[UUID] = []
    if left <= 0:  # not even what costs nothing is begun then
        return fitting
    for trace_id in drawn:
        trace = await find_trace(session, trace_id)
        # In a thread: a request is written out for each, of up to a megabyte, while others share this event loop.
        left -= await asyncio.to_thread(greatest_cost, trace.messages if trace is not None else [])
        if left < 0:
            break
        fitting.append(trace_id)
    return fitting


async def _request(
    session: AsyncSession, run: ScheduleRun, traces: list[UUID], default_budget: Decimal | None
) -> tuple[dict[UUID, UUID], int]:
    """Request an audit of each trace; return the audits by trace, and how many a budget spent meanwhile refused.

    A trace erased meanwhile is left out.
    """
    audits: dict[UUID, UUID] = {}
    for place, trace_id in enumerate(sorted(traces)):  # everybody who locks several traces does so in this order
        draft = AuditDraft(trace_id, id=derived_id("schedule-audit", run.id, trace_id), schedule_id=run.schedule_id)
        try:
            async with session.begin_nested():
                audit = await create_audit(session, run.customer_id, draft, default_budget)
        except RedraftError as refused:
            if refused.kind == Kind.INVALID:
                continue
            if refused.kind == Kind.PAYMENT_REQUIRED:  # what was requested stays, and the run goes on with it
                return audits, len(traces) - place
            raise
        audits[trace_id] = audit.id
    return audits, 0


async def under_way(session: AsyncSession, run_id: UUID) -> int:
    """Return how many audits of a run have not ended; one that was deleted has."""
    run = await session.get_one(ScheduleRun, run_id)
    statement = select(func.count()).where(
        col(Audit.id).in_(audit_ids_of(run)), col(Audit.status) == "progressing", col(Audit.deleted_at).is_(None)
    )
    return (await session.exec(statement)).one()
