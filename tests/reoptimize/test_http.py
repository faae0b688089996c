"""The whole loop over HTTP: a schedule is triggered, says why it starts nothing, then proposes; a person accepts."""

from __future__ import annotations

from collections.abc import AsyncIterator

import httpx
import pytest
import pytest_asyncio
from fastapi import FastAPI
from temporalio.client import Client

from api.app import create_app
from redraft.settings import Settings
from redraft.store.database import Database
from runtime.client import connect
from tests.support.customers import CustomerFixture
from tests.support.fake_gemini import FakeGemini
from tests.support.stack import TemporalServer
from tests.support.voipbin import Caller, Json, answered
from tests.support.worlds import World, eventually, settings_for, working_on


@pytest.fixture
def settings(database_url: str, gemini: FakeGemini) -> Settings:
    return settings_for(database_url, gemini.url)


@pytest_asyncio.fixture
async def client(settings: Settings, temporal: TemporalServer) -> Client:
    return await connect(settings, target_host=temporal.address)


@pytest.fixture
def app(settings: Settings, client: Client) -> FastAPI:
    return create_app(settings, client)


@pytest_asyncio.fixture
async def caller(
    api: httpx.AsyncClient,
    customer: CustomerFixture,
    settings: Settings,
    client: Client,
    database: Database,
    gemini: FakeGemini,
) -> AsyncIterator[Caller]:
    """A caller with an admin key, and a worker."""
    api.headers.update(customer.headers)
    async with working_on(World(settings, database, client, gemini, customer.id)):
        yield Caller(api, customer.headers)


class Loop:
    """One schedule of one AI, as a client sees it."""

    def __init__(self, caller: Caller, ai: Json, schedule: Json) -> None:
        self.caller = caller
        self.ai = ai
        self.path = f"/api/v1/schedules/{schedule['id']}"

    async def trigger(self) -> Json:
        """Run the schedule now, and return its run once it has ended."""
        before = len(await self.runs())
        answer = await self.caller.http.post(f"{self.path}/trigger")
        assert answer.status_code == 202, answer.text
        runs = await eventually(
            self.runs, lambda found: len(found) > before and found[0]["status"] != "running", "a run that has ended"
        )
        return runs[0]

    async def runs(self) -> list[Json]:
        answer = await self.caller.http.get(f"{self.path}/runs")
        found: list[Json] = answer.json()["data"]
        return found

    async def proposal(self, proposal_id: str) -> Json:
        return answered(await self.caller.get(f"/aipromptproposals/{proposal_id}"), 200)


async def test_from_the_first_schedule_to_an_accepted_proposal(caller: Caller) -> None:
    ai = await caller.an_ai()
    body = {
        "promptId": f"prompt_{ai['id']}",
        "name": "Nightly",
        "action": "proposal",
        "cron": ["0 3 1 1 *"],
        "when": {"minNewAudits": 3, "meanScoreBelow": 3.5},
    }
    made = await caller.http.post("/api/v1/schedules", json=body)
    assert made.status_code == 201, made.text
    loop = Loop(caller, ai, made.json())

    for _ in range(2):
        await caller.a_call(ai)
    first = await loop.trigger()
    assert (first["cause"], first["status"], first["reason"]) == ("manual", "skipped", "TOO_FEW_NEW_AUDITS")
    assert first["message"] == "2 new audits of version 1 are there, at least 3 are wanted."
    assert first["auditsStarted"] == 2  # which the judge found to be good: 4 of 5
    assert first["costUsd"] > 0

    await caller.audits_of(ai, 4)  # made elsewhere, with 2 of 5
    second = await loop.trigger()
    assert (second["status"], second["reason"]) == ("started", ""), second["message"]
    proposal = await eventually(
        lambda: loop.proposal(second["proposalId"]), lambda record: record["status"] == "completed", "completed"
    )
    assert f"sched_{proposal['schedule_id']}" == made.json()["id"]
    assert len(proposal["audit_ids"]) == 6
    assert (await loop.trigger())["reason"] == "SOMETHING_OPEN"

    accepted = answered(await caller.post(f"/aipromptproposals/{proposal['id']}/accept"), 200)
    assert accepted["status"] == "accepted"
    now = answered(await caller.get(f"/ais/{ai['id']}"), 200)
    assert now["init_prompt"] == proposal["proposed_prompt"]
    assert now["current_prompt_history_id"] == accepted["applied_prompt_history_id"]
    last = await loop.trigger()
    assert last["saw"]["version"]["number"] == 2
    assert last["reason"] == "TOO_FEW_NEW_AUDITS"

    log = await caller.http.get("/api/v1/events", params={"topic": "schedule.*", "order": "desc"})
    topics = [event["topic"] for event in log.json()["data"] if event["topic"].startswith("schedule.run_")]
    assert topics == [
        "schedule.run_skipped",
        "schedule.run_skipped",
        "schedule.run_started",
        "schedule.run_skipped",
    ]
