"""Real PostgreSQL, real Temporal, and a local HTTP server in Gemini's place."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator

import pytest

from redraft.settings import Settings
from redraft.store.migrate import migrate
from tests.support.fake_gemini import FakeGemini
from tests.support.stack import PostgresServer, TemporalServer, postgres_server, temporal_server
from tests.support.worlds import World, world


@pytest.fixture(scope="session")
def postgres() -> Iterator[PostgresServer]:
    with postgres_server() as server:
        yield server


@pytest.fixture(scope="session")
def temporal() -> Iterator[TemporalServer]:
    with temporal_server() as server:
        yield server


@pytest.fixture(scope="session")
def template_url(postgres: PostgresServer) -> str:
    url = postgres.create_database()
    migrate(Settings.model_validate({"database_url": url}))
    return url


@pytest.fixture
def database_url(postgres: PostgresServer, template_url: str) -> Iterator[str]:
    url = postgres.create_database(template=template_url)
    yield url
    postgres.drop_database(url)


@pytest.fixture
def gemini() -> Iterator[FakeGemini]:
    with FakeGemini() as fake:
        yield fake


@pytest.fixture
async def here(database_url: str, temporal: TemporalServer, gemini: FakeGemini) -> AsyncIterator[World]:
    """A world with a worker."""
    async with world(database_url, temporal.address, gemini) as made:
        yield made
