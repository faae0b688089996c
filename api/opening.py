"""Opening a proposal: for the API and for the console alike."""

from __future__ import annotations

from api.state import AppState
from redraft.domain.prompts import get_prompt
from redraft.domain.proposals.audit_set import load_audit_set
from redraft.domain.proposals.opening import ProposalRequest
from redraft.store.tables import Proposal


async def open_proposal(state: AppState, request: ProposalRequest) -> None:
    """Open a proposal; one that this request opened before is left as it is. Raises as the core's `open_proposal`."""
    async with state.db.tenant(request.customer_id) as session:
        if await session.get(Proposal, request.id) is not None:
            return
        # What can be refused by reading starts no workflow; the core checks it all again under its locks.
        prompt = (await get_prompt(session, request.prompt_id)).prompt
        await load_audit_set(session, prompt, request.audit_ids)
    await state.temporal.open_proposal(request)
