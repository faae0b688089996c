"""Audits as evidence: scores, reasons, the turns they point at."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import and_
from sqlmodel import col, select
from sqlmodel.ext.asyncio.session import AsyncSession

from console.views.transcripts import Gap, Turn, citations_of, excerpt, turns_of
from redraft.domain.errors import not_found
from redraft.domain.traces import find_trace
from redraft.store.tables import Audit, ProposalAudit, Trace


@dataclass(frozen=True, slots=True)
class Dimension:
    """A dimension of an audit, with the numbers of the turns that its reason points at."""

    name: str
    score: int
    reason: str
    turns: tuple[int, ...]


@dataclass(frozen=True, slots=True)
class Evidence:
    """An audit and its conversation. `label` is short enough to cite; an erased conversation has no turns."""

    id: UUID
    label: str
    status: str
    source: str
    score: int
    summary: str
    note: str
    at: datetime
    dimensions: tuple[Dimension, ...]
    turns: tuple[Turn, ...]
    excerpt: tuple[Turn | Gap, ...]
    deleted: bool

    @property
    def cut(self) -> bool:
        """Whether the excerpt leaves turns out."""
        return any(isinstance(part, Gap) for part in self.excerpt)


async def evidence_of(session: AsyncSession, proposal_id: UUID) -> list[Evidence]:
    """Return the audits that a proposal stands on, in the order of its request."""
    statement = (
        select(Audit, Trace)
        .join(ProposalAudit, col(ProposalAudit.audit_id) == Audit.id)
        .join(Trace, and_(col(Trace.customer_id) == Audit.customer_id, col(Trace.id) == Audit.trace_id))
        .where(ProposalAudit.proposal_id == proposal_id)
        .order_by(col(ProposalAudit.position))
    )
    rows = list(await session.exec(statement))
    return [evidence(audit, trace, f"A{number}") for number, (audit, trace) in enumerate(rows, start=1)]


async def one_audit(session: AsyncSession, audit: Audit) -> Evidence:
    """Return one audit with its conversation. Raises NOT_FOUND when its retention is over."""
    trace = await find_trace(session, audit.trace_id)
    if trace is None:
        raise not_found("AI call")
    return evidence(audit, trace, "Audit")


def evidence(audit: Audit, trace: Trace, label: str) -> Evidence:
    """Return an audit as evidence."""
    judged: dict[str, Any] = audit.evaluation or {}
    turns = tuple(turns_of(trace.messages, citations_of(judged)))
    numbers = {str(message.get("id", "")): at for at, message in enumerate(trace.messages, start=1)}
    return Evidence(
        id=audit.id,
        label=label,
        status=audit.status,
        source=audit.source,
        score=int(judged.get("overall_score", 0)),
        summary=str(judged.get("summary", "")),
        note=audit.note,
        at=audit.created_at,
        dimensions=tuple(_dimensions(judged, numbers)),
        turns=turns,
        excerpt=tuple(excerpt(turns)),
        deleted=audit.deleted_at is not None,
    )


def _dimensions(judged: dict[str, Any], numbers: dict[str, int]) -> Sequence[Dimension]:
    found = [(name, value) for name, value in (judged.get("dimensions") or {}).items() if value]
    return [
        Dimension(
            name,
            int(value["score"]),
            str(value.get("reason", "")),
            tuple(sorted(numbers[i] for i in value.get("message_ids", ()) if i in numbers)),
        )
        for name, value in found
    ]
