"""Opening a proposal: for the API and for the console alike."""

from __future__ import annotations

import asyncio

from api.state import AppState
from api.temporal import Unavailable
from redraft.domain.prompts import get_prompt
from redraft.domain.proposals.audit_set import load_audit_set
from redraft.domain.proposals.opening import ProposalRequest, free_slots
from redraft.store.tables import Proposal


async def open_proposal(state: AppState, request: ProposalRequest) -> None:
    """Open a proposal; one that this request opened before is left as it is. Raises as the core's `open_proposal`."""
    limit = state.settings.max_in_progress

    async def opened() -> bool:
        async with state.db.tenant(request.customer_id) as session:
            return await session.get(Proposal, request.id) is not None

    async def read() -> int:
        async with state.db.tenant(request.customer_id) as session:
            return await free_slots(session, request.customer_id, limit)

    async with state.db.tenant(request.customer_id) as session:
        if await session.get(Proposal, request.id) is not None:
            return
        # What can be refused by reading starts no workflow; the core checks it all again under its locks.
        prompt = (await get_prompt(session, request.prompt_id)).prompt
        await load_audit_set(session, prompt, request.audit_ids)
        free = await free_slots(session, request.customer_id, limit)
    try:
        async with asyncio.timeout(state.settings.temporal_timeout_s):
            await state.openings.begin(request.customer_id, free, read)
    except TimeoutError as error:
        raise Unavailable from error
    try:
        await state.temporal.open_proposal(request)
    except Unavailable:
        if not await opened():  # else only the answer was late, or was lost
            raise
    finally:
        state.openings.end(request.customer_id)
