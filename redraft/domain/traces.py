"""Traces: finished conversations, recorded with the version they ran under."""

from __future__ import annotations

from dataclasses import dataclass, field
from itertools import accumulate
from typing import Any
from uuid import UUID

from sqlalchemy import func, update
from sqlmodel import col, select
from sqlmodel.ext.asyncio.session import AsyncSession

from redraft.domain.errors import RedraftError, invalid, not_found
from redraft.domain.idempotency import forget_answers_about
from redraft.domain.outbox import emit
from redraft.domain.paging import Cursor, Page, newest_first
from redraft.domain.prompts import get_prompt
from redraft.store.ids import new_id
from redraft.store.tables import Audit, PromptVersion, Trace
from redraft.store.tables.base import now

GREATEST_PAGE_BYTES = 4 * 1024 * 1024
"""Messages of one page, as PostgreSQL stores them (compressed)."""


@dataclass(frozen=True, slots=True)
class TraceDraft:
    """A finished conversation. `prompt_version_id` None means the version that is current now."""

    prompt_id: UUID
    messages: list[dict[str, Any]]
    prompt_version_id: UUID | None = None
    metadata: dict[str, Any] = field(default_factory=dict)
    id: UUID | None = None


async def record_trace(session: AsyncSession, customer_id: UUID, draft: TraceDraft) -> Trace:
    """Record a conversation; each message gets an id. A repeated `draft.id` answers what was recorded before.

    Raises INVALID when the prompt, or the version of it, does not exist.
    """
    trace_id = draft.id or new_id()
    if (recorded := await session.get(Trace, trace_id)) is not None:
        return recorded
    version_id = await _version_of(session, draft)
    messages = [{**message, "id": message.get("id") or str(new_id())} for message in draft.messages]
    trace = Trace(
        id=trace_id,
        customer_id=customer_id,
        prompt_id=draft.prompt_id,
        prompt_version_id=version_id,
        messages=messages,
        message_count=len(messages),
        trace_metadata=draft.metadata,
    )
    session.add(trace)
    await session.flush()
    return trace


async def _version_of(session: AsyncSession, draft: TraceDraft) -> UUID:
    try:
        prompt = await get_prompt(session, draft.prompt_id)
    except RedraftError as error:
        raise invalid("ai_id", "there is no AI with this id") from error
    if draft.prompt_version_id is None:
        return prompt.version.id
    statement = select(PromptVersion.id).where(
        PromptVersion.prompt_id == draft.prompt_id, PromptVersion.id == draft.prompt_version_id
    )
    version_id = (await session.exec(statement)).one_or_none()
    if version_id is None:
        raise invalid("prompt_history_id", "is no version of this AI's prompt")
    return version_id


async def get_trace(session: AsyncSession, trace_id: UUID) -> Trace:
    """Return a trace. Raises NOT_FOUND."""
    trace = await session.get(Trace, trace_id)
    if trace is None or trace.deleted_at is not None:
        raise not_found("AI call")
    return trace


async def list_traces(session: AsyncSession, prompt_id: UUID | None, cursor: Cursor | None, size: int) -> Page[Trace]:
    """Return traces, newest first, of one prompt or of all.

    A page ends early when its messages reach `GREATEST_PAGE_BYTES`, so that no page takes much memory.
    """
    statement = select(col(Trace.id), col(Trace.created_at), func.pg_column_size(Trace.messages))
    statement = statement.where(col(Trace.deleted_at).is_(None))
    if prompt_id is not None:
        statement = statement.where(Trace.prompt_id == prompt_id)
    rows = list(await session.exec(newest_first(statement, Trace, cursor, size)))
    sizes = accumulate(row[2] for row in rows)
    fitting = sum(1 for total in sizes if total <= GREATEST_PAGE_BYTES)
    taken = rows[: min(size, max(1, fitting))]
    wanted = col(Trace.id).in_([row[0] for row in taken])
    found = await session.exec(select(Trace).where(wanted, col(Trace.deleted_at).is_(None)))
    traces = {trace.id: trace for trace in found}
    items = [traces[row[0]] for row in taken if row[0] in traces]
    return Page(items, Cursor(taken[-1][1], taken[-1][0]).token() if len(taken) < len(rows) else "")


async def delete_trace(session: AsyncSession, trace_id: UUID) -> Trace:
    """Erase a trace's text and keep its numbers; audits of it count as deleted. Raises NOT_FOUND.

    Audits quote the conversation, so their text goes too.
    """
    statement = select(Trace).where(Trace.id == trace_id, col(Trace.deleted_at).is_(None)).with_for_update()
    trace = (await session.exec(statement)).one_or_none()
    if trace is None:
        raise not_found("AI call")
    moment = now()
    trace.deleted_at = trace.erased_at = moment
    trace.messages, trace.trace_metadata = [], {}
    session.add(trace)
    await forget_answers_about(session, trace.customer_id, trace_id)
    # In the order in which proposals lock their evidence, so that the two wait for each other and never in a circle.
    live = select(Audit.id).where(Audit.trace_id == trace_id, col(Audit.deleted_at).is_(None)).order_by(col(Audit.id))
    audit_ids = list(await session.exec(live.with_for_update()))
    withdrawn = update(Audit).where(col(Audit.id).in_(audit_ids)).values(deleted_at=moment, evaluation=None)
    await session.exec(withdrawn)
    for audit_id in audit_ids:
        await emit(session, trace.customer_id, "audit.withdrawn", audit_id)
    return trace
