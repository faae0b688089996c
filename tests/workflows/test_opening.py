"""Opening a proposal: refused, late, repeated, or never."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from uuid import UUID

import pytest
from temporalio.worker import UnsandboxedWorkflowRunner

import worker
import workflows.proposals
from redraft.domain.errors import RedraftError
from redraft.llm.factory import language_model
from redraft.store.ids import new_id
from redraft.store.tables import Proposal
from tests.support.fake_gemini import FakeGemini
from tests.support.model_replies import auto, hang
from tests.support.stack import TemporalServer
from tests.support.worlds import World, world
from workflows.contracts import DecisionInput, ProposalInput
from workflows.ids import proposal_workflow_id
from workflows.proposals import OPEN_TIMEOUT, ProposalWorkflow
from workflows.queues import workflow_queue


async def recorded(here: World, proposal_id: UUID) -> bool:
    """Tell whether there is a record."""
    async with here.db.tenant(here.customer_id) as session:
        return await session.get(Proposal, proposal_id) is not None


async def test_a_refused_request_may_be_repeated_when_there_is_room(here: World) -> None:
    """As clients do with one Idempotency-Key: the refusal is no answer that sticks."""
    here.gemini.default(hang())
    prompt = await here.prompt()
    audits = await here.audits(prompt.id)
    first = [await here.open(prompt, audits) for _ in range(3)]
    request = here.request(prompt, audits)
    with pytest.raises(RedraftError, match="too many in-flight"):
        await here.gateway.open_proposal(request)
    await here.decide(first[0].id, "reject")
    here.gemini.default(auto())
    await here.gateway.open_proposal(request)
    assert (await here.until(request.id, "completed")).status == "completed"


async def test_a_refused_request_leaves_no_record_and_no_running_workflow(here: World) -> None:
    prompt = await here.prompt()
    request = here.request(prompt, [])
    with pytest.raises(RedraftError, match="invalid audit set"):
        await here.gateway.open_proposal(request)
    assert await here.client.get_workflow_handle(proposal_workflow_id(request.id)).result() == "refused"
    assert not await recorded(here, request.id)


async def test_a_late_request_is_dropped(here: World) -> None:
    """Whoever asked has given up by then, and must not get a proposal to pay for later."""
    prompt = await here.prompt()
    wanted = here.request(prompt, await here.audits(prompt.id))
    late = datetime.now(UTC) - timedelta(milliseconds=1)
    with pytest.raises(RedraftError, match="came too late"):
        await here.gateway.open_proposal(replace(wanted, deadline=late))
    assert await here.client.get_workflow_handle(proposal_workflow_id(wanted.id)).result() == "refused"
    assert not await recorded(here, wanted.id)
    assert here.gemini.count == 0


async def test_the_same_request_twice_is_one_proposal(here: World) -> None:
    prompt = await here.prompt()
    request = here.request(prompt, await here.audits(prompt.id))
    await here.gateway.open_proposal(request)
    await here.until(request.id, "completed")
    await here.gateway.open_proposal(request)
    await here.decide(request.id, "accept")
    await here.gateway.open_proposal(request)
    assert (await here.get(Proposal, request.id)).status == "accepted"
    assert here.gemini.count == 1


async def test_a_workflow_that_nobody_opens_ends_within_a_minute(
    database_url: str, temporal: TemporalServer, gemini: FakeGemini, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Also when somebody sends a decision about the record that is not there."""
    assert timedelta(minutes=1) >= OPEN_TIMEOUT
    monkeypatch.setattr(workflows.proposals, "OPEN_TIMEOUT", timedelta(seconds=1))
    async with world(database_url, temporal.address, gemini, working=False) as here:
        model = language_model(here.settings)
        # Outside the sandbox the workflow sees the shorter minute.
        runner = UnsandboxedWorkflowRunner()
        async with worker.running(here.client, here.db, model, here.settings, workflow_runner=runner):
            proposal_id = new_id()
            handle = await here.client.start_workflow(
                ProposalWorkflow.run,
                ProposalInput(customer_id=here.customer_id, proposal_id=proposal_id),
                id=proposal_workflow_id(proposal_id),
                task_queue=workflow_queue(here.settings.task_queue),
                start_signal="accept",
                start_signal_args=[DecisionInput(actor="Maria")],
            )
            assert await handle.result(rpc_timeout=timedelta(seconds=30)) == "refused"
        await model.close()
