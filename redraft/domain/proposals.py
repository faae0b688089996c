"""Proposals: opened from audits or queued from runs, drafted by a model, decided by a person.

States: queued → progressing → completed | failed | rejected | expired; completed → accepted | rejected | expired. Each
write of a state is guarded by the state it leaves, under the row's lock; terminal states never change.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from typing import Literal
from uuid import UUID

from sqlalchemy import func
from sqlmodel import col, select
from sqlmodel.ext.asyncio.session import AsyncSession

from redraft.domain.budgets import of_customer, refuse_when_spent
from redraft.domain.clock import refuse_late
from redraft.domain.commit import Change, commit, current_version, lock_prompt
from redraft.domain.errors import Kind, RedraftError, conflict, not_found
from redraft.domain.languages import DEFAULT_LANGUAGE
from redraft.domain.ledger import booked, forget_answers
from redraft.domain.paging import Cursor, Page, newest_first
from redraft.domain.proposal_events import failed_checks, say, say_accepted, say_created, say_left
from redraft.domain.runs.evidence import nothing_to_improve, runs_of, withdrawn
from redraft.domain.settled import Settled
from redraft.store.tables import Audit, Customer, Decision, Prompt, Proposal, ProposalAudit
from redraft.store.tables.base import now

PURPOSE = "proposal"  # of its model calls in the ledger
GREATEST_AUDIT_SET = 20
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


# ---------------------------------------------------------------------------------------------- opening


@dataclass(frozen=True, slots=True)
class ProposalRequest:
    """A proposal to open. After `deadline` it is refused: whoever asked has given up by then."""

    id: UUID
    customer_id: UUID
    prompt_id: UUID
    audit_ids: tuple[UUID, ...]
    language: str
    actor: str
    workflow_id: str = ""
    deadline: datetime | None = None
    schedule_id: UUID | None = None


async def open_proposal(
    session: AsyncSession, request: ProposalRequest, default_limit: int, default_budget: Decimal | None = None
) -> Proposal:
    """Open a proposal under the customer's lock, or answer the one that this request opened before.

    `default_budget`: USD per month of a customer without a budget of its own, None for no limit. Raises NOT_FOUND (AI),
    INVALID_AUDIT_SET, AUDIT_PROMPT_VERSION_MISMATCH, TOO_MANY_IN_PROGRESS, BUDGET_SPENT, DEADLINE_EXCEEDED; then
    nothing is stored.
    """
    if (opened := await session.get(Proposal, request.id)) is not None:
        return opened
    prompt = await lock_prompt(session, request.prompt_id)
    customer = await _lock_customer(session, request.customer_id)
    await refuse_late(session, request.deadline)
    audits = await load_audit_set(session, prompt, request.audit_ids)
    await _refuse_beyond_limit(session, customer, default_limit)
    await refuse_when_spent(session, of_customer(customer.id), default_budget, PURPOSE)
    version = await current_version(session, prompt)
    proposal = Proposal(
        id=request.id,
        customer_id=request.customer_id,
        prompt_id=prompt.id,
        basis_version_id=version.id,
        schedule_id=request.schedule_id,
        original_prompt=version.text,
        language=request.language or prompt.language or DEFAULT_LANGUAGE,
        created_by=request.actor,
        workflow_id=request.workflow_id,
    )
    session.add(proposal)
    await session.flush()
    for position, audit in enumerate(audits):
        link = ProposalAudit(
            proposal_id=proposal.id, audit_id=audit.id, customer_id=request.customer_id, position=position
        )
        session.add(link)
    await say_created(session, proposal, audits=len(audits))
    return proposal


async def claim_slot(session: AsyncSession, proposal_id: UUID, default_limit: int) -> Proposal:
    """Let a queued proposal progress when the customer has a slot free; any other is left as it is.

    Raises TOO_MANY_IN_PROGRESS.
    """
    _, proposal = await lock_proposal(session, proposal_id)
    if proposal.status == "queued":
        customer = await _lock_customer(session, proposal.customer_id)
        await _refuse_beyond_limit(session, customer, default_limit)
        proposal.status, proposal.updated_at = "progressing", now()
        session.add(proposal)
    return proposal


async def _lock_customer(session: AsyncSession, customer_id: UUID) -> Customer:
    statement = select(Customer).where(Customer.id == customer_id).with_for_update(key_share=True)
    return (await session.exec(statement)).one()


async def _refuse_beyond_limit(session: AsyncSession, customer: Customer, default_limit: int) -> None:
    limit = customer.max_in_progress or default_limit
    statement = select(func.count()).where(
        col(Proposal.customer_id) == customer.id,
        col(Proposal.status) == "progressing",
        col(Proposal.deleted_at).is_(None),
    )
    if (await session.exec(statement)).one() >= limit:
        raise RedraftError(
            Kind.RATE_LIMITED,
            "TOO_MANY_IN_PROGRESS",
            f"too many in-flight proposals for this customer (max {limit}); wait for one to complete or reject one",
            retry_after_s=10,
        )


async def load_audit_set(session: AsyncSession, prompt: Prompt, audit_ids: tuple[UUID, ...]) -> list[Audit]:
    """Return the audits in the order asked for, share-locked, or say what is wrong with the set.

    Raises INVALID_AUDIT_SET (number, repeated, unknown, of another AI, not completed) and, for audits of another
    version than the current one, AUDIT_PROMPT_VERSION_MISMATCH; both name the audits.
    """
    if not 1 <= len(audit_ids) <= GREATEST_AUDIT_SET:
        raise invalid_audit_set(f"audit_ids: give 1 to {GREATEST_AUDIT_SET} audits, not {len(audit_ids)}", ())
    if repeated := [i for i in dict.fromkeys(audit_ids) if audit_ids.count(i) > 1]:
        raise invalid_audit_set("audit_ids: each audit only once", repeated)
    statement = (
        select(Audit)
        .where(col(Audit.id).in_(audit_ids), col(Audit.deleted_at).is_(None))
        .order_by(col(Audit.id))
        .with_for_update(read=True)
    )
    found = {audit.id: audit for audit in await session.exec(statement)}
    if missing := [i for i in audit_ids if i not in found or found[i].prompt_id != prompt.id]:
        raise invalid_audit_set("audit_ids: no such audit of this AI", missing)
    if unready := [i for i in audit_ids if found[i].status != "completed"]:
        raise invalid_audit_set("audit_ids: only completed audits can be used", unready)
    if other := [i for i in audit_ids if found[i].prompt_version_id != prompt.current_version_id]:
        raise RedraftError(
            Kind.INVALID,
            "AUDIT_PROMPT_VERSION_MISMATCH",
            "audit prompt version mismatch: these audits are of an older prompt version",
            details={"audit_ids": [str(i) for i in other]},
        )
    return [found[i] for i in audit_ids]


def invalid_audit_set(message: str, audit_ids: list[UUID] | tuple[UUID, ...]) -> RedraftError:
    """Return the error for a set of audits that can't be evidence."""
    details = {"field": "audit_ids", "audit_ids": [str(i) for i in audit_ids]}
    return RedraftError(Kind.INVALID, "INVALID_AUDIT_SET", f"invalid audit set: {message}", details=details)


# ---------------------------------------------------------------------------------------------- reading


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


# ---------------------------------------------------------------------------------------------- state


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
    elif proposal.status in UNFINISHED_STATES and (fault := await _evidence_fault(session, prompt, proposal)):
        await leave_open(session, proposal, "failed", error=fault.error, note=fault.note)
    elif proposal.status == "progressing" and (reason := await nothing_to_improve(session, proposal)):
        await leave_open(session, proposal, "failed", error="invalid_audit_set", note=reason)
    return proposal


@dataclass(frozen=True, slots=True)
class EvidenceFault:
    """Why a proposal's evidence no longer holds."""

    error: ProposalError
    note: str


async def _evidence_fault(session: AsyncSession, prompt: Prompt, proposal: Proposal) -> EvidenceFault | None:
    audit_ids = (await audit_ids_of(session, proposal.id))[proposal.id]
    if not audit_ids:
        reason = await withdrawn(session, proposal)
        return EvidenceFault("invalid_audit_set", reason) if reason else None
    try:
        await load_audit_set(session, prompt, tuple(audit_ids))
    except RedraftError as error:
        mismatch = error.code == "AUDIT_PROMPT_VERSION_MISMATCH"
        return EvidenceFault("audit_prompt_version_mismatch" if mismatch else "invalid_audit_set", error.message)
    return None


# ---------------------------------------------------------------------------------------------- deciding


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
        return Settled(proposal, conflict("INVALID_AUDIT_SET", "audit set invalidated"))
    if proposal.status != "completed":
        return Settled(proposal, wrong_state("accept", proposal))
    if proposal.detached:
        return Settled(proposal, _not_the_prompt())
    if request.if_match is not None and request.if_match != text_hash(proposal.proposed_prompt):
        return Settled(proposal, edited_since_read())
    if drifted(prompt, proposal):
        await leave_open(session, proposal, "expired", error="prompt_version_drifted")
        return Settled(proposal, _drift_refusal(prompt, proposal))
    if fault := await _evidence_fault(session, prompt, proposal):
        await leave_open(session, proposal, "expired", error="invalid_audit_set")
        return Settled(proposal, conflict("INVALID_AUDIT_SET", "audit set invalidated", reason=fault.note))
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


def edited_since_read() -> RedraftError:
    """Return the error for a draft that is no longer the one the caller read."""
    message = "If-Match: the draft was edited since it was read; read it again"
    return RedraftError(Kind.PRECONDITION_FAILED, "DRAFT_EDITED", message)


def wrong_state(action: str, proposal: Proposal) -> RedraftError:
    """Return the error for a decision that this state does not allow."""
    return conflict("STATE_INVALID", f"a proposal that is {proposal.status} can't {action}", status=proposal.status)
