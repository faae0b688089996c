"""What people, programs and the worker do to one customer's records: each method is one transaction of the core."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable
from dataclasses import dataclass
from typing import TypeVar
from uuid import UUID

from redraft.domain import audits, prompts, traces
from redraft.domain.errors import RedraftError
from redraft.domain.proposals import deciding, drafts, opening, reading, states
from redraft.domain.proposals.deciding import DecisionRequest
from redraft.domain.proposals.opening import ProposalRequest
from redraft.domain.proposals.states import ProposalError
from redraft.domain.settled import Settled
from redraft.store.database import Database
from redraft.store.ids import new_id
from redraft.store.tables import Audit, Prompt, PromptVersion, Proposal, Trace
from tests.support.worlds import evaluation

T = TypeVar("T")
TEXT = "You book tables for {{restaurant}}. Be brief."
MESSAGES = [{"role": "user", "content": "A table for two."}, {"role": "assistant", "content": "Done."}]
LIMIT = 3


async def together(*work: Awaitable[T]) -> list[T | RedraftError]:
    """Do everything at once. A rule's no is a result like any other; any other error fails the test."""
    results = await asyncio.gather(*work, return_exceptions=True)
    kept: list[T | RedraftError] = []
    for result in results:
        if isinstance(result, BaseException) and not isinstance(result, RedraftError):
            raise result
        kept.append(result)
    return kept


@dataclass(frozen=True, slots=True)
class Desk:
    """One customer's desk."""

    db: Database
    customer_id: UUID

    async def prompt(self, text: str = TEXT) -> Prompt:
        async with self.db.tenant(self.customer_id) as session:
            draft = prompts.PromptDraft("Booking", text)
            return (await prompts.create_prompt(session, self.customer_id, draft, "ann")).prompt

    async def put(self, prompt_id: UUID, text: str, if_match: UUID | None = None) -> PromptVersion:
        async with self.db.tenant(self.customer_id) as session:
            update = prompts.PromptUpdate(text=text, if_match=if_match)
            return (await prompts.update_prompt(session, prompt_id, update, "bob")).version

    async def restore(self, prompt_id: UUID, version_id: UUID) -> PromptVersion:
        async with self.db.tenant(self.customer_id) as session:
            return await prompts.restore_version(session, prompt_id, version_id, "bob")

    async def delete_prompt(self, prompt_id: UUID) -> Prompt:
        async with self.db.tenant(self.customer_id) as session:
            return (await prompts.delete_prompt(session, prompt_id, "ann")).prompt

    async def trace(self, prompt_id: UUID) -> Trace:
        async with self.db.tenant(self.customer_id) as session:
            return await traces.record_trace(session, self.customer_id, traces.TraceDraft(prompt_id, MESSAGES))

    async def delete_trace(self, trace_id: UUID) -> Trace:
        async with self.db.tenant(self.customer_id) as session:
            return await traces.delete_trace(session, trace_id)

    async def audit(self, prompt_id: UUID, trace_id: UUID | None = None) -> Audit:
        trace_id = trace_id or (await self.trace(prompt_id)).id
        async with self.db.tenant(self.customer_id) as session:
            draft = audits.AuditDraft(trace_id, evaluation=evaluation())
            return await audits.create_audit(session, self.customer_id, draft)

    async def delete_audit(self, audit_id: UUID) -> Audit:
        async with self.db.tenant(self.customer_id) as session:
            return await audits.delete_audit(session, audit_id)

    async def open(self, prompt_id: UUID, *audit_ids: UUID) -> Proposal:
        wanted = ProposalRequest(new_id(), self.customer_id, prompt_id, audit_ids, "", "ann")
        async with self.db.tenant(self.customer_id) as session:
            return await opening.open_proposal(session, wanted, LIMIT)

    async def draft(self, proposal_id: UUID, text: str = TEXT + " Confirm the number.") -> Proposal:
        """Store what the model would have written."""
        async with self.db.tenant(self.customer_id) as session:
            finished = drafts.FinishedDraft(text, "The audits say so.", "model", "propose@1")
            return await drafts.store_draft(session, proposal_id, finished)

    async def basis(self, proposal_id: UUID) -> drafts.DraftBasis | None:
        """What the worker does first of all before it asks the model."""
        async with self.db.tenant(self.customer_id) as session:
            return await drafts.load_basis(session, proposal_id)

    async def edit(self, proposal_id: UUID, text: str) -> Proposal:
        async with self.db.tenant(self.customer_id) as session:
            settled = await drafts.edit_draft(session, proposal_id, text, "ann")
        return said(settled)

    async def decide(self, proposal_id: UUID, request: DecisionRequest) -> Proposal:
        async with self.db.tenant(self.customer_id) as session:
            settled = await deciding.decide(session, proposal_id, request)
        return said(settled)

    async def accept(self, proposal_id: UUID, actor: str = "ann") -> Proposal:
        return await self.decide(proposal_id, DecisionRequest("accept", actor))

    async def reject(self, proposal_id: UUID, actor: str = "bob") -> Proposal:
        return await self.decide(proposal_id, DecisionRequest("reject", actor))

    async def cancel(self, proposal_id: UUID) -> Proposal:
        return await self.decide(proposal_id, DecisionRequest("cancel", "ann"))

    async def delete(self, proposal_id: UUID) -> Proposal:
        return await self.decide(proposal_id, DecisionRequest("delete", "ann"))

    async def fail(self, proposal_id: UUID, error: ProposalError = "evaluator_unavailable") -> Proposal:
        async with self.db.tenant(self.customer_id) as session:
            return await states.fail_proposal(session, proposal_id, error, "the model was away")

    async def recheck(self, proposal_id: UUID) -> Proposal:
        async with self.db.tenant(self.customer_id) as session:
            return await states.recheck(session, proposal_id)

    async def read(self, proposal_id: UUID) -> Proposal:
        async with self.db.tenant(self.customer_id) as session:
            return await reading.get_proposal(session, proposal_id, deleted_too=True)

    async def waiting(self, prompt: Prompt, audits_of_it: int = 2) -> tuple[Proposal, list[Audit]]:
        """Open a proposal on new audits and give it a draft, so that it waits for a decision."""
        evidence = [await self.audit(prompt.id) for _ in range(audits_of_it)]
        opened = await self.open(prompt.id, *(audit.id for audit in evidence))
        return await self.draft(opened.id, f"{TEXT} Rule of {opened.id}."), evidence


def said(settled: Settled[Proposal]) -> Proposal:
    """Return the record; raise the refusal, after its transaction has committed."""
    if settled.refusal is not None:
        raise settled.refusal
    return settled.record
