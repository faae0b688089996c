"""The application over HTTP with a real Temporal. One database and application a module; each test has a customer."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator

import httpx
import pytest
import pytest_asyncio
from fastapi import FastAPI
from temporalio.client import Client

from api.app import create_app
from redraft.settings import Settings
from redraft.store.database import Database
from runtime.client import connect
from tests.api.probe import client_of
from tests.schedules.board import Board
from tests.support.customers import CustomerFixture
from tests.support.stack import PostgresServer, TemporalServer
from tests.support.worlds import settings_for


@pytest.fixture(scope="module")
def settings(postgres: PostgresServer, migrated_template: str) -> Iterator[Settings]:
    """Settings for a fresh database; a schedule may be due every second."""
    url = postgres.create_database(template=migrated_template)
    yield settings_for(url, "http://127.0.0.1:9", schedule_min_interval_s=1, login_limit_per_minute=0)
    postgres.drop_database(url)


@pytest_asyncio.fixture(scope="module")
async def database(settings: Settings) -> AsyncIterator[Database]:
    database = Database.connect(settings)
    yield database
    await database.close()


@pytest_asyncio.fixture(scope="module")
async def client(settings: Settings, temporal: TemporalServer) -> Client:
    return await connect(settings, target_host=temporal.address)


@pytest.fixture(scope="module")
def app(settings: Settings, client: Client) -> FastAPI:
    return create_app(settings, client)


@pytest_asyncio.fixture(scope="module")
async def api(app: FastAPI) -> AsyncIterator[httpx.AsyncClient]:
    async with client_of(app) as client:
        yield client


@pytest_asyncio.fixture
async def board(
    api: httpx.AsyncClient, customer: CustomerFixture, settings: Settings, client: Client, database: Database
) -> AsyncIterator[Board]:
    """Schedules of a customer from every side; what is left of them goes with the test."""
    api.headers.update(customer.headers)
    made = Board(api, client, database, settings, customer)
    await made.make_prompt()
    yield made
    await made.clear()
