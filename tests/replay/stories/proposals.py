"""Lives of a proposal."""

from __future__ import annotations

import asyncio

from redraft.store.tables import Prompt, Proposal
from runtime.starts import Starter
from tests.support.model_replies import auto, error, hang
from tests.support.worlds import World
from workflows.ids import proposal_workflow_id


async def accepted(here: World) -> str:
    """Drafted, and accepted."""
    _, proposal = await here.waiting()
    await here.decide(proposal.id, "accept", note="reads well")
    return proposal_workflow_id(proposal.id)


async def rejected_in_progress(here: World) -> str:
    """Rejected while the model was writing."""
    _, proposal = await _in_progress(here)
    await here.decide(proposal.id, "reject")
    await here.client.get_workflow_handle(proposal_workflow_id(proposal.id)).result()
    return proposal_workflow_id(proposal.id)


async def drifted_in_progress(here: World) -> str:
    """Expired while the model was writing, because the prompt moved."""
    prompt, proposal = await _in_progress(here)
    await here.put(prompt.id, "Another text for {{restaurant}}.")
    await here.until(proposal.id, "expired")
    return proposal_workflow_id(proposal.id)


async def drifted_waiting(here: World) -> str:
    """Expired while it waited, because the prompt moved."""
    prompt, proposal = await here.waiting()
    await here.put(prompt.id, "Another text for {{restaurant}}.")
    await here.until(proposal.id, "expired")
    return proposal_workflow_id(proposal.id)


async def failed(here: World) -> str:
    """Failed, because the model refused."""
    here.gemini.script(error(403))
    proposal = await here.open(await here.prompt())
    await here.until(proposal.id, "failed")
    return proposal_workflow_id(proposal.id)


async def resumed(here: World) -> str:
    """Lost while waiting, resumed from its record, and accepted by signal."""
    prompt, proposal = await here.waiting()
    await here.client.get_workflow_handle(proposal_workflow_id(proposal.id)).terminate("lost")
    handle = await Starter(here.client, here.settings).resume_proposal(here.customer_id, proposal.id, prompt.id)
    await handle.signal("accept", {"actor": "Maria", "note": "by signal"})
    await here.until(proposal.id, "accepted")
    return proposal_workflow_id(proposal.id)


STORIES = (accepted, rejected_in_progress, drifted_in_progress, drifted_waiting, failed, resumed)


async def _in_progress(here: World) -> tuple[Prompt, Proposal]:
    calls = here.gemini.count
    here.gemini.script(hang())
    here.gemini.default(auto())
    prompt = await here.prompt()
    proposal = await here.open(prompt)
    await asyncio.to_thread(here.gemini.wait_for_calls, calls + 1, 30)
    return prompt, proposal
