"""Reading traces back."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from sqlalchemy import exists, tuple_
from sqlmodel import col, select
from sqlmodel.ext.asyncio.session import AsyncSession

from redraft.domain.errors import not_found
from redraft.domain.named_prompts import prompt_named, version_numbered
from redraft.domain.paging import Cursor, Page
from redraft.domain.traces import find_trace
from redraft.store.tables import Prompt, PromptUsage, PromptVersion, Span, Trace

TraceRow = tuple[Trace, str | None, int | None]
"""A trace with the name and number of the version that it named itself."""


@dataclass(frozen=True, slots=True)
class TraceFilter:
    """Which traces to list; None means any. `started_from` is included, `started_to` is not."""

    prompt_name: str | None = None
    prompt_version: int | None = None
    agent: str | None = None
    status: str | None = None
    success: bool | None = None
    started_from: datetime | None = None
    started_to: datetime | None = None


@dataclass(frozen=True, slots=True)
class TraceDetail:
    """A trace with everything of it. `usages`: (prompt name, version number, span) for each version it used."""

    trace: Trace
    prompt_name: str | None
    prompt_version: int | None
    spans: list[Span]
    usages: list[tuple[str, int, UUID | None]]


async def list_live_traces(
    session: AsyncSession, wanted: TraceFilter, cursor: Cursor | None, size: int
) -> Page[TraceRow]:
    """Return traces, AI calls among them, newest first by their start, without those that were deleted.

    Raises NOT_FOUND for a prompt or version that does not exist.
    """
    place = (col(Trace.started_at), col(Trace.id))
    statement = (
        select(Trace, Prompt.prompt_name, PromptVersion.number)
        .join(PromptVersion, col(PromptVersion.id) == Trace.prompt_version_id, isouter=True)
        .join(Prompt, col(Prompt.id) == PromptVersion.prompt_id, isouter=True)
        .where(col(Trace.deleted_at).is_(None))
    )
    for column, value in ((Trace.agent, wanted.agent), (Trace.status, wanted.status), (Trace.success, wanted.success)):
        if value is not None:
            statement = statement.where(col(column) == value)
    if wanted.started_from is not None:
        statement = statement.where(col(Trace.started_at) >= wanted.started_from)
    if wanted.started_to is not None:
        statement = statement.where(col(Trace.started_at) < wanted.started_to)
    if (versions := await _versions(session, wanted)) is not None:
        used = exists().where(
            col(PromptUsage.customer_id) == Trace.customer_id,
            col(PromptUsage.trace_id) == Trace.id,
            col(PromptUsage.prompt_version_id).in_(versions),
        )
        statement = statement.where(used)
    if cursor is not None:
        statement = statement.where(tuple_(*place) < (cursor.created_at, cursor.id))
    found = await session.exec(statement.order_by(*(column.desc() for column in place)).limit(size + 1))
    rows: list[TraceRow] = [(trace, name, number) for trace, name, number in found]
    token = Cursor(rows[size - 1][0].started_at, rows[size - 1][0].id).token() if len(rows) > size else ""
    return Page(rows[:size], token)


async def _versions(session: AsyncSession, wanted: TraceFilter) -> list[UUID] | None:
    if wanted.prompt_name is None:
        return None
    if wanted.prompt_version is not None:
        return [(await version_numbered(session, wanted.prompt_name, wanted.prompt_version)).id]
    prompt = await prompt_named(session, wanted.prompt_name)
    return list(await session.exec(select(PromptVersion.id).where(PromptVersion.prompt_id == prompt.id)))


async def live_trace(session: AsyncSession, trace_id: UUID) -> TraceDetail:
    """Return a trace with its spans, oldest first, and the versions it used. Raises NOT_FOUND."""
    trace = await find_trace(session, trace_id)
    if trace is None or trace.deleted_at is not None:
        raise not_found("trace")
    spans = select(Span).where(Span.trace_id == trace_id).order_by(col(Span.started_at), col(Span.span_id))
    used = (
        select(Prompt.prompt_name, PromptVersion.number, PromptUsage.span_id, PromptVersion.id)
        .join(PromptVersion, col(PromptVersion.id) == PromptUsage.prompt_version_id)
        .join(Prompt, col(Prompt.id) == PromptVersion.prompt_id)
        .where(PromptUsage.trace_id == trace_id)
        .order_by(col(Prompt.prompt_name), col(PromptVersion.number))
    )
    usages = list(await session.exec(used))
    own = next((row for row in usages if row[3] == trace.prompt_version_id), None)
    return TraceDetail(
        trace=trace,
        prompt_name=None if own is None else own[0],
        prompt_version=None if own is None else own[1],
        spans=list(await session.exec(spans)),
        usages=[(name, number, span_id) for name, number, span_id, _ in usages],
    )
