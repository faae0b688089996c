"""A record outlives its workflow: continued as new, lost, or closed long ago."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from uuid import UUID

import psycopg
import pytest
from temporalio.api.operatorservice.v1 import ListSearchAttributesRequest, RemoveSearchAttributesRequest
from temporalio.service import RPCError, RPCStatusCode

from redraft.domain.errors import RedraftError
from redraft.store.tables import Proposal
from runtime import open_records
from runtime.reconciler import Reconciler
from runtime.starts import Starter
from tests.support.fake_gemini import FakeGemini
from tests.support.model_replies import hang
from tests.support.stack import TemporalServer, temporal_server
from tests.support.wait import until
from tests.support.worlds import World, eventually, world
from workflows import attributes
from workflows.ids import proposal_workflow_id


@pytest.fixture(scope="module")
def forgetful() -> Iterator[TemporalServer]:
    """A Temporal of its own that wants new runs early."""
    with temporal_server(dynamic_config={"limit.historyCount.suggestContinueAsNew": 60}) as server:
        yield server


def grow_old(here: World, database_url: str) -> None:
    """Let the world's proposals be older than the reconciler's grace."""
    with psycopg.connect(database_url) as connection:
        connection.execute("update proposals set created_at = created_at - interval '1 minute'")


async def run_of(here: World, proposal_id: UUID) -> str | None:
    """Return the id of the workflow's current run."""
    return (await here.client.get_workflow_handle(proposal_workflow_id(proposal_id)).describe()).run_id


async def test_a_long_history_continues_as_new_and_goes_on_waiting(
    database_url: str, forgetful: TemporalServer, gemini: FakeGemini
) -> None:
    async with world(database_url, forgetful.address, gemini) as here:
        _, proposal = await here.waiting()
        first = await run_of(here, proposal.id)
        for _ in range(40):
            with pytest.raises(RedraftError, match="edited since it was read"):
                await here.decide(proposal.id, "accept", if_match="0" * 64)
        assert await run_of(here, proposal.id) != first
        live = await here.gateway.proposal_status(proposal.id)
        assert live is not None
        assert live["status"] == "completed"
        assert (await here.decide(proposal.id, "accept")).status == "accepted"
        assert gemini.count == 1


async def test_lost_workflows_come_back_where_they_were(
    here: World, database_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(open_records, "PAGE", 1)
    _, waiting = await here.waiting()
    here.gemini.script(hang())
    progressing = await here.open(await here.prompt(name="Another"))
    await asyncio.to_thread(here.gemini.wait_for_calls, 2)
    for lost in (waiting, progressing):
        await here.client.get_workflow_handle(proposal_workflow_id(lost.id)).terminate("lost")
    grow_old(here, database_url)
    assert await Reconciler(here.db, Starter(here.client, here.settings), 1).reconcile() == 2
    assert (await here.decide(waiting.id, "accept")).status == "accepted"
    assert (await here.until(progressing.id, "completed")).status == "completed"
    assert await Reconciler(here.db, Starter(here.client, here.settings), 1).reconcile() == 0


async def test_an_answer_left_behind_is_forgotten_once_its_proposal_is_decided(here: World, database_url: str) -> None:
    """A worker that is stopped right after it has booked an answer can leave one."""
    here.gemini.default(hang())
    proposals = [await here.open(await here.prompt(name=name)) for name in ("decided", "open")]
    await until(lambda: here.gemini.count == 2)
    await here.decide(proposals[0].id, "reject")
    leave = "update model_calls set state = 'settled', cost_usd = 0, answer = 'left behind' where subject_id = %s"
    kept = "select subject_id from model_calls where answer is not null"
    with psycopg.connect(database_url, autocommit=True) as connection:
        for proposal in proposals:
            connection.execute(leave, [proposal.id])
        await Reconciler(here.db, Starter(here.client, here.settings), 1).reconcile()
        assert connection.execute(kept).fetchall() == [(proposals[1].id,)]


async def test_a_decision_brings_a_lost_workflow_back_by_itself(here: World) -> None:
    _, proposal = await here.waiting()
    await here.client.get_workflow_handle(proposal_workflow_id(proposal.id)).terminate("lost")
    assert (await here.decide(proposal.id, "accept")).status == "accepted"


async def test_an_empty_temporal_gets_its_search_attributes_again(
    database_url: str, forgetful: TemporalServer, gemini: FakeGemini
) -> None:
    async with world(database_url, forgetful.address, gemini) as here:
        _, proposal = await here.waiting()
        await here.client.get_workflow_handle(proposal_workflow_id(proposal.id)).terminate("lost")
        names = [key.name for key in attributes.ALL]
        operator, namespace = here.client.operator_service, here.client.namespace
        await operator.remove_search_attributes(
            RemoveSearchAttributesRequest(search_attributes=names, namespace=namespace)
        )
        grow_old(here, database_url)
        reconciler = Reconciler(here.db, Starter(here.client, here.settings), 1)

        async def brought_back() -> bool:
            try:
                return bool(await reconciler.reconcile())
            except RPCError as error:  # the server takes a moment to learn of new attributes
                if error.status != RPCStatusCode.INVALID_ARGUMENT:
                    raise
                return False

        await eventually(brought_back, bool, "brought back")
        known = await operator.list_search_attributes(ListSearchAttributesRequest(namespace=namespace))
        assert set(names) <= set(known.custom_attributes)
        assert (await here.decide(proposal.id, "accept")).status == "accepted"


async def test_a_workflow_resumed_after_the_decision_ends_at_once(here: World) -> None:
    _, proposal = await here.waiting()
    await here.decide(proposal.id, "accept")
    starter = Starter(here.client, here.settings)
    handle = await starter.resume_proposal(here.customer_id, proposal.id, proposal.prompt_id)
    assert await handle.result() == "accepted"
    assert (await here.get(Proposal, proposal.id)).status == "accepted"
