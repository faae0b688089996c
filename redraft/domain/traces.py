"""Traces as conversations: recorded with the version they ran under, read, corrected, erased."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from decimal import Decimal
from itertools import accumulate
from typing import Any, Literal
from uuid import UUID

from sqlalchemy import ColumnElement, func, text, tuple_, update
from sqlmodel import col, or_, select
from sqlmodel.ext.asyncio.session import AsyncSession

from redraft.domain.errors import RedraftError, conflict, invalid, not_found
from redraft.domain.idempotency import forget_answers_about, forget_answers_of_run
from redraft.domain.live.bounds import (
    check_end,
    check_start,
    check_tokens,
    duration_between,
    microseconds,
    rounded_cost,
)
from redraft.domain.live.documents import Document, digest_of
from redraft.domain.live.figures import Changes, Counted
from redraft.domain.live.ingest import Report, ingest, prepare_move
from redraft.domain.live.rows import UPDATE_TRACES, Text, time_text, trace_values, whole_of, write
from redraft.domain.outbox import emit
from redraft.domain.paging import Cursor, Page
from redraft.domain.prompts import get_prompt
from redraft.store.database import run_sql
from redraft.store.ids import new_id
from redraft.store.tables import Audit, PromptVersion, Run, Trace, TraceKey
from redraft.store.tables.base import now

GREATEST_PAGE_BYTES = 4 * 1024 * 1024
"""Messages of one page, as PostgreSQL stores them (compressed)."""

TraceKind = Literal["call", "run"]
Status = Literal["running", "completed", "failed", "timed_out"]


@dataclass(frozen=True, slots=True)
class TraceDraft:
    """A conversation to record. What is None is not known and counts in no mean and no rate.

    `prompt_version_id` None means the version that is current now; `started_at` None means now, `ended_at` None the
    start plus the duration; `duration_ms` None means from start to end. `success` None: false when the status is
    failed or timed_out, else unknown; `outcome` is a word for it. `cost_usd` is kept to 12 decimals.
    """

    prompt_id: UUID
    messages: list[dict[str, Any]]
    prompt_version_id: UUID | None = None
    metadata: dict[str, Any] = field(default_factory=dict)
    id: UUID | None = None
    kind: TraceKind = "call"
    agent: str = ""
    status: Status = "completed"
    started_at: datetime | None = None
    ended_at: datetime | None = None
    duration_ms: float | None = None
    success: bool | None = None
    outcome: str | None = None
    total_tokens: int | None = None
    cost_usd: Decimal | None = None


async def record_trace(session: AsyncSession, customer_id: UUID, draft: TraceDraft) -> Trace:
    """Record a conversation that Redraft itself names: an AI call or a run. Each message gets an id.

    It counts at once in the figures of its version, in this transaction. A repeated `draft.id` answers what was
    recorded before and changes nothing; `amend_trace` corrects a record. (Traces that others name, and report several
    times in any order, go through `redraft.domain.live.ingest`.) Call it late in a transaction: whoever counts traces
    of the same version waits from here to its end.

    Raises INVALID when the prompt, or the version of it, does not exist, or a number can't be.
    """
    trace_id = draft.id or new_id()
    if (recorded := await find_trace(session, trace_id)) is not None:
        return recorded
    version_id = await _version_of(session, draft)
    messages = [{**message, "id": message.get("id") or str(new_id())} for message in draft.messages]
    document = replace(_document(draft), prompt_version_id=version_id, text=digest_of(messages, draft.metadata))
    report = Report(trace_id, document, draft.kind, messages, draft.metadata)
    if (await ingest(session, customer_id, [report]))[0] is None:
        raise conflict("TRACE_EXPIRED", "this conversation was recorded before and its retention is over")
    trace = await find_trace(session, trace_id)
    if trace is None:
        raise RuntimeError("a trace that was just recorded is not there")
    return trace


def _document(draft: TraceDraft) -> Document:
    started_at = check_start("started_at", draft.started_at or now())
    ended_at = None if draft.ended_at is None else check_end("ended_at", started_at, draft.ended_at)
    if draft.duration_ms is None:
        duration = duration_between(started_at, ended_at)
    else:
        duration = microseconds("duration_ms", draft.duration_ms)
        if ended_at is None and draft.status != "running":
            ended_at = started_at + timedelta(microseconds=duration)
    return Document(
        status=draft.status,
        started_at=started_at,
        ended_at=ended_at,
        agent=draft.agent or None,
        duration_us=duration,
        success=draft.success,
        outcome=draft.outcome,
        total_tokens=None if draft.total_tokens is None else check_tokens("total_tokens", draft.total_tokens),
        cost_usd=None if draft.cost_usd is None else rounded_cost("cost_usd", draft.cost_usd),
        prompt_id=draft.prompt_id,
    )


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


async def find_trace(session: AsyncSession, trace_id: UUID) -> Trace | None:
    """Return a trace of the session's customer, deleted or not; None when there is none. The key tells where it is."""
    statement = (
        select(Trace)
        .join(TraceKey, (col(TraceKey.trace_id) == Trace.id) & (col(TraceKey.customer_id) == Trace.customer_id))
        .where(TraceKey.trace_id == trace_id, col(Trace.started_at) == TraceKey.started_at)
    )
    return (await session.exec(statement.execution_options(populate_existing=True))).one_or_none()


def is_call() -> ColumnElement[bool]:
    """Condition on `Trace`: a finished conversation of a prompt with something to read, or recorded as AI call."""
    return (
        col(Trace.prompt_version_id).is_not(None)
        & (col(Trace.status) != "running")
        & or_(col(Trace.kind) == "call", col(Trace.message_count) > 0)
    )


def _is_readable_call(trace: Trace | None) -> bool:
    if trace is None or trace.deleted_at is not None:
        return False
    conversation = trace.kind == "call" or trace.message_count > 0
    return conversation and trace.prompt_version_id is not None and trace.status != "running"


async def get_trace(session: AsyncSession, trace_id: UUID) -> Trace:
    """Return a conversation: an AI call, or a trace or run with messages and a version. Raises NOT_FOUND."""
    trace = await find_trace(session, trace_id)
    if trace is None or not _is_readable_call(trace):
        raise not_found("AI call")
    return trace


async def list_traces(session: AsyncSession, prompt_id: UUID | None, cursor: Cursor | None, size: int) -> Page[Trace]:
    """Return conversations, newest first by their start, of one prompt or of all.

    A page ends early when its messages reach `GREATEST_PAGE_BYTES`, so that no page takes much memory.
    """
    place = (col(Trace.started_at), col(Trace.id))
    statement = select(*place, func.pg_column_size(Trace.messages)).where(is_call(), col(Trace.deleted_at).is_(None))
    if prompt_id is not None:
        statement = statement.where(Trace.prompt_id == prompt_id)
    if cursor is not None:
        statement = statement.where(tuple_(*place) < (cursor.created_at, cursor.id))
    rows = list(await session.exec(statement.order_by(*(column.desc() for column in place)).limit(size + 1)))
    sizes = accumulate(row[2] for row in rows)
    fitting = sum(1 for total in sizes if total <= GREATEST_PAGE_BYTES)
    taken = rows[: min(size, max(1, fitting))]
    wanted = tuple_(*place).in_([(row[0], row[1]) for row in taken])
    found = await session.exec(select(Trace).where(wanted, col(Trace.deleted_at).is_(None)))
    traces = {trace.id: trace for trace in found}
    items = [traces[row[1]] for row in taken if row[1] in traces]
    return Page(items, Cursor(taken[-1][0], taken[-1][1]).token() if len(taken) < len(rows) else "")


async def lock_key(session: AsyncSession, trace_id: UUID, *, shared: bool = False) -> None:
    """Lock a trace's key until the transaction ends, so that nobody else changes or erases the trace meanwhile."""
    statement = select(TraceKey.trace_id).where(TraceKey.trace_id == trace_id)
    lock = statement.with_for_update(read=True) if shared else statement.with_for_update(key_share=True)
    await session.exec(lock)


async def amend_trace(
    session: AsyncSession,
    customer_id: UUID,
    trace_id: UUID,
    *,
    messages: list[dict[str, Any]] | None = None,
    **changes: Any,
) -> Trace:
    """Correct a recorded conversation: what is given counts from now on, whatever was reported before.

    `changes` are fields of `redraft.domain.live.documents.Document` (success, outcome, status, started_at,
    ended_at, duration_us, total_tokens, cost_usd, agent), None to forget what was known. The figures of its versions
    change with it, also the day it counts for.
    `messages` replace those that are there, None leaves them. Raises NOT_FOUND.
    """
    await lock_key(session, trace_id)
    trace = await find_trace(session, trace_id)
    if trace is None or trace.deleted_at is not None:
        raise not_found("trace")
    before = whole_of(trace)
    kept = Text(trace.messages, trace.trace_metadata, trace.message_count, trace.text_digest)
    if messages is not None:
        said = [{**message, "id": message.get("id") or str(new_id())} for message in messages]
        kept = Text(said, trace.trace_metadata, len(said), digest_of(said, trace.trace_metadata))
        changes["text"] = kept.digest
    after = replace(before, **changes)
    if after.started_at != before.started_at:
        await prepare_move(session, customer_id, trace_id, after.started_at)
    values = trace_values(trace.id, trace.kind, after, (after,), kept, trace.created_at)
    await write(session, UPDATE_TRACES, customer_id, [{**values, "was_at": time_text(trace.started_at)}])
    figures = Changes()
    for version_id in (await run_sql(session, _USED, customer=customer_id, trace=trace_id)).scalars():
        figures.replace(version_id, Counted.of(before), Counted.of(after))
    await figures.store(session, customer_id)
    return await _there(session, trace_id)


_USED = text("select prompt_version_id from prompt_usages where customer_id = :customer and trace_id = :trace")
_ERASE_SPANS = text("update spans set attributes = '{}' where customer_id = :customer and trace_id = :trace")
_WITHOUT_TEXT = text(
    "update traces set parts = (select jsonb_agg(part - 'text') from jsonb_array_elements(parts) part)"
    " where customer_id = :customer and id = :trace and parts is not null"
)


async def _there(session: AsyncSession, trace_id: UUID) -> Trace:
    trace = await find_trace(session, trace_id)
    if trace is None:
        raise not_found("trace")
    return trace


async def delete_trace(session: AsyncSession, trace_id: UUID) -> Trace:
    """Erase a trace's text and keep its numbers; audits of it count as deleted. Raises NOT_FOUND.

    Audits quote the conversation, so their text goes too, and so do the attributes of its spans.
    """
    await lock_key(session, trace_id)
    trace = await find_trace(session, trace_id)
    if trace is None or trace.deleted_at is not None:
        raise not_found("AI call")
    moment = now()
    trace.deleted_at = trace.erased_at = moment
    trace.messages, trace.trace_metadata, trace.text_digest = [], {}, None
    session.add(trace)
    await session.flush()
    ids = {"customer": trace.customer_id, "trace": trace_id}
    await run_sql(session, _WITHOUT_TEXT, **ids)
    await run_sql(session, _ERASE_SPANS, **ids)
    await forget_answers_about(session, trace.customer_id, trace_id)
    # In the order in which proposals lock their evidence, so that the two wait for each other and never in a circle.
    live = select(Audit.id).where(Audit.trace_id == trace_id, col(Audit.deleted_at).is_(None)).order_by(col(Audit.id))
    audit_ids = list(await session.exec(live.with_for_update()))
    withdrawn = update(Audit).where(col(Audit.id).in_(audit_ids)).values(deleted_at=moment, evaluation=None)
    await session.exec(withdrawn)
    for audit_id in audit_ids:
        await emit(session, trace.customer_id, "audit.withdrawn", audit_id)
    await withdraw_runs(session, trace.customer_id, trace_id)
    return trace


async def withdraw_runs(session: AsyncSession, customer_id: UUID, trace_id: UUID) -> None:
    """Delete the runs of a trace with their text; proposals in progress that stand on one are told."""
    of_trace = (Run.customer_id == customer_id, Run.trace_id == trace_id, col(Run.deleted_at).is_(None))
    live = select(Run.id, Run.number, Run.prompt_id).where(*of_trace).order_by(col(Run.id)).with_for_update()
    runs = list(await session.exec(live))
    run_ids = [run_id for run_id, _, _ in runs]
    await session.exec(update(Run).where(col(Run.id).in_(run_ids)).values(deleted_at=now(), content={}))
    for run_id, number, prompt_id in runs:
        await forget_answers_of_run(session, customer_id, number, prompt_id)
        await emit(session, customer_id, "run.withdrawn", run_id)
