"""The states of a proposal, and every move from one to another.

queued → progressing → completed | failed | rejected | expired; completed → accepted | rejected | expired. Each write of
a state is guarded by the state it leaves, under the row's lock; terminal states never change.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal
from uuid import UUID

from sqlmodel import select
from sqlmodel.ext.asyncio.session import AsyncSession

from redraft.domain.commit import lock_prompt
from redraft.domain.errors import RedraftError
from redraft.domain.ledger import booked, forget_answers
from redraft.domain.proposals.audit_set import load_audit_set
from redraft.domain.proposals.events import say_left
from redraft.domain.proposals.reading import audit_ids_of, get_proposal
from redraft.domain.runs.evidence import nothing_to_improve, withdrawn
from redraft.store.tables import Prompt, Proposal
from redraft.store.tables.base import now

PURPOSE = "proposal"  # of its model calls in the ledger
UNFINISHED_STATES = ("queued", "progressing")
OPEN_STATES = (*UNFINISHED_STATES, "completed")
TERMINAL_STATES = ("failed", "accepted", "rejected", "expired")
ProposalError = Literal[
    "",
    "invalid_audit_set",
    "audit_prompt_version_mismatch",
    "prompt_version_drifted",
    "evaluator_unavailable",
    "invalid_evaluator_response",
    "cancelled",
]
"""The published errors of a proposal, non-empty only when it is failed or expired."""


async def lock_proposal(session: AsyncSession, proposal_id: UUID) -> tuple[Prompt, Proposal]:
    """Return a proposal and its prompt, both locked, the prompt first. Raises NOT_FOUND."""
    found = await get_proposal(session, proposal_id, deleted_too=True)
    prompt = await lock_prompt(session, found.prompt_id, deleted_too=True)
    statement = select(Proposal).where(Proposal.id == proposal_id).with_for_update()
    return prompt, (await session.exec(statement.execution_options(populate_existing=True))).one()


def drifted(prompt: Prompt, proposal: Proposal) -> bool:
    """Return whether the prompt has left the version that the proposal was made for; one that is detached has none."""
    moved = prompt.current_version_id != proposal.basis_version_id and not proposal.detached
    return prompt.deleted_at is not None or moved


async def leave_open(
    session: AsyncSession, proposal: Proposal, status: str, *, error: ProposalError = "", note: str | None = None
) -> None:
    """Move an open, locked proposal on to another state, with what its model calls took, and log it as an event."""
    if proposal.status not in OPEN_STATES:
        raise AssertionError(f"proposal {proposal.id} is {proposal.status}: terminal states never change")
    proposal.status, proposal.error, proposal.updated_at = status, error, now()
    if note is not None:
        proposal.note = note
    usage = await booked(session, PURPOSE, proposal.id)
    proposal.prompt_tokens, proposal.output_tokens = usage.prompt_tokens, usage.output_tokens
    proposal.cost_usd = usage.cost_usd
    session.add(proposal)
    await forget_answers(session, proposal.id)
    await say_left(session, proposal)


async def fail_proposal(session: AsyncSession, proposal_id: UUID, error: ProposalError, note: str) -> Proposal:
    """Fail a proposal in progress; any other is left as it is."""
    _, proposal = await lock_proposal(session, proposal_id)
    if proposal.status in UNFINISHED_STATES:
        await leave_open(session, proposal, "failed", error=error, note=note)
    return proposal


async def recheck(session: AsyncSession, proposal_id: UUID, *, before_generation: bool = False) -> Proposal:
    """Look whether an open proposal still has its basis and, while in progress, its evidence; end it if not.

    A prompt that has moved makes it `expired`; found before generation, where the audits are read, it is their
    fault: they are of an older version (`failed`, `audit_prompt_version_mismatch`).
    """
    prompt, proposal = await lock_proposal(session, proposal_id)
    if proposal.status not in OPEN_STATES:
        return proposal
    early = before_generation and proposal.status == "progressing" and prompt.deleted_at is None
    if drifted(prompt, proposal) and not (early and (await audit_ids_of(session, proposal.id))[proposal.id]):
        await leave_open(session, proposal, "expired", error="prompt_version_drifted")
    elif proposal.status in UNFINISHED_STATES and (fault := await evidence_fault(session, prompt, proposal)):
        await leave_open(session, proposal, "failed", error=fault.error, note=fault.note)
    elif proposal.status == "progressing" and (reason := await nothing_to_improve(session, proposal)):
        await leave_open(session, proposal, "failed", error="invalid_audit_set", note=reason)
    return proposal


@dataclass(frozen=True, slots=True)
class EvidenceFault:
    """Why a proposal's evidence no longer holds."""

    error: ProposalError
    note: str
    audit_ids: tuple[str, ...] = ()


async def evidence_fault(session: AsyncSession, prompt: Prompt, proposal: Proposal) -> EvidenceFault | None:
    """Return why the evidence no longer holds (an audit gone or of an older version, a run withdrawn), if so."""
    audit_ids = (await audit_ids_of(session, proposal.id))[proposal.id]
    if not audit_ids:
        reason = await withdrawn(session, proposal)
        return EvidenceFault("invalid_audit_set", reason) if reason else None
    try:
        await load_audit_set(session, prompt, tuple(audit_ids))
    except RedraftError as error:
        mismatch = error.code == "AUDIT_PROMPT_VERSION_MISMATCH"
        kind: ProposalError = "audit_prompt_version_mismatch" if mismatch else "invalid_audit_set"
        return EvidenceFault(kind, error.message, tuple(error.details["audit_ids"]))
    return None
