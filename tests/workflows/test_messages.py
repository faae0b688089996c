"""Signals and updates, whenever they come."""

from __future__ import annotations

import asyncio

from redraft.domain.audits import delete_audit
from redraft.store.tables import Prompt, PromptVersion
from tests.support.fake_gemini import FakeGemini
from tests.support.model_replies import hang
from tests.support.stack import TemporalServer
from tests.support.worlds import World, working_on, world
from workflows.contracts import DecisionInput
from workflows.ids import proposal_workflow_id
from workflows.optimization_contracts import OptimizationDecisionInput


async def test_people_decide_by_signal_with_their_name(here: World) -> None:
    prompt, proposal = await here.waiting()
    handle = here.client.get_workflow_handle(proposal_workflow_id(proposal.id))
    await handle.signal("accept", DecisionInput(actor="Maria", note="from the Web UI"))
    accepted = await here.until(proposal.id, "accepted")
    assert (accepted.decided_by, accepted.note) == ("Maria", "from the Web UI")
    assert await handle.result() == "accepted"
    version = await here.get(PromptVersion, (await here.get(Prompt, prompt.id)).current_version_id or prompt.id)
    assert version.author == "Maria"


def test_a_name_alone_signs_too() -> None:
    assert DecisionInput.model_validate_json('"Maria"') == DecisionInput(actor="Maria")
    assert OptimizationDecisionInput.model_validate_json('"Maria"') == OptimizationDecisionInput(actor="Maria")


async def test_a_signal_rejects_and_one_cancels(here: World) -> None:
    _, waiting = await here.waiting()
    await here.client.get_workflow_handle(proposal_workflow_id(waiting.id)).signal(
        "reject", DecisionInput(actor="Maria")
    )
    assert (await here.until(waiting.id, "rejected")).decided_by == "Maria"
    here.gemini.default(hang())
    progressing = await here.open(await here.prompt(name="Another"))
    await here.client.get_workflow_handle(proposal_workflow_id(progressing.id)).signal(
        "cancel", DecisionInput(actor="Maria")
    )
    assert (await here.until(progressing.id, "failed")).error == "cancelled"


async def test_messages_wait_for_a_worker(database_url: str, temporal: TemporalServer, gemini: FakeGemini) -> None:
    async with world(database_url, temporal.address, gemini, working=False) as here:
        async with working_on(here):
            _, proposal = await here.waiting()
        handle = here.client.get_workflow_handle(proposal_workflow_id(proposal.id))
        await handle.signal("basis_changed")
        await handle.signal("accept", DecisionInput(actor="Maria"))
        await handle.signal("reject", DecisionInput(actor="Bob"))
        async with working_on(here):
            assert (await here.until(proposal.id, "accepted")).decided_by == "Maria"
            assert await handle.result() == "accepted"


async def test_a_moved_prompt_stops_the_draft_being_made(here: World) -> None:
    here.gemini.default(hang())
    prompt = await here.prompt()
    proposal = await here.open(prompt)
    await asyncio.to_thread(here.gemini.wait_for_calls, 1)
    await here.put(prompt.id, "Another text for {{restaurant}}.")
    assert (await here.until(proposal.id, "expired")).error == "prompt_version_drifted"
    await asyncio.to_thread(here.gemini.wait_for_gone, 1, 20)


async def test_a_withdrawn_audit_fails_the_draft_being_made(here: World) -> None:
    here.gemini.default(hang())
    prompt = await here.prompt()
    audits = await here.audits(prompt.id)
    proposal = await here.open(prompt, audits)
    await asyncio.to_thread(here.gemini.wait_for_calls, 1)
    async with here.db.tenant(here.customer_id) as session:
        await delete_audit(session, audits[0].id)
    assert (await here.until(proposal.id, "failed")).error == "invalid_audit_set"


async def test_the_status_tells_where_a_proposal_is(here: World) -> None:
    here.gemini.default(hang())
    proposal = await here.open(await here.prompt())
    await asyncio.to_thread(here.gemini.wait_for_calls, 1)
    live = await here.gateway.proposal_status(proposal.id)
    assert live is not None
    assert (live["stage"], live["status"], live["attempts"]) == ("generating", "progressing", 1)
    here.gemini.release()
    await here.until(proposal.id, "completed")
    await here.decide(proposal.id, "accept")
    closed = await here.gateway.proposal_status(proposal.id)
    assert closed is not None
    assert (closed["stage"], closed["status"]) == ("closed", "accepted")
    assert closed["prompt_tokens"] > 0
