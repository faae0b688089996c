"""Proposals from runs: their evidence is shown like audits, and one that can't be accepted offers no such button."""

from __future__ import annotations

from uuid import UUID

import pytest

from redraft.domain.prompts import PromptDraft, create_prompt
from redraft.domain.runs.improve import ImproveRequest, queue_proposal
from redraft.domain.runs.records import RunDraft, create_run
from redraft.domain.runs.transcript import turns_of
from redraft.store.database import Database
from redraft.store.ids import new_id
from redraft.store.tables import Proposal
from tests.console.conftest import Person, visible
from tests.support.customers import CustomerFixture

TURNS = turns_of("[00:01] Testing Agent: <b>Is it open?</b>\n[00:02] Main Agent: Yes.")
CONTENT = {
    "scenario_name": "Opening hours",
    "transcript_object": [turn.model_dump() for turn in TURNS],
    "evaluation": {"metrics": [{"id": 1, "name": "Names the hours", "value": False, "explanation": ["It did not."]}]},
}


async def a_proposal(database: Database, customer: CustomerFixture, status: str, prompt: str | None = None) -> UUID:
    """Store a proposal from one run."""
    proposal_id = new_id()
    async with database.tenant(customer.id) as session:
        made = await create_prompt(session, customer.id, PromptDraft("Desk", "You are a desk."), "tester")
        run = await create_run(session, customer.id, RunDraft(agent=made.prompt.id, turns=TURNS, content=CONTENT))
        request = ImproveRequest(proposal_id, customer.id, (run.number,), "tester", "proposal-x", prompt=prompt)
        await queue_proposal(session, request)
        proposal = await session.get_one(Proposal, proposal_id)
        proposal.status = status
        if status == "completed":
            proposal.generated_prompt = proposal.proposed_prompt = "You are a desk. Name the hours."
        session.add(proposal)
    return proposal_id


async def test_the_runs_are_the_evidence(person: Person, database: Database, customer: CustomerFixture) -> None:
    page = await person.read(f"/console/proposals/{await a_proposal(database, customer, 'completed')}")
    said = visible(page)
    for shown in ("1 run", "Run 1: Opening hours", "Names the hours", "It did not.", "Accept …"):
        assert shown in said
    assert "&lt;b&gt;Is it open?&lt;/b&gt;" in page


async def test_a_queued_one_can_be_cancelled_but_not_accepted(
    person: Person, database: Database, customer: CustomerFixture
) -> None:
    page = await person.read(f"/console/proposals/{await a_proposal(database, customer, 'queued')}")
    assert "starts by itself" in visible(page)
    assert '<fieldset data-while="progressing queued" data-only="progressing queued" >' in page
    assert "Queued" in visible(await person.read("/console"))


@pytest.mark.parametrize(("prompt", "offered"), [(None, True), ("You are somebody else.", False)])
async def test_a_text_that_is_not_the_prompts_own_cant_be_accepted(
    person: Person, database: Database, customer: CustomerFixture, prompt: str | None, offered: bool
) -> None:
    page = await person.read(f"/console/proposals/{await a_proposal(database, customer, 'completed', prompt)}")
    assert ("Accept …" in page) is offered
    assert ("can be read, but not accepted" in page) is not offered
