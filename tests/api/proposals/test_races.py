"""Many callers at once: the limit holds, one decision wins, a change and an accept exclude each other."""

from __future__ import annotations

import asyncio
from collections import Counter
from typing import Any

import httpx
import pytest
from temporalio.client import Client
from temporalio.service import RPCError, RPCStatusCode

from api.temporal import DECISIONS_SIDE_BY_SIDE, TemporalGateway
from redraft.domain.proposals.deciding import DecisionRequest
from redraft.domain.proposals.opening import ProposalRequest
from redraft.settings import Settings
from redraft.store.database import Database
from redraft.store.tables import Proposal
from tests.api.proposals.conftest import Desk
from tests.support.customers import CustomerFixture
from tests.support.fake_gemini import FakeGemini
from tests.support.model_replies import hang
from tests.support.voipbin import Caller, Json, answered, refused
from tests.support.worlds import World, settings_for, working_on

URL = "/aipromptproposals"
TASK_LOST = "Unable to perform workflow execution update due to unexpected workflow task failure."


@pytest.fixture
def settings(database_url: str, gemini: FakeGemini) -> Settings:
    """Time and connections for all of them, however busy the machine is."""
    return settings_for(database_url, gemini.url, temporal_timeout_s=60, database_pool_size=25)


async def numbers(desk: Desk, ai_id: str) -> list[int]:
    """Return the version numbers of an AI's prompt, newest first."""
    page = answered(await desk.me.get(f"/ais/{ai_id}/prompt_histories"), 200)
    return [history["version"] for history in page["result"]]


def statuses(answers: list[httpx.Response]) -> Counter[int]:
    """Count the statuses of answers."""
    return Counter(answer.status_code for answer in answers)


async def test_fifty_creates_at_once_leave_exactly_three_in_progress(
    desk: Desk, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked = Counter[str]()
    original = TemporalGateway.open_proposal

    async def counted(gateway: TemporalGateway, request: ProposalRequest) -> None:
        asked["temporal"] += 1
        await original(gateway, request)

    monkeypatch.setattr(TemporalGateway, "open_proposal", counted)
    desk.gemini.default(hang())
    request = await desk.request()
    answers = await asyncio.gather(*(desk.me.post(URL, request) for _ in range(50)))
    assert 3 <= asked["temporal"] < 10  # fifty workflows would take a busy machine longer than the callers wait
    assert statuses(answers) == {202: 3, 429: 47}
    for answer in answers:
        if answer.status_code == 429:
            refused(answer, 429, "TOO_MANY_IN_PROGRESS")
    records = answered(await desk.me.get(URL), 200)["result"]
    assert [record["status"] for record in records] == ["progressing"] * 3
    assert {record["id"] for record in records} == {a.json()["id"] for a in answers if a.status_code == 202}


async def test_of_a_crowd_that_decides_few_ask_the_workflow_at_a_time(
    here: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Each update that Temporal turns away costs the workflow its task: a crowd would keep it from ever deciding."""
    _, proposal = await here.waiting()
    gateway, asking, most = here.gateway, 0, 0
    ask = gateway.client.execute_update_with_start_workflow

    async def counted(*arguments: Any, **options: Any) -> Any:
        nonlocal asking, most
        asking += 1
        most = max(most, asking)
        try:
            return await ask(*arguments, **options)
        finally:
            asking -= 1

    monkeypatch.setattr(gateway.client, "execute_update_with_start_workflow", counted)
    request = DecisionRequest("reject", "tester")
    await asyncio.gather(
        *(gateway.decide_proposal(here.customer_id, proposal.id, request) for _ in range(3 * DECISIONS_SIDE_BY_SIDE))
    )
    assert most == DECISIONS_SIDE_BY_SIDE
    assert (await here.get(Proposal, proposal.id)).status == "rejected"


async def test_a_decision_that_cost_the_workflow_its_task_is_asked_again(
    here: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Temporal says so to whoever comes while the workflow ends with something else unseen."""
    _, proposal = await here.waiting()
    gateway = here.gateway
    ask = gateway.client.execute_update_with_start_workflow
    lost: list[RPCError] = []

    async def losing(*arguments: Any, **options: Any) -> Any:
        if not lost:
            lost.append(RPCError(TASK_LOST, RPCStatusCode.FAILED_PRECONDITION, b""))
            options["start_workflow_operation"]._workflow_handle.set_exception(lost[0])  # as the client does
            raise lost[0]
        return await ask(*arguments, **options)

    monkeypatch.setattr(gateway.client, "execute_update_with_start_workflow", losing)
    await gateway.decide_proposal(here.customer_id, proposal.id, DecisionRequest("accept", "tester"))
    assert (await here.get(Proposal, proposal.id)).status == "accepted"


async def test_twenty_accepts_and_rejects_at_once_are_one_decision(desk: Desk) -> None:
    proposal = await desk.waiting()
    answers = await asyncio.gather(*(desk.decide(proposal, ("accept", "reject")[n % 2]) for n in range(20)))
    assert statuses(answers) == {200: 10, 409: 10}
    final = await desk.read(proposal["id"])
    assert all(answer.json() == final for answer in answers if answer.status_code == 200)
    expected = [2, 1] if final["status"] == "accepted" else [1]
    assert await numbers(desk, proposal["ai_id"]) == expected


async def test_twenty_accepts_at_once_make_one_version(desk: Desk) -> None:
    proposal = await desk.waiting()
    answers = await asyncio.gather(*(desk.decide(proposal, "accept") for _ in range(20)))
    assert statuses(answers) == {200: 20}
    assert len({answer.json()["applied_prompt_history_id"] for answer in answers}) == 1
    assert await numbers(desk, proposal["ai_id"]) == [2, 1]


async def test_of_a_change_with_if_match_and_an_accept_exactly_one_wins(desk: Desk) -> None:
    winners = Counter([await change_against_accept(desk, after) for after in (0, 1, 2, 4, 8, 16)])
    assert winners.total() == 6


async def change_against_accept(desk: Desk, after: int) -> str:
    """Send both, the change that many reads later; return who won, having checked that it was only one."""
    proposal = await desk.waiting()
    path, basis = f"/ais/{proposal['ai_id']}", proposal["basis_prompt_history_id"]

    async def change() -> httpx.Response:
        for _ in range(after):
            await desk.me.get(path)
        return await desk.me.put(path, {"init_prompt": "Mine."}, headers={"If-Match": f'"{basis}"'})

    changed, accepted = await asyncio.gather(change(), desk.decide(proposal, "accept"))
    ai = answered(await desk.me.get(path), 200)
    assert await numbers(desk, proposal["ai_id"]) == [2, 1]
    if accepted.status_code == 200:
        refused(changed, 412, "PROMPT_VERSION_DRIFTED")
        assert ai["init_prompt"] == proposal["proposed_prompt"]
        return "accept"
    refused(accepted, 409, "PROMPT_VERSION_DRIFTED")
    assert answered(changed, 200) == ai
    assert ai["init_prompt"] == "Mine."
    await desk.until(proposal["id"], "expired")
    return "change"


async def test_two_proposals_on_one_basis_accepted_at_once_make_one_version(desk: Desk) -> None:
    request = await desk.request()
    pair: list[Json] = [answered(await desk.me.post(URL, request), 202) for _ in range(2)]
    for proposal in pair:
        await desk.until(proposal["id"], "completed")
    answers = await asyncio.gather(*(desk.decide(proposal, "accept") for proposal in pair))
    assert statuses(answers) == {200: 1, 409: 1}
    assert await numbers(desk, request["ai_id"]) == [2, 1]
    records = [await desk.read(proposal["id"]) for proposal in pair]
    assert {record["status"] for record in records} == {"accepted", "expired"}


async def test_more_decisions_than_temporal_takes_at_once_are_all_answered(
    me: Caller, settings: Settings, client: Client, database: Database, gemini: FakeGemini, customer: CustomerFixture
) -> None:
    world = World(settings, database, client, gemini, customer.id)
    desk = Desk(me, gemini)
    async with working_on(world):
        proposal = await desk.waiting()
    # Without a worker they pile up; Temporal takes ten of a workflow and turns the others away.
    decisions = [asyncio.create_task(desk.decide(proposal, "accept")) for _ in range(15)]
    answered_early, _ = await asyncio.wait(decisions, timeout=1)
    assert not answered_early
    async with working_on(world):
        assert statuses(await asyncio.gather(*decisions)) == {200: 15}
    assert await numbers(desk, proposal["ai_id"]) == [2, 1]
