"""Opening a proposal: at once from audits, or from the queue when a slot is free."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from uuid import UUID

from sqlalchemy import func
from sqlmodel import col, select
from sqlmodel.ext.asyncio.session import AsyncSession

from redraft.domain.budgets import of_customer, refuse_when_spent
from redraft.domain.clock import refuse_late
from redraft.domain.commit import current_version, lock_prompt
from redraft.domain.errors import Kind, RedraftError
from redraft.domain.languages import DEFAULT_LANGUAGE
from redraft.domain.proposals.audit_set import load_audit_set
from redraft.domain.proposals.events import say_created
from redraft.domain.proposals.states import PURPOSE, lock_proposal
from redraft.store.tables import Customer, Proposal, ProposalAudit
from redraft.store.tables.base import now


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


async def free_slots(session: AsyncSession, customer_id: UUID, default_limit: int) -> int:
    """Return how many more proposals of a customer may be in progress, without its lock.

    Raises TOO_MANY_IN_PROGRESS when none may.
    """
    customer = (await session.exec(select(Customer).where(Customer.id == customer_id))).one()
    return await _refuse_beyond_limit(session, customer, default_limit)


async def _refuse_beyond_limit(session: AsyncSession, customer: Customer, default_limit: int) -> int:
    limit = customer.max_in_progress or default_limit
    statement = select(func.count()).where(
        col(Proposal.customer_id) == customer.id,
        col(Proposal.status) == "progressing",
        col(Proposal.deleted_at).is_(None),
    )
    in_progress = (await session.exec(statement)).one()
    if in_progress >= limit:
        raise RedraftError(
            Kind.RATE_LIMITED,
            "TOO_MANY_IN_PROGRESS",
            f"too many in-flight proposals for this customer (max {limit}); wait for one to complete or reject one",
            retry_after_s=10,
        )
    return limit - in_progress
