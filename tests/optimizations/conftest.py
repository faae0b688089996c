"""The application with a worker, whose model plays experiments."""

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
from tests.optimizations.requests import SCRIPT
from tests.support.customers import CustomerFixture
from tests.support.experiments import SMALL
from tests.support.fake_gemini import FakeGemini
from tests.support.stack import TemporalServer
from tests.support.worlds import World, settings_for, working_on


@pytest.fixture
def settings(database_url: str, gemini: FakeGemini) -> Settings:
    gemini.default(SCRIPT.reply)
    return settings_for(database_url, gemini.url, **SMALL)


@pytest_asyncio.fixture
async def client(settings: Settings, temporal: TemporalServer) -> Client:
    return await connect(settings, target_host=temporal.address)


@pytest.fixture
def app(settings: Settings, client: Client) -> FastAPI:
    return create_app(settings, client)


@pytest_asyncio.fixture
async def http(
    api: httpx.AsyncClient,
    customer: CustomerFixture,
    settings: Settings,
    client: Client,
    database: Database,
    gemini: FakeGemini,
) -> AsyncIterator[httpx.AsyncClient]:
    """A client with an admin key, and a worker."""
    api.headers.update(customer.headers)
    async with working_on(World(settings, database, client, gemini, customer.id)):
        yield api
