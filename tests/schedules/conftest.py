"""The application over HTTP with a real Temporal, and a stand-in for what schedules start."""

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
from tests.schedules.board import Board
from tests.support.customers import CustomerFixture
from tests.support.stack import TemporalServer
from tests.support.worlds import settings_for


@pytest.fixture
def settings(database_url: str) -> Settings:
    return settings_for(database_url, "http://127.0.0.1:9", schedule_min_interval_s=1)


@pytest_asyncio.fixture
async def client(settings: Settings, temporal: TemporalServer) -> Client:
    return await connect(settings, target_host=temporal.address)


@pytest.fixture
def app(settings: Settings, client: Client) -> FastAPI:
    return create_app(settings, client)


@pytest_asyncio.fixture
async def board(
    api: httpx.AsyncClient, customer: CustomerFixture, settings: Settings, client: Client, database: Database
) -> AsyncIterator[Board]:
    """Schedules of a customer from every side; what is left of them in Temporal goes with the test."""
    api.headers.update(customer.headers)
    made = Board(api, client, database, settings, customer)
    await made.make_prompt()
    yield made
    await made.clear()
