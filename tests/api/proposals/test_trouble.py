"""Temporal or the database in trouble: an answer in bounded time, and nothing done twice afterwards."""

from __future__ import annotations

import asyncio
from uuid import UUID

import httpx
import pytest
from temporalio.client import Client

from api.app import create_app
from api.temporal import TemporalGateway, Unavailable
from redraft.domain.commit import lock_prompt
from redraft.domain.proposals.opening import ProposalRequest
from redraft.llm.factory import language_model
from redraft.settings import Settings
from redraft.store.database import Database
from runtime.client import connect
from tests.api.proposals.conftest import PROMPT, Desk
from tests.support.customers import CustomerFixture
from tests.support.fake_gemini import FakeGemini
from tests.support.voipbin import Caller, answered, refused
from tests.support.worlds import settings_for, strict_runner
from worker import workers

URL = "/aipromptproposals"


@pytest.fixture
def settings(database_url: str, gemini: FakeGemini) -> Settings:
    """Settings of an API that waits three seconds for Temporal."""
    return settings_for(database_url, gemini.url, temporal_timeout_s=3)


async def test_without_temporal_the_answer_is_503_and_nothing_is_stored(
    settings: Settings, customer: CustomerFixture
) -> None:
    nowhere = await connect(settings, target_host="127.0.0.1:1", lazy=True)
    app = create_app(settings, nowhere)
    transport = httpx.ASGITransport(app=app, raise_app_exceptions=False)
    async with app.router.lifespan_context(app), httpx.AsyncClient(transport=transport, base_url="http://test") as http:
        me = Caller(http, customer.headers)
        ai = await me.an_ai()
        [audit] = await me.audits_of(ai, 1)
        async with asyncio.timeout(30):
            answer = await me.post(URL, {"ai_id": ai["id"], "audit_ids": [audit["id"]]})
        refused(answer, 503, "TEMPORAL_UNAVAILABLE")
        assert int(answer.headers["retry-after"]) > 0
        assert answered(await me.get(URL), 200)["result"] == []


async def test_an_opening_whose_answer_was_lost_is_answered_from_its_record(
    desk: Desk, monkeypatch: pytest.MonkeyPatch
) -> None:
    opening = TemporalGateway.open_proposal

    async def without_answer(gateway: TemporalGateway, request: ProposalRequest) -> None:
        await opening(gateway, request)
        raise Unavailable

    monkeypatch.setattr(TemporalGateway, "open_proposal", without_answer)
    opened = answered(await desk.me.post(URL, await desk.request()), 202)
    assert [record["id"] for record in answered(await desk.me.get(URL), 200)["result"]] == [opened["id"]]


async def test_a_decision_that_gets_stuck_is_503_and_takes_effect_once(
    desk: Desk, database: Database, customer: CustomerFixture
) -> None:
    proposal = await desk.waiting()
    async with database.tenant(customer.id) as session:
        await lock_prompt(session, UUID(proposal["ai_id"]))
        async with asyncio.timeout(30):
            answer = await desk.decide(proposal, "accept")
        refused(answer, 503, "WORKFLOW_SERVICE_UNAVAILABLE", says="ask again")
    await desk.until(proposal["id"], "accepted")
    answered(await desk.decide(proposal, "accept"), 200)
    page = answered(await desk.me.get(f"/ais/{proposal['ai_id']}/prompt_histories"), 200)
    assert [history["version"] for history in page["result"]] == [2, 1]


async def test_a_prompt_that_moves_before_a_late_worker_asks_the_model_makes_the_audits_older_ones(
    me: Caller, settings: Settings, client: Client, database: Database, gemini: FakeGemini
) -> None:
    ai = await me.an_ai(init_prompt=PROMPT)
    audits = [audit["id"] for audit in await me.audits_of(ai, 2)]
    model = language_model(settings)
    short, late, *_ = workers(client, database, model, settings, workflow_runner=strict_runner())
    async with short:
        opened = answered(await me.post(URL, {"ai_id": ai["id"], "audit_ids": audits}), 202)
        answered(await me.put(f"/ais/{ai['id']}", {"init_prompt": "Another text."}), 200)
        async with late:
            record = await Desk(me, gemini).until(opened["id"], "failed")
    await model.close()
    assert record["error"] == "audit_prompt_version_mismatch"
    assert record["note"]
    assert gemini.count == 0
