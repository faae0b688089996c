"""A proposal from its opening to its end, over a real Temporal server."""

from __future__ import annotations

import pytest

from redraft.domain.errors import RedraftError
from redraft.store.tables import Prompt, PromptVersion
from tests.support.worlds import World


async def test_an_accepted_proposal_becomes_the_next_version(here: World) -> None:
    prompt, proposal = await here.waiting()
    accepted = await here.decide(proposal.id, "accept", note="reads well")
    moved = await here.get(Prompt, prompt.id)
    assert moved.current_version_id is not None
    version = await here.get(PromptVersion, moved.current_version_id)
    assert accepted.status == "accepted"
    assert accepted.applied_version_id == version.id
    assert (version.number, version.text, version.source) == (2, proposal.proposed_prompt, "proposal")
    assert here.gemini.count == 1


async def test_a_moved_prompt_refuses_the_accept_and_expires_the_record(here: World) -> None:
    prompt, proposal = await here.waiting()
    await here.put(prompt.id, "Another text for {{restaurant}}.")
    with pytest.raises(RedraftError, match="prompt version drifted"):
        await here.decide(proposal.id, "accept")
    assert (await here.until(proposal.id, "expired")).error == "prompt_version_drifted"


async def test_a_waiting_proposal_expires_by_itself_when_its_basis_moves(here: World) -> None:
    prompt, proposal = await here.waiting()
    await here.put(prompt.id, "Another text for {{restaurant}}.")
    assert (await here.until(proposal.id, "expired")).error == "prompt_version_drifted"
