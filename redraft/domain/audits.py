"""Audits: judgements of traces, by our model or recorded from elsewhere."""

from __future__ import annotations

from dataclasses import dataclass
from decimal import Decimal
from typing import Any
from uuid import UUID

from sqlalchemy import update
from sqlmodel import col, select
from sqlmodel.ext.asyncio.session import AsyncSession

from redraft.domain.budgets import of_customer, refuse_when_spent
from redraft.domain.errors import RedraftError, invalid, not_found
from redraft.domain.evidence import Dimensions, Evaluation, Message
from redraft.domain.languages import DEFAULT_LANGUAGE
from redraft.domain.outbox import emit
from redraft.domain.paging import Cursor, Page, newest_first
from redraft.domain.traces import get_trace, lock_key
from redraft.store.ids import new_id
from redraft.store.tables import Audit, Prompt, PromptVersion, Trace
from redraft.store.tables.base import now


@dataclass(frozen=True, slots=True)
class AuditDraft:
    """An audit to make (`evaluation` None) or one made elsewhere to record."""

    trace_id: UUID
    language: str = ""
    evaluation: Evaluation | None = None
    id: UUID | None = None
    schedule_id: UUID | None = None


async def create_audit(
    session: AsyncSession, customer_id: UUID, draft: AuditDraft, default_budget: Decimal | None = None
) -> Audit:
    """Record an audit, or request one: the event starts its workflow. A repeated id answers the first record.

    A requested audit without a language takes the prompt's, else `DEFAULT_LANGUAGE`.

    `default_budget`: USD per month of a customer without a budget of its own, None for no limit. Raises INVALID when
    the call does not exist, BUDGET_SPENT when no audit could be made of it.
    """
    audit_id = draft.id or new_id()
    if (made := await session.get(Audit, audit_id)) is not None:
        return made
    # The share lock makes this wait for a deletion of the call, and the other way round.
    await lock_key(session, draft.trace_id, shared=True)
    try:
        trace = await get_trace(session, draft.trace_id)
    except RedraftError as error:
        raise invalid("aicall_id", "there is no AI call with this id") from error
    if trace.prompt_id is None or trace.prompt_version_id is None:
        raise RuntimeError("a conversation has a version")
    audit = Audit(
        id=audit_id,
        customer_id=customer_id,
        prompt_id=trace.prompt_id,
        prompt_version_id=trace.prompt_version_id,
        trace_id=trace.id,
        schedule_id=draft.schedule_id,
        language=draft.language,
    )
    session.add(audit)
    await session.flush()
    if draft.evaluation is None:
        await refuse_when_spent(session, of_customer(customer_id), default_budget, PURPOSE)
        prompt = await session.get_one(Prompt, trace.prompt_id)
        audit.language = draft.language or prompt.language or DEFAULT_LANGUAGE
        await emit(session, customer_id, "audit.requested", audit.id)
    else:
        audit.status, audit.source = "completed", "recorded"
        audit.evaluation = with_known_citations(draft.evaluation, trace.messages).model_dump()
    return audit


def with_known_citations(evaluation: Evaluation, messages: list[dict[str, Any]]) -> Evaluation:
    """Return the evaluation without citations of messages that do not exist."""
    known = {message["id"] for message in messages}
    scores = {
        name: score.model_copy(update={"message_ids": [i for i in score.message_ids if i in known]})
        for name, score in evaluation.dimensions.items()
    }
    return evaluation.model_copy(update={"dimensions": Dimensions(**scores)})


async def get_audit(session: AsyncSession, audit_id: UUID) -> Audit:
    """Return an audit. Raises NOT_FOUND."""
    audit = await session.get(Audit, audit_id)
    if audit is None or audit.deleted_at is not None:
        raise not_found("AI audit")
    return audit


@dataclass(frozen=True, slots=True)
class AuditFilter:
    """Which audits to list; None means any."""

    prompt_id: UUID | None = None
    trace_id: UUID | None = None
    status: str | None = None


async def list_audits(session: AsyncSession, wanted: AuditFilter, cursor: Cursor | None, size: int) -> Page[Audit]:
    """Return audits, newest first."""
    statement = select(Audit).where(col(Audit.deleted_at).is_(None))
    if wanted.prompt_id is not None:
        statement = statement.where(Audit.prompt_id == wanted.prompt_id)
    if wanted.trace_id is not None:
        statement = statement.where(Audit.trace_id == wanted.trace_id)
    if wanted.status is not None:
        statement = statement.where(Audit.status == wanted.status)
    rows = await session.exec(newest_first(statement, Audit, cursor, size))
    return Page.of(list(rows), size, lambda row: row)


async def delete_audit(session: AsyncSession, audit_id: UUID) -> Audit:
    """Delete softly; a proposal in progress that stands on it fails, a waiting one is refused at accept."""
    statement = select(Audit).where(Audit.id == audit_id, col(Audit.deleted_at).is_(None)).with_for_update()
    audit = (await session.exec(statement)).one_or_none()
    if audit is None:
        raise not_found("AI audit")
    audit.deleted_at = audit.updated_at = now()
    session.add(audit)
    await emit(session, audit.customer_id, "audit.withdrawn", audit.id)
    return audit


PURPOSE = "audit"  # of its model calls in the ledger


@dataclass(frozen=True, slots=True)
class AuditInput:
    """What the judge reads."""

    audit_id: UUID
    prompt_id: UUID
    language: str
    system_prompt: str
    messages: list[Message]
    schedule_id: UUID | None = None


async def load_input(session: AsyncSession, audit_id: UUID) -> AuditInput | None:
    """Return what the judge reads, None when the audit is no longer in progress or its call was erased."""
    statement = (
        select(Audit, Trace, PromptVersion)
        .join(Trace, col(Trace.id) == Audit.trace_id)
        .join(PromptVersion, col(PromptVersion.id) == Audit.prompt_version_id)
        .where(Audit.id == audit_id, Audit.status == "progressing", col(Audit.deleted_at).is_(None))
    )
    row = (await session.exec(statement)).one_or_none()
    if row is None:
        return None
    audit, trace, version = row
    prompt = await session.get_one(Prompt, audit.prompt_id)
    return AuditInput(
        audit_id=audit.id,
        prompt_id=audit.prompt_id,
        language=audit.language or prompt.language or "en-US",
        system_prompt=version.text,
        messages=[Message.model_validate(message) for message in trace.messages],
        schedule_id=audit.schedule_id,
    )


async def status_of(session: AsyncSession, audit_id: UUID) -> str:
    """Return the status of an audit, deleted or not."""
    return (await session.get_one(Audit, audit_id)).status


@dataclass(frozen=True, slots=True)
class AuditOutcome:
    """What the judge found, and what it took."""

    evaluation: Evaluation
    model: str
    task_version: str
    prompt_tokens: int
    output_tokens: int
    cost_usd: Decimal


async def store_evaluation(session: AsyncSession, audit_id: UUID, outcome: AuditOutcome) -> bool:
    """Complete an audit that is still in progress; return whether it was."""
    return await _leave_progressing(
        session,
        audit_id,
        status="completed",
        evaluation=outcome.evaluation.model_dump(),
        model=outcome.model,
        task_version=outcome.task_version,
        prompt_tokens=outcome.prompt_tokens,
        output_tokens=outcome.output_tokens,
        cost_usd=outcome.cost_usd,
    )


async def fail_audit(session: AsyncSession, audit_id: UUID, error: str, note: str) -> bool:
    """Fail an audit that is still in progress, with a machine-readable error and a sentence for people."""
    return await _leave_progressing(session, audit_id, status="failed", error=error, note=note)


async def _leave_progressing(session: AsyncSession, audit_id: UUID, **values: Any) -> bool:
    statement = (
        update(Audit)
        .where(col(Audit.id) == audit_id, col(Audit.status) == "progressing", col(Audit.deleted_at).is_(None))
        .values(updated_at=now(), **values)
    )
    audit = (await session.exec(statement.returning(Audit))).scalar_one_or_none()
    if audit is None:
        return False
    await _say_left(session, audit)
    return True


async def _say_left(session: AsyncSession, audit: Audit) -> None:
    completed = audit.status == "completed"
    score = (audit.evaluation or {}).get("overall_score")
    await emit(
        session,
        audit.customer_id,
        "audit.completed" if completed else "audit.failed",
        audit.id,
        prompt_id=audit.prompt_id,
        trace_id=audit.trace_id,
        version_id=audit.prompt_version_id,
        **({"overall_score": score, "cost_usd": float(audit.cost_usd)} if completed else {"error": audit.error}),
    )
