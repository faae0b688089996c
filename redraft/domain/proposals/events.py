"""What the event log is told about a proposal: one event for each step it takes."""

from __future__ import annotations

from typing import Any

from sqlmodel.ext.asyncio.session import AsyncSession

from redraft.domain.outbox import emit
from redraft.store.tables import Prompt, PromptVersion, Proposal


def failed_checks(proposal: Proposal) -> list[str]:
    """Return the names of the blocking checks that the draft failed."""
    return [check["name"] for check in proposal.checks if check["blocking"] and not check["passed"]]


async def say(session: AsyncSession, proposal: Proposal, topic: str, **facts: Any) -> None:
    """Record an event of a proposal."""
    await emit(session, proposal.customer_id, topic, proposal.id, prompt_id=proposal.prompt_id, **facts)


async def say_created(session: AsyncSession, proposal: Proposal, *, audits: int = 0, runs: int = 0) -> None:
    """Record that a proposal is in progress, with how much evidence."""
    facts = {"actor": proposal.created_by, "basis_version_id": proposal.basis_version_id}
    await say(session, proposal, "proposal.created", **facts, audits=audits, runs=runs)


async def say_left(session: AsyncSession, proposal: Proposal) -> None:
    """Record how a proposal left progress or its wait for a person; that it was accepted is `say_accepted`'s."""
    if proposal.error == "prompt_version_drifted":
        await _say_drifted(session, proposal)
    cost = float(proposal.cost_usd)
    if proposal.status == "completed":
        await say(
            session,
            proposal,
            "proposal.completed",
            model=proposal.model,
            prompt_tokens=proposal.prompt_tokens,
            output_tokens=proposal.output_tokens,
            cost_usd=cost,
            failed_checks=failed_checks(proposal),
        )
    elif proposal.error == "cancelled":
        await say(session, proposal, "proposal.cancelled", actor=proposal.decided_by)
    elif proposal.status == "rejected":
        await say(session, proposal, "proposal.rejected", actor=proposal.decided_by)
    elif proposal.status == "failed":
        await say(session, proposal, "proposal.failed", error=proposal.error, cost_usd=cost)
    elif proposal.status == "expired":
        await say(session, proposal, "proposal.expired", error=proposal.error)


async def say_accepted(session: AsyncSession, proposal: Proposal, version: PromptVersion, *, override: bool) -> None:
    """Record that a person accepted, and which version that made."""
    await say(
        session,
        proposal,
        "proposal.accepted",
        actor=proposal.decided_by,
        version_id=version.id,
        version=version.number,
        override=override,
        edited=proposal.proposed_prompt != proposal.generated_prompt,
    )


async def _say_drifted(session: AsyncSession, proposal: Proposal) -> None:
    """Record that the basis has moved; that of a prompt which was deleted may not have."""
    current = (await session.get_one(Prompt, proposal.prompt_id)).current_version_id
    if current != proposal.basis_version_id:
        await emit(
            session,
            proposal.customer_id,
            "prompt.drifted",
            proposal.prompt_id,
            prompt_id=proposal.prompt_id,
            basis_version_id=proposal.basis_version_id,
            current_version_id=current,
            proposal_id=proposal.id,
        )
