"""AI prompt proposals: open, read, decide.

A decision goes through the proposal's workflow. No connection to the database is held while Temporal is asked.
"""

from __future__ import annotations

from typing import Annotated, Literal
from uuid import UUID

from fastapi import Header, Query, Response
from fastapi.responses import PlainTextResponse
from sqlmodel.ext.asyncio.session import AsyncSession

from api.conditional import Condition, IfMatch, tag
from api.dependencies import AppState, NewId, PageSize, PageToken, Principal, Reader, State, TenantSession, Writer
from api.errors.status import NEEDS_BUDGET
from api.negotiation import prefers
from api.opening import open_proposal
from api.routing import Router
from api.schemas.aipromptproposals import (
    Acceptance,
    AiPromptProposal,
    Dismissal,
    LiveProposal,
    ProposalCreate,
    ProposalDiff,
    ProposalEdit,
    ProposalStatus,
)
from api.schemas.common import PageOf
from redraft.domain.diff import unified
from redraft.domain.limits import check_prompt
from redraft.domain.proposals.deciding import DecisionRequest, text_hash, wrong_state
from redraft.domain.proposals.drafts import edit_draft
from redraft.domain.proposals.opening import ProposalRequest
from redraft.domain.proposals.reading import ProposalFilter, evidence_of, get_proposal, list_proposals

router = Router(prefix="/v1.0/aipromptproposals", tags=["aipromptproposals"])


@router.post(
    "",
    status_code=202,
    summary="Propose a better prompt",
    responses={404: {"description": "No such AI."}, **NEEDS_BUDGET},
)
async def create_proposal(
    body: ProposalCreate, principal: Writer, state: State, new_id: NewId, response: Response
) -> AiPromptProposal:
    """Have a better prompt written from 1 to 20 completed audits of the current version. Poll until completed."""
    request = ProposalRequest(
        id=new_id,
        customer_id=principal.customer_id,
        prompt_id=body.ai_id,
        audit_ids=tuple(body.audit_ids),
        language=body.language,
        actor=principal.actor,
    )
    await open_proposal(state, request)
    return await _read_record(state, principal, new_id, response)


@router.get("", summary="List proposals")
async def list_ai_prompt_proposals(
    principal: Reader,
    session: TenantSession,
    size: PageSize,
    cursor: PageToken,
    ai_id: UUID | None = None,
    status: Annotated[ProposalStatus | None, Query()] = None,
) -> PageOf[AiPromptProposal]:
    """List the proposals, newest first."""
    page = await list_proposals(session, ProposalFilter(ai_id, status), cursor, size)
    evidence = await evidence_of(session, *(proposal.id for proposal in page.items))
    return PageOf[AiPromptProposal].build(
        page.items, page.next_token, lambda proposal: AiPromptProposal.of(proposal, evidence[proposal.id])
    )


@router.get("/{proposal_id}", summary="Read a proposal")
async def read_proposal(
    proposal_id: UUID,
    principal: Reader,
    session: TenantSession,
    state: State,
    response: Response,
    live: Annotated[bool, Query(description="Ask the workflow, too: stage, attempts, tokens so far.")] = False,
) -> AiPromptProposal | LiveProposal:
    """Read a proposal. The ETag is the SHA-256 of `proposed_prompt`: send it as If-Match when accepting."""
    record = await _record(session, proposal_id, response)
    if not live:
        return record
    await session.commit()  # gives the connection back: Temporal may take its time
    status = await state.temporal.proposal_status(proposal_id)
    return record if status is None else LiveProposal(**record.model_dump(), live=status)


@router.post("/{proposal_id}/accept", summary="Accept a proposal")
async def accept_proposal(
    proposal_id: UUID,
    principal: Writer,
    state: State,
    response: Response,
    if_match: IfMatch,
    body: Acceptance | None = None,
) -> AiPromptProposal:
    """Make the draft the AI's prompt: version, AI and proposal change together. With If-Match only the draft named."""
    body = body or Acceptance()
    expected = await _expected_draft(state, principal, proposal_id, if_match)
    decision = DecisionRequest("accept", principal.actor, note=body.note, override=body.override, if_match=expected)
    await state.temporal.decide_proposal(principal.customer_id, proposal_id, decision)
    return await _read_record(state, principal, proposal_id, response)


@router.post("/{proposal_id}/reject", summary="Reject a proposal")
async def reject_proposal(
    proposal_id: UUID, principal: Writer, state: State, response: Response, body: Dismissal | None = None
) -> AiPromptProposal:
    """Turn a proposal down, in progress or completed. The AI stays as it is; the slot is free."""
    return await _turn_down(state, principal, proposal_id, "reject", body, response)


@router.post("/{proposal_id}/cancel", summary="Cancel a proposal")
async def cancel_proposal(
    proposal_id: UUID, principal: Writer, state: State, response: Response, body: Dismissal | None = None
) -> AiPromptProposal:
    """Stop a proposal in progress: it fails with error `cancelled`, and the slot is free."""
    return await _turn_down(state, principal, proposal_id, "cancel", body, response)


@router.patch("/{proposal_id}", summary="Edit the draft", responses={409: {"description": "It is not completed."}})
async def edit_proposal(
    proposal_id: UUID, body: ProposalEdit, principal: Writer, state: State, response: Response, if_match: IfMatch
) -> AiPromptProposal:
    """Replace the draft of a completed proposal; it is checked anew. `generated_prompt` stays what the model wrote."""
    check_prompt("proposed_prompt", body.proposed_prompt, state.settings)
    expected = await _expected_draft(state, principal, proposal_id, if_match)
    async with state.db.tenant(principal.customer_id) as session:
        settled = await edit_draft(session, proposal_id, body.proposed_prompt, principal.actor, expected)
    if settled.refusal is not None:
        raise settled.refusal
    return await _read_record(state, principal, proposal_id, response)


@router.delete("/{proposal_id}", summary="Delete a proposal")
async def delete_proposal(proposal_id: UUID, principal: Writer, state: State, response: Response) -> AiPromptProposal:
    """Delete a proposal softly; an open one is stopped first."""
    decision = DecisionRequest("delete", principal.actor)
    await state.temporal.decide_proposal(principal.customer_id, proposal_id, decision)
    return await _read_record(state, principal, proposal_id, response)


@router.get(
    "/{proposal_id}/diff",
    summary="Compare the draft with the original",
    response_model=ProposalDiff,
    responses={
        200: {"content": {"text/plain": {"schema": {"type": "string"}}}},
        409: {"description": "There is no draft."},
    },
)
async def read_diff(
    proposal_id: UUID,
    principal: Reader,
    session: TenantSession,
    response: Response,
    accept: Annotated[str, Header(include_in_schema=False)] = "*/*",
) -> ProposalDiff | Response:
    """Compare word by word (JSON), or line by line as a unified diff with `Accept: text/plain`."""
    proposal = await get_proposal(session, proposal_id)
    if not proposal.proposed_prompt:
        raise wrong_state("be compared: it has no draft", proposal)
    tag(response, text_hash(proposal.proposed_prompt))
    response.headers["Vary"] = "Accept"
    if not prefers(accept, "text/plain", "application/json"):
        return ProposalDiff.of(proposal)
    names = (f"prompt_history/{proposal.basis_version_id}", f"proposal/{proposal.id}")
    text = unified(proposal.original_prompt, proposal.proposed_prompt, names)
    return PlainTextResponse(text, headers=dict(response.headers))


async def _record(
    session: AsyncSession, proposal_id: UUID, response: Response, *, deleted_too: bool = False
) -> AiPromptProposal:
    proposal = await get_proposal(session, proposal_id, deleted_too=deleted_too)
    evidence = await evidence_of(session, proposal_id)
    tag(response, text_hash(proposal.proposed_prompt))
    return AiPromptProposal.of(proposal, evidence[proposal_id])


async def _read_record(
    state: AppState, principal: Principal, proposal_id: UUID, response: Response
) -> AiPromptProposal:
    """Return the record after what was asked for has happened, also if somebody has deleted it since."""
    async with state.db.tenant(principal.customer_id) as session:
        return await _record(session, proposal_id, response, deleted_too=True)


async def _expected_draft(
    state: AppState, principal: Principal, proposal_id: UUID, condition: Condition | None
) -> str | None:
    """Return the hash of the draft that the caller of If-Match has read, None for any."""
    if condition is None:
        return None
    async with state.db.tenant(principal.customer_id) as session:
        proposal = await get_proposal(session, proposal_id)
    return condition.expected(text_hash(proposal.proposed_prompt), otherwise="")


async def _turn_down(
    state: AppState,
    principal: Principal,
    proposal_id: UUID,
    action: Literal["reject", "cancel"],
    body: Dismissal | None,
    response: Response,
) -> AiPromptProposal:
    decision = DecisionRequest(action, principal.actor, note=body.note if body else "")
    await state.temporal.decide_proposal(principal.customer_id, proposal_id, decision)
    return await _read_record(state, principal, proposal_id, response)
