"""The draft of a proposal: what the model is given, what it wrote, and what a person made of it."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, field
from typing import Any
from uuid import UUID

from sqlmodel import col, select
from sqlmodel.ext.asyncio.session import AsyncSession

from redraft.domain.checks import check_draft
from redraft.domain.evidence import AuditedCall, Evaluation, Message, said
from redraft.domain.ledger import forget_answers
from redraft.domain.proposals.deciding import edited_since_read, text_hash, wrong_state
from redraft.domain.proposals.events import failed_checks, say
from redraft.domain.proposals.reading import get_proposal
from redraft.domain.proposals.states import leave_open, lock_proposal, recheck
from redraft.domain.runs.evidence import all_runs, run_evidence
from redraft.domain.settled import Settled
from redraft.llm.tasks.runs import RunEvidence
from redraft.store.tables import Audit, Proposal, ProposalAudit, Trace
from redraft.store.tables.base import now


@dataclass(frozen=True, slots=True)
class DraftBasis:
    """What the model is given to write a draft from; calls are in the order they were recorded, runs as asked for."""

    proposal_id: UUID
    prompt_id: UUID
    original_prompt: str
    language: str
    calls: list[AuditedCall]
    runs: list[RunEvidence]
    schedule_id: UUID | None = None


async def load_basis(session: AsyncSession, proposal_id: UUID) -> DraftBasis | None:
    """Return what to write from, after checking basis and audits again; None when the proposal is not in progress."""
    proposal = await recheck(session, proposal_id, before_generation=True)
    if proposal.status != "progressing":
        return None
    return DraftBasis(
        proposal_id=proposal.id,
        prompt_id=proposal.prompt_id,
        original_prompt=proposal.original_prompt,
        language=proposal.language,
        calls=await audited_calls(session, proposal_id),
        runs=await run_evidence(session, proposal),
        schedule_id=proposal.schedule_id,
    )


async def audited_calls(session: AsyncSession, proposal_id: UUID) -> list[AuditedCall]:
    """Return the conversations a proposal stands on with their audits, oldest first; erased ones are left out."""
    statement = (
        select(Audit, Trace)
        .join(ProposalAudit, col(ProposalAudit.audit_id) == Audit.id)
        .join(Trace, col(Trace.id) == Audit.trace_id)
        .where(ProposalAudit.proposal_id == proposal_id, col(Audit.evaluation).is_not(None))
        .order_by(col(Trace.created_at), col(Trace.id), col(Audit.id))
    )
    return [
        AuditedCall(
            audit_id=str(audit.id),
            messages=[Message.model_validate(message) for message in trace.messages],
            evaluation=Evaluation.model_validate(audit.evaluation),
        )
        for audit, trace in await session.exec(statement)
    ]


@dataclass(frozen=True, slots=True)
class FinishedDraft:
    """What the model wrote and what the checks say of it."""

    text: str
    rationale: str
    model: str
    task_version: str
    changes: list[dict[str, Any]] = field(default_factory=list)
    checks: list[dict[str, Any]] = field(default_factory=list)


async def store_draft(session: AsyncSession, proposal_id: UUID, draft: FinishedDraft) -> Proposal:
    """Complete a proposal in progress with its draft, tokens and cost; any other state keeps what it has."""
    _, proposal = await lock_proposal(session, proposal_id)
    if proposal.status == "progressing":
        proposal.generated_prompt = proposal.proposed_prompt = draft.text
        proposal.rationale, proposal.model, proposal.task_version = draft.rationale, draft.model, draft.task_version
        proposal.changes, proposal.checks = draft.changes, draft.checks
        await leave_open(session, proposal, "completed")
    else:  # the answer came after the decision
        await forget_answers(session, proposal_id)
    return proposal


async def edit_draft(
    session: AsyncSession, proposal_id: UUID, text: str, actor: str, if_match: str | None = None
) -> Settled[Proposal]:
    """Replace the draft of a waiting proposal and check it anew; what the model wrote stays in `generated_prompt`.

    Refused with STATE_INVALID unless completed, and with DRAFT_EDITED when `if_match` is not the draft's hash.
    """
    proposal = await get_proposal(session, proposal_id)
    if proposal.status != "completed":
        return Settled(proposal, wrong_state("edit", proposal))
    # Checked before anything is locked: long transcripts take seconds.
    checks = await _checks_of(session, proposal, text)
    _, proposal = await lock_proposal(session, proposal_id)
    if proposal.status != "completed":
        return Settled(proposal, wrong_state("edit", proposal))
    if if_match is not None and if_match != text_hash(proposal.proposed_prompt):
        return Settled(proposal, edited_since_read())
    if text != proposal.proposed_prompt:
        proposal.proposed_prompt, proposal.checks = text, checks
        proposal.updated_at = now()
        session.add(proposal)
        await say(session, proposal, "proposal.edited", actor=actor, failed_checks=failed_checks(proposal))
    return Settled(proposal)


async def _checks_of(session: AsyncSession, proposal: Proposal, text: str) -> list[dict[str, Any]]:
    spoken = [call.messages for call in await audited_calls(session, proposal.id)]
    spoken += [list(run.messages) for run in await all_runs(session, proposal)]
    transcripts = list(map(said, spoken))
    checks = await asyncio.to_thread(
        check_draft, proposal.original_prompt, text, transcripts, language=proposal.language
    )
    return [check.model_dump() for check in checks]
