"""The application over a real Temporal, with a worker and a local HTTP server in Gemini's place."""

from __future__ import annotations

from collections.abc import AsyncIterator
from dataclasses import dataclass
from typing import Any

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
from tests.support.model_replies import hang
from tests.support.stack import TemporalServer
from tests.support.voipbin import Caller, Json, answered
from tests.support.worlds import World, eventually, settings_for, working_on

PROMPT = "You book tables for {{restaurant}}. Be brief."


@pytest.fixture
def settings(database_url: str, gemini: FakeGemini) -> Settings:
    """Settings with a task queue of its own."""
    return settings_for(database_url, gemini.url)


@pytest_asyncio.fixture
async def client(settings: Settings, temporal: TemporalServer) -> Client:
    """A client of Temporal."""
    return await connect(settings, target_host=temporal.address)


@pytest.fixture
def app(settings: Settings, client: Client) -> FastAPI:
    """The application, not started."""
    return create_app(settings, client)


@pytest_asyncio.fixture
async def working(
    settings: Settings, client: Client, database: Database, gemini: FakeGemini, customer: CustomerFixture
) -> AsyncIterator[None]:
    """A worker while the test runs."""
    async with working_on(World(settings, database, client, gemini, customer.id)):
        yield


@dataclass(frozen=True, slots=True)
class Desk:
    """Somebody at work with proposals."""

    me: Caller
    gemini: FakeGemini

    async def request(self, number: int = 2, **fields: Any) -> Json:
        """Return the body of a request that can be granted: a new AI and audits of it."""
        ai = await self.me.an_ai(init_prompt=PROMPT)
        audits = await self.me.audits_of(ai, number)
        return {"ai_id": ai["id"], "audit_ids": [audit["id"] for audit in audits], **fields}

    async def open(self, **fields: Any) -> Json:
        """Open a proposal and return its first record."""
        return answered(await self.me.post("/aipromptproposals", await self.request(**fields)), 202)

    async def hanging(self) -> Json:
        """Open a proposal whose model call does not return."""
        self.gemini.default(hang())
        return await self.open()

    async def waiting(self, **fields: Any) -> Json:
        """Return a proposal that waits for a decision."""
        return await self.until((await self.open(**fields))["id"], "completed")

    async def read(self, proposal_id: str) -> Json:
        """Read a proposal."""
        return answered(await self.me.get(f"/aipromptproposals/{proposal_id}"), 200)

    async def until(self, proposal_id: str, status: str) -> Json:
        """Poll until a proposal has this status."""
        return await eventually(lambda: self.read(proposal_id), lambda record: record["status"] == status, status)

    async def decide(self, proposal: Json, action: str, body: Json | None = None, **options: Any) -> Any:
        """Send a decision and return the response."""
        return await self.me.post(f"/aipromptproposals/{proposal['id']}/{action}", body, **options)


@pytest_asyncio.fixture
async def desk(me: Caller, gemini: FakeGemini, working: None) -> Desk:
    """A manager, with a worker behind the API."""
    return Desk(me, gemini)
