"""Proposals: read, compare, edit, decide.

Every decision is a plain form, so it works before and without any script.
"""

from __future__ import annotations

from typing import Annotated, Literal
from uuid import UUID

from fastapi import Query
from starlette.responses import Response

from api.opening import open_proposal
from console import pages
from console.forms import Typed
from console.refusals import refuse
from console.routers.prompts import show_prompt
from console.routing import PageRouter
from console.views.audits import evidence_of, one_audit
from console.views.diffs import compare
from console.views.proposals import checks_of, prompt_names, proposals_page, standing_of
from console.views.runs import run_evidence_of
from console.visits import Act, View, Visit, WriterAct, see
from redraft.domain.audits import get_audit
from redraft.domain.errors import RedraftError
from redraft.domain.limits import check_prompt
from redraft.domain.paging import Cursor
from redraft.domain.proposals.deciding import DecisionRequest
from redraft.domain.proposals.drafts import edit_draft
from redraft.domain.proposals.opening import ProposalRequest
from redraft.domain.proposals.reading import ProposalFilter, get_proposal
from redraft.domain.proposals.states import TERMINAL_STATES
from redraft.store.tables import Prompt

router = PageRouter()
STATES = ("progressing", "completed", *TERMINAL_STATES)
PAGE = 50
ViewName = Annotated[str, Query(alias="view")]


@router.get("/proposals", summary="Proposals")
async def list_all(visit: View, status: str = "", prompt: UUID | None = None, after: str = "") -> Response:
    """List the proposals, newest first."""
    known = status if status in STATES else None
    page = await proposals_page(visit.session, ProposalFilter(prompt, known), Cursor.parse(after), PAGE)
    name = (await prompt_names(visit.session, {prompt})).get(prompt, "") if prompt else ""
    return await visit.page(
        "proposals.html", page=page, states=STATES, status=known or "", prompt=prompt, prompt_name=name
    )


@router.get("/proposals/{proposal_id}", summary="Review a proposal")
async def review(proposal_id: UUID, visit: View, view: ViewName = "inline", part: str = "") -> Response:
    """Show a proposal with its difference, reasons, checks and evidence."""
    if part == "diff":
        proposal = await get_proposal(visit.session, proposal_id)
        comparison = compare(proposal.original_prompt, proposal.proposed_prompt, view)
        return pages.html("parts/diff.html", comparison=comparison, address=f"/console/proposals/{proposal_id}")
    return await review_page(visit, proposal_id, view=view)


async def review_page(visit: Visit, proposal_id: UUID, typed: Typed | None = None, *, view: str = "inline") -> Response:
    """Return the review page; `typed` is what could not be done."""
    typed = typed or Typed()
    standing = await standing_of(visit.session, proposal_id)
    proposal = await get_proposal(visit.session, proposal_id)
    prompt = await visit.session.get_one(Prompt, proposal.prompt_id)
    draft = typed.of("edit", "proposed_prompt", proposal.proposed_prompt)
    checks = checks_of(proposal.checks)
    evidence = await evidence_of(visit.session, proposal_id) or await run_evidence_of(visit.session, proposal)
    return await visit.page(
        "proposal.html",
        typed,
        standing=standing,
        proposal=proposal,
        prompt=prompt,
        comparison=compare(proposal.original_prompt, draft, view) if draft else None,
        checks=checks,
        blocked=any(check.tone == "failed" for check in checks),
        evidence=evidence,
        labels={str(one.id): one.label for one in evidence},
        draft=draft,
        address=f"/console/proposals/{proposal_id}",
    )


@router.post("/proposals/{proposal_id}/preview", summary="Compare an edited draft")
async def preview(proposal_id: UUID, act: WriterAct, view: ViewName = "inline") -> Response:
    """Show how a draft that is being edited differs from the original; nothing is kept."""
    text = act.form.text("proposed_prompt")
    async with act.look() as visit:
        proposal = await get_proposal(visit.session, proposal_id)
    comparison = compare(proposal.original_prompt, text, view)
    return pages.html("parts/diff.html", comparison=comparison, address=f"/console/proposals/{proposal_id}")


@router.post("/proposals/{proposal_id}/accept", summary="Accept a proposal")
async def accept(proposal_id: UUID, act: WriterAct) -> Response:
    """Make the draft that was read the prompt's next version."""
    return await _decide(act, proposal_id, "accept")


@router.post("/proposals/{proposal_id}/reject", summary="Reject a proposal")
async def reject(proposal_id: UUID, act: WriterAct) -> Response:
    """Turn the proposal down."""
    return await _decide(act, proposal_id, "reject")


@router.post("/proposals/{proposal_id}/cancel", summary="Cancel a proposal")
async def cancel(proposal_id: UUID, act: WriterAct) -> Response:
    """Stop a proposal that is still being written."""
    return await _decide(act, proposal_id, "cancel")


async def _decide(act: Act, proposal_id: UUID, action: Literal["accept", "reject", "cancel"]) -> Response:
    form = act.form
    try:
        request = DecisionRequest(
            action,
            act.principal.actor,
            note=form.note(),
            override=form.flag("override"),
            # A form without it would accept whatever is there by now: it is refused as edited since.
            if_match=form.text("draft") if action == "accept" else None,
        )
        await act.state.temporal.decide_proposal(act.principal.customer_id, proposal_id, request)
    except RedraftError as error:
        return await _again(act, proposal_id, error, action)
    return see(f"/console/proposals/{proposal_id}")


@router.post("/proposals/{proposal_id}/edit", summary="Edit a draft")
async def edit(proposal_id: UUID, act: WriterAct) -> Response:
    """Replace the draft of a waiting proposal; it is checked anew."""
    form, customer = act.form, act.principal.customer_id
    text = form.text("proposed_prompt")
    try:
        check_prompt("proposed_prompt", text, act.state.settings)
        async with act.state.db.tenant(customer) as session:
            settled = await edit_draft(session, proposal_id, text, act.principal.actor, form.text("draft"))
        if settled.refusal is not None:
            raise settled.refusal
    except RedraftError as error:
        return await _again(act, proposal_id, error, "edit")
    return see(f"/console/proposals/{proposal_id}")


@router.post("/prompts/{prompt_id}/proposals", summary="Propose a better prompt")
async def propose(prompt_id: UUID, act: WriterAct) -> Response:
    """Have a better prompt written from audits of the current version."""
    try:
        request = ProposalRequest(
            id=act.form.record_id(act.principal.customer_id),
            customer_id=act.principal.customer_id,
            prompt_id=prompt_id,
            audit_ids=act.form.ids("audit_ids"),
            language=act.form.text("language").strip(),
            actor=act.principal.actor,
        )
        await open_proposal(act.state, request)
    except RedraftError as error:
        return await refuse(act, error, "propose", lambda visit, typed: show_prompt(visit, prompt_id, typed))
    return see(f"/console/proposals/{request.id}")


@router.get("/audits/{audit_id}", summary="Read an audit with its conversation")
async def audit(audit_id: UUID, visit: View, part: str = "", label: str = "Audit") -> Response:
    """Show an audit and the whole conversation, cited turns marked."""
    record = await get_audit(visit.session, audit_id)
    evidence = await one_audit(visit.session, record)
    if part == "talk":
        return pages.html("parts/talk.html", turns=evidence.turns, prefix=f"{label}-")
    prompt = await visit.session.get_one(Prompt, record.prompt_id)
    return await visit.page("audit.html", one=evidence, prompt=prompt, audit=record)


async def _again(act: Act, proposal_id: UUID, error: RedraftError, doing: str) -> Response:
    return await refuse(act, error, doing, lambda visit, typed: review_page(visit, proposal_id, typed), _PLAIN)


_PLAIN = {
    "DRAFT_EDITED": "Somebody edited the draft after you opened this page. Below is the draft as it is now:"
    " read it, then decide again.",
    "PROMPT_VERSION_DRIFTED": "The prompt moved to another version before you decided. Nothing was changed.",
    "CHECKS_FAILED": "A blocking check failed. Edit the draft, reject it, or tick the box to accept it all the same.",
    "INVALID_AUDIT_SET": "An audit that this draft stands on was deleted meanwhile. Nothing was changed.",
}
