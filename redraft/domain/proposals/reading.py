"""Reading proposals, and what each stands on."""

from __future__ import annotations

from dataclasses import dataclass
from uuid import UUID

from sqlmodel import col, select
from sqlmodel.ext.asyncio.session import AsyncSession

from redraft.domain.errors import not_found
from redraft.domain.paging import Cursor, Page, newest_first
from redraft.domain.runs.evidence import runs_of
from redraft.store.tables import Proposal, ProposalAudit


async def get_proposal(session: AsyncSession, proposal_id: UUID, *, deleted_too: bool = False) -> Proposal:
    """Return a proposal. Raises NOT_FOUND."""
    proposal = await session.get(Proposal, proposal_id)
    if proposal is None or (proposal.deleted_at is not None and not deleted_too):
        raise not_found("AI prompt proposal")
    return proposal


@dataclass(frozen=True, slots=True)
class ProposalFilter:
    """Which proposals to list; None means any."""

    prompt_id: UUID | None = None
    status: str | None = None


async def list_proposals(
    session: AsyncSession, wanted: ProposalFilter, cursor: Cursor | None, size: int
) -> Page[Proposal]:
    """Return proposals, newest first. Those that wait for a slot are none yet."""
    statement = select(Proposal).where(col(Proposal.deleted_at).is_(None), col(Proposal.status) != "queued")
    if wanted.prompt_id is not None:
        statement = statement.where(Proposal.prompt_id == wanted.prompt_id)
    if wanted.status is not None:
        statement = statement.where(Proposal.status == wanted.status)
    rows = await session.exec(newest_first(statement, Proposal, cursor, size))
    return Page.of(list(rows), size, lambda row: row)


async def audit_ids_of(session: AsyncSession, *proposal_ids: UUID) -> dict[UUID, list[UUID]]:
    """Return the audits each proposal stands on, in the order of its request."""
    statement = (
        select(ProposalAudit)
        .where(col(ProposalAudit.proposal_id).in_(proposal_ids))
        .order_by(col(ProposalAudit.position))
    )
    audits: dict[UUID, list[UUID]] = {proposal_id: [] for proposal_id in proposal_ids}
    for link in await session.exec(statement):
        audits[link.proposal_id].append(link.audit_id)
    return audits


@dataclass(frozen=True, slots=True)
class EvidenceIds:
    """What a proposal stands on, in the order of its request: ids of audits, or numbers of runs."""

    audit_ids: list[UUID]
    run_numbers: list[int]


async def evidence_of(session: AsyncSession, *proposal_ids: UUID) -> dict[UUID, EvidenceIds]:
    """Return what each proposal stands on."""
    audits = await audit_ids_of(session, *proposal_ids)
    without = [proposal_id for proposal_id in proposal_ids if not audits[proposal_id]]
    runs = await runs_of(session, *without) if without else {}
    return {
        proposal_id: EvidenceIds(audits[proposal_id], [run.number for run in runs.get(proposal_id, [])])
        for proposal_id in proposal_ids
    }
