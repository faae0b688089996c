"""Improving a prompt from runs: a proposal that waits in a queue until a slot is free."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from decimal import Decimal
from typing import Literal
from uuid import UUID

from sqlmodel.ext.asyncio.session import AsyncSession

from redraft.domain.budgets import of_customer, refuse_when_spent
from redraft.domain.commit import current_version, lock_prompt
from redraft.domain.errors import not_found
from redraft.domain.languages import DEFAULT_LANGUAGE
from redraft.domain.outbox import emit
from redraft.domain.proposals.events import say_created
from redraft.domain.proposals.states import PURPOSE
from redraft.domain.runs.content import Identifier
from redraft.domain.runs.evidence import NOTHING_TO_IMPROVE, load_run_set, prompt_of_runs, runs_of
from redraft.store.tables import Proposal, ProposalRun

ProgressStatus = Literal["queued", "processing", "completed", "failed", "cancelled"]


@dataclass(frozen=True, slots=True)
class ImproveRequest:
    """What to improve. `prompt` None means the agent's current version; the ids limit what of the runs counts."""

    id: UUID
    customer_id: UUID
    numbers: tuple[int, ...]
    actor: str
    workflow_id: str
    prompt: str | None = None
    agent: UUID | int | None = None
    category_ids: tuple[Identifier, ...] = ()
    metric_ids: tuple[Identifier, ...] = ()


async def queue_proposal(
    session: AsyncSession, request: ImproveRequest, default_budget: Decimal | None = None
) -> Proposal:
    """Store a proposal from runs, which the outbox sees started; a repeated `id` answers the one stored before.

    `default_budget`: USD per month of a customer without a budget of its own, None for no limit. Raises INVALID naming
    the field, BUDGET_SPENT.
    """
    if (queued := await session.get(Proposal, request.id)) is not None:
        return queued
    runs = await load_run_set(session, request.numbers)
    prompt = await prompt_of_runs(session, runs, request.agent)
    await lock_prompt(session, prompt.id)
    await refuse_when_spent(session, of_customer(request.customer_id), default_budget, PURPOSE)
    version = await current_version(session, prompt)
    text = request.prompt if request.prompt is not None else version.text
    proposal = Proposal(
        id=request.id,
        customer_id=request.customer_id,
        prompt_id=prompt.id,
        basis_version_id=version.id,
        original_prompt=text,
        detached=text != version.text,
        focus=_focus(request),
        status="queued",
        language=prompt.language or DEFAULT_LANGUAGE,
        created_by=request.actor,
        workflow_id=request.workflow_id,
    )
    session.add(proposal)
    await session.flush()
    for position, run in enumerate(runs):
        session.add(
            ProposalRun(proposal_id=proposal.id, run_id=run.id, customer_id=request.customer_id, position=position)
        )
    await say_created(session, proposal, runs=len(runs))
    await emit(session, proposal.customer_id, "proposal.queued", proposal.id)
    return proposal


def _focus(request: ImproveRequest) -> dict[str, list[Identifier]]:
    focus: dict[str, Sequence[Identifier]] = {
        "category_ids": request.category_ids,
        "metric_ids": request.metric_ids,
    }
    return {name: list(ids) for name, ids in focus.items() if ids}


@dataclass(frozen=True, slots=True)
class Improvement:
    """A better prompt and what was changed, line by line with the metrics that each change answers."""

    improved_prompt: str
    summary_of_changes: str


@dataclass(frozen=True, slots=True)
class Progress:
    """Where a job is. `output` once it is completed with a draft; `error` why there is none."""

    status: ProgressStatus
    output: Improvement | None = None
    error: str | None = None


async def get_progress(session: AsyncSession, proposal_id: UUID) -> Progress:
    """Return where a job is. Raises NOT_FOUND for what is no job of the caller's."""
    proposal = await session.get(Proposal, proposal_id)
    if proposal is None or proposal.deleted_at is not None or not (await runs_of(session, proposal_id))[proposal_id]:
        raise not_found("improvement")
    return progress_of(proposal)


def progress_of(proposal: Proposal) -> Progress:
    """Return where a job is, from its record. What was decided about its draft does not change the draft."""
    if proposal.status == "queued":
        return Progress("queued")
    if proposal.status == "progressing":
        return Progress("processing")
    if proposal.generated_prompt:
        return Progress("completed", Improvement(proposal.proposed_prompt, summary_of(proposal)))
    if proposal.note in NOTHING_TO_IMPROVE:
        return Progress("completed", error=proposal.note)
    if proposal.status == "rejected" or proposal.error == "cancelled":
        return Progress("cancelled", error=proposal.note or "cancelled")
    reason = f"{proposal.error}: {proposal.note}" if proposal.note else proposal.error
    return Progress("failed", error=reason)


def summary_of(proposal: Proposal) -> str:
    """Return the changes of a draft, one a line, each with the metrics it answers; without any, the rationale."""
    lines = []
    for change in proposal.changes:
        metrics = ", ".join(change.get("metrics") or [])
        lines.append(f"- {change['summary']}" + (f" (answers: {metrics})" if metrics else ""))
    return "\n".join(lines) or proposal.rationale
