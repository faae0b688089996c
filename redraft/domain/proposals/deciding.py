"""Deciding on a proposal: accept, reject, cancel, delete, each in one transaction."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from typing import Any, Literal
from uuid import UUID

from sqlmodel.ext.asyncio.session import AsyncSession

from redraft.domain.commit import Change, commit
from redraft.domain.errors import Kind, RedraftError, conflict, not_found
from redraft.domain.proposals.events import failed_checks, say, say_accepted
from redraft.domain.proposals.reading import evidence_of
from redraft.domain.proposals.states import (
    OPEN_STATES,
    UNFINISHED_STATES,
    EvidenceFault,
    drifted,
    evidence_fault,
    leave_open,
    lock_proposal,
)
from redraft.domain.settled import Settled
from redraft.store.tables import Decision, Prompt, Proposal
from redraft.store.tables.base import now


def text_hash(text: str) -> str:
    """Return the SHA-256 of a text, hexadecimal: the ETag of a draft."""
    return hashlib.sha256(text.encode()).hexdigest()


@dataclass(frozen=True, slots=True)
class DecisionRequest:
    """A person's decision. `if_match` is the hash of the proposed prompt that the person read."""

    action: Literal["accept", "reject", "cancel", "delete"]
    actor: str
    note: str = ""
    override: bool = False
    if_match: str | None = None


async def decide(session: AsyncSession, proposal_id: UUID, request: DecisionRequest) -> Settled[Proposal]:
    """Take a decision in one transaction: state, version, prompt and decision record together.

    A refusal can change the record as well (drift makes it expire), so it is returned beside the record, not
    raised: the transaction commits either way. Repeating the decision that holds changes nothing and is no refusal.
    """
    prompt, proposal = await lock_proposal(session, proposal_id)
    if proposal.deleted_at is not None:
        raise not_found("AI prompt proposal")
    if request.action == "accept":
        return await _accept(session, prompt, proposal, request)
    if request.action == "delete":
        return await _delete(session, proposal, request)
    return await _turn_down(session, proposal, request)


async def _accept(
    session: AsyncSession, prompt: Prompt, proposal: Proposal, request: DecisionRequest
) -> Settled[Proposal]:
    if proposal.status == "accepted":
        return Settled(proposal)
    if proposal.status == "expired" and proposal.error == "prompt_version_drifted":
        return Settled(proposal, _drift_refusal(prompt, proposal))
    if proposal.status == "expired":
        return Settled(proposal, _invalidated(await evidence_fault(session, prompt, proposal)))
    if proposal.status != "completed":
        return Settled(proposal, wrong_state("accept", proposal))
    if proposal.detached:
        return Settled(proposal, _not_the_prompt())
    if request.if_match is not None and request.if_match != text_hash(proposal.proposed_prompt):
        return Settled(proposal, edited_since_read())
    if drifted(prompt, proposal):
        await leave_open(session, proposal, "expired", error="prompt_version_drifted")
        return Settled(proposal, _drift_refusal(prompt, proposal))
    if fault := await evidence_fault(session, prompt, proposal):
        await leave_open(session, proposal, "expired", error="invalid_audit_set")
        return Settled(proposal, _invalidated(fault))
    if (failed := failed_checks(proposal)) and not request.override:
        return Settled(proposal, _checks_failed(failed))
    return Settled(await _apply(session, proposal, request))


async def _apply(session: AsyncSession, proposal: Proposal, request: DecisionRequest) -> Proposal:
    evidence = (await evidence_of(session, proposal.id))[proposal.id]
    change = Change(
        prompt_id=proposal.prompt_id,
        text=proposal.proposed_prompt,
        source="proposal",
        actor=request.actor,
        action="accept",
        basis_version_id=proposal.basis_version_id,
        note=request.note,
        proposal_id=proposal.id,
        evidence={
            "audit_ids": [str(i) for i in evidence.audit_ids],
            "run_ids": evidence.run_numbers,
            "override": request.override,
            "failed_checks": failed_checks(proposal),
            "edited": proposal.proposed_prompt != proposal.generated_prompt,
        },
    )
    version = await commit(session, change)
    proposal.applied_version_id = version.id
    _sign(proposal, request)
    await leave_open(session, proposal, "accepted", note=request.note or None)
    await say_accepted(session, proposal, version, override=request.override)
    return proposal


async def _turn_down(session: AsyncSession, proposal: Proposal, request: DecisionRequest) -> Settled[Proposal]:
    cancelled = proposal.status == "failed" and proposal.error == "cancelled"
    if (proposal.status == "rejected" and request.action == "reject") or (cancelled and request.action == "cancel"):
        return Settled(proposal)
    allowed = OPEN_STATES if request.action == "reject" else UNFINISHED_STATES
    if proposal.status not in allowed:
        return Settled(proposal, wrong_state(request.action, proposal))
    await _end(session, proposal, request)
    return Settled(proposal)


async def _delete(session: AsyncSession, proposal: Proposal, request: DecisionRequest) -> Settled[Proposal]:
    """Delete softly; an open proposal is ended first, so that its slot is free and its workflow stops."""
    if proposal.status in OPEN_STATES:
        action: Literal["cancel", "reject"] = "cancel" if proposal.status in UNFINISHED_STATES else "reject"
        await _end(session, proposal, DecisionRequest(action, request.actor, request.note))
    proposal.deleted_at = proposal.updated_at = now()
    session.add(proposal)
    await say(session, proposal, "proposal.deleted", actor=request.actor)
    return Settled(proposal)


async def _end(session: AsyncSession, proposal: Proposal, request: DecisionRequest) -> None:
    session.add(
        Decision(
            customer_id=proposal.customer_id,
            prompt_id=proposal.prompt_id,
            subject_kind="proposal",
            subject_id=proposal.id,
            action=request.action,
            actor=request.actor,
            note=request.note,
        )
    )
    _sign(proposal, request)
    if request.action == "cancel":
        await leave_open(session, proposal, "failed", error="cancelled", note=request.note or None)
    else:
        await leave_open(session, proposal, "rejected", note=request.note or None)


def _sign(proposal: Proposal, request: DecisionRequest) -> None:
    proposal.decided_by, proposal.decided_at = request.actor, now()


def _checks_failed(failed: list[str]) -> RedraftError:
    message = "the draft failed a blocking check; edit it, reject it, or accept with override: true"
    return conflict("CHECKS_FAILED", message, checks=failed)


def _not_the_prompt() -> RedraftError:
    message = "this draft improves a text that is not the AI's prompt: it can be read, but not accepted"
    return conflict("PROMPT_NOT_CURRENT", message)


def _drift_refusal(prompt: Prompt, proposal: Proposal) -> RedraftError:
    return conflict(
        "PROMPT_VERSION_DRIFTED",
        "prompt version drifted",
        basis_prompt_history_id=str(proposal.basis_version_id),
        current_prompt_history_id=str(prompt.current_version_id),
    )


def _invalidated(fault: EvidenceFault | None) -> RedraftError:
    details: dict[str, Any] = {"reason": fault.note} if fault else {}
    if fault and fault.audit_ids:
        details["audit_ids"] = list(fault.audit_ids)
    return conflict("INVALID_AUDIT_SET", "audit set invalidated", **details)


def edited_since_read() -> RedraftError:
    """Return the error for a draft that is no longer the one the caller read."""
    message = "If-Match: the draft was edited since it was read; read it again"
    return RedraftError(Kind.PRECONDITION_FAILED, "DRAFT_EDITED", message)


def wrong_state(action: str, proposal: Proposal) -> RedraftError:
    """Return the error for a decision that this state does not allow."""
    return conflict("STATE_INVALID", f"a proposal that is {proposal.status} can't {action}", status=proposal.status)
